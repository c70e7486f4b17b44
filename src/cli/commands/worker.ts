/** headrace worker: without the server, whose code would take a third of its start. */
import pc from 'picocolors';
import { systemClock } from '../../base/clock.js';
import { restate } from '../../wiring/compose-scheduler.js';
import { journaled, workflowParts } from '../../wiring/compose-worker.js';
import { ConfigError } from '../../base/errors.js';
import { isLoopback } from '../../service/loopback.js';
import { withCoordination, work, workerOf, type WorkFlags } from '../work.js';

export async function command(
  _: unknown[],
  flags: WorkFlags & { dispatch?: string; endpoint?: number; endpointHost: string; journal?: boolean },
): Promise<number> {
  const { dispatch, endpoint, endpointHost, journal } = flags;
  if ([dispatch, endpoint, journal].filter((role) => role !== undefined).length > 1)
    throw new ConfigError('a worker either hands tasks on, or takes them, or keeps a journal of its own', {
      code: 'bad_roles',
      place: '--dispatch, --endpoint, --journal',
      expected: 'one of them',
      found: 'more than one',
    });
  const identityKeys = (process.env['RESTATE_IDENTITY_KEYS'] ?? '').split(',').filter((key) => key !== '');
  if (endpoint !== undefined && !isLoopback(endpointHost) && identityKeys.length === 0) {
    throw new ConfigError('beyond this machine, deliveries must be signed', {
      code: 'identity_missing',
      place: '--endpoint-host',
      expected: 'RESTATE_IDENTITY_KEYS: public keys of the Restate server',
      found: 'none',
      next: 'turn request identity on at the server, and export its public key',
    });
  }
  return withCoordination(flags, async (coordination, log) => {
    const { scheduler } = coordination;
    const onTrouble = (message: string) => log.trouble(message);
    const executor =
      dispatch === undefined
        ? journal
          ? journaled(coordination, flags)
          : undefined
        : (await restate()).restateExecutor({
            scheduler,
            clock: systemClock,
            ingress: dispatch,
            token: process.env['RESTATE_TOKEN'],
            onTrouble,
          });
    const what = journal
      ? `${flags.slots} tasks at once, in steps that a journal keeps`
      : executor
        ? `handing tasks to ${executor.description}`
        : endpoint === undefined
          ? `${flags.slots} tasks at once`
          : `${flags.slots} tasks at once, as they are delivered`;
    log.tell('info', { type: 'working', slots: flags.slots }, `working on ${scheduler.pool.description}, ${what}`);
    const own = workerOf(coordination, flags, log, { executor, claims: endpoint === undefined });
    const serving =
      endpoint === undefined
        ? undefined
        : await (
            await restate()
          ).serveRestate({
            worker: own,
            port: endpoint,
            host: endpointHost,
            identityKeys,
            workflows: workflowParts(coordination, own, flags, process.env),
            onTrouble,
          });
    if (serving) log.tell('info', { type: 'endpoint', url: serving.url }, `deliveries to ${pc.bold(serving.url)}`);
    try {
      await work(own, log);
    } finally {
      await serving?.close();
    }
  });
}
