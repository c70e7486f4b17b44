/** What help tells of by name, without anything that a command would open. */
export { toHelp } from '../destinations/registry.js';
export { ASKED_KINDS } from '../fleet/tasks/kinds.js';
