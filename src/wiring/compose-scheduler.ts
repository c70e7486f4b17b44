/** The wiring of whoever speaks with the scheduler: its database, the connections it knows, and tasks to ask for. */
import { ConfigError, messageOf } from '../base/errors.js';

export { openCoordination, readFile, type Coordination, type CoordinationFlags } from '../fleet/coordination.js';
export {
  announce,
  findConnection,
  assertWhole,
  knownConnections,
  storable,
  type KnownConnection,
} from '../fleet/known-connections.js';
export { ASKED_KINDS, taskOf } from '../fleet/tasks/kinds.js';
export { newWorkflowId } from '../fleet/workflow/built-in.js';
export type { WorkflowTask } from '../fleet/workflow/durable.js';

/** Its code is only loaded where a Restate server is used. Throws ConfigError where its SDK is not installed. */
export async function restate(): Promise<typeof import('../fleet/executors/restate/index.js')> {
  try {
    return await import('../fleet/executors/restate/index.js');
  } catch (cause) {
    throw new ConfigError('what speaks to Restate is not installed', {
      code: 'restate_missing',
      expected: '@restatedev/restate-sdk',
      found: messageOf(cause).split('\n')[0],
      next: 'npm install @restatedev/restate-sdk',
      cause,
    });
  }
}
