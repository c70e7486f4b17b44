/** headrace verify */
import { countOf } from '../../base/plural.js';
import pc from 'picocolors';
import { systemClock } from '../../base/clock.js';
import {
  newRunId,
  openDestination,
  openSource,
  resolveConnection,
  type ConnectionFlags,
} from '../../wiring/compose.js';
import { EXIT } from '../../base/errors.js';
import { targetsOf } from '../../engine/read/context.js';
import { recallSource } from '../../engine/run/source-memory.js';
import { verifyAgainstApi, verifyLedger } from '../../engine/run/verify.js';
import { systemRandom } from '../../base/random.js';
import { json, out, table } from '../terminal/output.js';
import { doubtLines, proofTable } from '../terminal/summary.js';

export async function command(
  [name]: (string | undefined)[],
  flags: ConnectionFlags & { json?: boolean; api?: boolean; samples?: number; strict?: boolean },
): Promise<number> {
  const connection = await resolveConnection(name, flags, process.env, flags.api ? 'all' : 'streams');
  const { source } = await openSource(connection);
  const destination = await openDestination(connection);
  try {
    const { mode } = connection.destination;
    const of = { connection: connection.name, runId: newRunId(), startedMs: systemClock.now() };
    await recallSource(source, destination, of);
    const streams = targetsOf(source.streams, mode === 'replace' ? 'upsert' : mode);
    const session = await destination.open({ ...of, streams, readOnly: true });
    try {
      const proofs = await verifyLedger(session, source, mode);
      const samples = flags.api
        ? await verifyAgainstApi(session, source, flags.samples ?? 5, systemRandom(), new AbortController().signal)
        : [];
      // Nothing is wrong that could be seen; what is proven leaves no doubt.
      const isComplete =
        proofs.length > 0 &&
        proofs.every((proof) => proof.faults.length === 0) &&
        samples.every((sample) => sample.faults.length === 0);
      const proven = isComplete && proofs.every((proof) => proof.doubt === undefined);
      if (flags.json) json({ type: 'verify', connection: connection.name, proven, proofs, samples });
      else {
        out(proofTable(proofs, process.stdout.columns));
        if (flags.api)
          out(
            `\n${table(
              ['stream', 'compared part', 'listed', 'missing', 'altered', 'no longer listed'],
              samples.map(({ stream: of, gte, lt, listed, missing, altered, extra }) => [
                of,
                partText(gte, lt),
                listed,
                missing.length,
                altered.length,
                extra.length,
              ]),
            )}`,
          );
        for (const line of new Set(samples.flatMap((sample) => sample.faults))) out(pc.yellow(line));
        const doubts = doubtLines(proofs);
        for (const line of doubts) out(pc.yellow(line));
        out(
          proven
            ? pc.green(`\nProven: ${countOf(proofs.length, 'stream')}`)
            : pc.yellow(
                proofs.length === 0
                  ? '\nNothing was synced yet'
                  : isComplete
                    ? '\nComplete, unproven: what the lines above say'
                    : '\nNot proven: see the last column and the lines above; headrace sync goes on where it stopped',
              ),
        );
      }
      const isWeak = !flags.strict && isComplete;
      return proven || isWeak ? EXIT.complete : EXIT.partial;
    } finally {
      await session.close();
    }
  } finally {
    await destination.close();
    await source.close();
  }
}

/** Positions of most streams are seconds; those of others are numbers of pages. */
const SECONDS = { from: Date.UTC(1990, 0) / 1000, before: Date.UTC(2100, 0) / 1000 };

/** A part of a span, as people read it. */
export function partText(gte: number, lt: number): string {
  const isTime = lt > SECONDS.from && lt < SECONDS.before;
  const text = (position: number) =>
    isTime ? new Date(position * 1000).toISOString().replace('.000Z', 'Z') : String(position);
  return `${gte <= (isTime ? 0 : -Infinity) ? 'the beginning' : text(gte)} to ${text(lt)}`;
}
