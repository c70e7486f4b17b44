/** Twins that come with Headrace, by class name. */
import type { Twins } from '../runtime/twin.js';
import { amplitude } from './amplitude.js';
import { STEP_TWIN } from './declared-steps.js';
import { described } from './described.js';
import { searchConsole } from './google-search-console.js';
import { intercom } from './intercom.js';
import { iterable } from './iterable.js';
import { linkedin } from './linkedin.js';
import { zendeskSupport } from './zendesk-support.js';

export const TWINS: Twins = {
  ...described,
  ...intercom,
  ...amplitude,
  ...linkedin,
  ...zendeskSupport,
  ...iterable,
  ...searchConsole,
  ...STEP_TWIN,
};
