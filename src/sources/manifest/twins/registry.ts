/** Twins that come with Headrace, by class name. */
import type { Twins } from '../runtime/twin.js';
import { amplitude } from './amplitude.js';
import { STEP_TWIN } from './declared-steps.js';
import { described } from './described.js';
import { intercom } from './intercom.js';

export const TWINS: Twins = { ...described, ...intercom, ...amplitude, ...STEP_TWIN };
