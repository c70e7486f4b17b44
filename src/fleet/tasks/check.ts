/** Tasks that only look: `check` and `verify`. */
import type { Clock } from '../../base/clock.js';
import { targetsOf } from '../../engine/read/context.js';
import { recallSource } from '../../engine/run/source-memory.js';
import { verifyAgainstApi, verifyLedger } from '../../engine/run/verify.js';
import type { Random } from '../../base/random.js';
import type { Settlement } from '../scheduler/task.js';
import { withOpened, type ConnectionAccess } from './access.js';

export function checkTask(access: ConnectionAccess, signal: AbortSignal): Promise<Settlement> {
  return withOpened(access, undefined, async ({ source }, destination) => {
    const account = await source.check(signal);
    await destination.check();
    return { state: 'done', result: { account: account.id, destination: destination.description } };
  });
}

const SAMPLES = 3;

export function verifyTask(
  access: ConnectionAccess,
  samples: number | undefined,
  signal: AbortSignal,
  clock: Clock,
  random: Random,
): Promise<Settlement> {
  return withOpened(access, undefined, async ({ source }, destination) => {
    const mode = access.mode === 'replace' ? 'upsert' : access.mode;
    const runId = access.newRunId();
    await recallSource(source, destination, { connection: access.name, runId, startedMs: clock.now(), signal });
    const session = await destination.open({
      connection: access.name,
      runId,
      streams: targetsOf(source.streams, mode),
      readOnly: true,
      startedMs: clock.now(),
    });
    try {
      const proofs = await verifyLedger(session, source, access.mode);
      const compared = await verifyAgainstApi(session, source, samples ?? SAMPLES, random, signal);
      const faults = proofs.flatMap(({ stream, faults: own }) => own.map((fault) => `${stream}: ${fault}`));
      const missing = compared
        .filter((sample) => sample.missing.length > 0)
        .map(({ stream, missing: keys }) => `${stream}: ${keys.length} rows of a sample are missing`);
      const result = {
        streams: proofs.length,
        samples: compared.length,
        listed: compared.reduce((sum, sample) => sum + sample.listed, 0),
      };
      if (faults.length + missing.length === 0 && proofs.length > 0) return { state: 'done', result };
      return {
        state: 'dead',
        error: {
          code: 'not_proven',
          message: [...faults, ...missing].slice(0, 10).join('; ') || 'nothing was synced yet',
          next: 'run a sync, or re-scrape the stream',
        },
      };
    } finally {
      await session.close();
    }
  });
}
