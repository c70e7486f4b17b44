/** Twins that come with Headrace, by class name. */
import type { Twins } from '../runtime/twin.js';
import { intercom } from './intercom.js';

export const TWINS: Twins = { ...intercom };
