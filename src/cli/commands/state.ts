/** headrace state show | export | import | reset */
import { z } from 'zod';
import { systemClock } from '../../base/clock.js';
import {
  newRunId,
  openDestination,
  openSource,
  resolveConnection,
  type ConnectionFlags,
} from '../../wiring/compose.js';
import { validate } from '../../config/load.js';
import type { DestinationSession, StateWrite } from '../../destinations/contract.js';
import { ConfigError, EXIT, messageOf } from '../../base/errors.js';
import { LIMITS } from '../../base/bounds.js';
import { readInputFile } from '../../base/input-file.js';
import { resetStream } from '../../engine/run/reset.js';
import type { Stream } from '../../sources/contract.js';
import { totals } from '../../ledger/ledger.js';
import { isStreamState } from '../../engine/run/source-memory.js';
import { evidenceView } from '../../base/evidence.js';
import { decodeStream, endOf } from '../../ledger/checkpoint.js';
import { json, note, out, table } from '../terminal/output.js';

const fileSchema = z.strictObject({
  headrace_state: z.literal(1),
  connection: z.string(),
  entries: z
    .array(z.strictObject({ stream: z.string().min(1), key: z.string().min(1), value: z.unknown() }))
    .max(100_000),
});

type Flags = ConnectionFlags & { json?: boolean };

/** None of them asks the API, so none needs its secret. */
interface Use {
  readOnly: boolean;
  need: 'streams' | 'lands';
}
const READING: Use = { readOnly: true, need: 'lands' };
const REPLACING: Use = { readOnly: false, need: 'lands' };
const RESETTING: Use = { readOnly: false, need: 'streams' };

export async function show([name]: (string | undefined)[], flags: Flags): Promise<number> {
  return withSession(name, flags, READING, async (session) => {
    const entries = await session.loadState();
    const counts = await session.counts();
    const streams = [...new Set(entries.map((entry) => entry.stream))].filter(isStreamState);
    const rows = streams.map((stream) => {
      const own = entries.filter((entry) => entry.stream === stream);
      const state = decodeStream(own)!;
      const sums = totals(state.ledger);
      const openSlices = [...state.slices.values()].reduce((sum, entry) => sum + entry.open.length, 0);
      return {
        stream,
        generation: state.meta.generation,
        complete: state.meta.complete,
        ranges: state.ledger.ranges.size,
        open: sums.open + openSlices,
        rows: counts[stream]?.inserted ?? 0,
        from: state.meta.span.gte,
        before: state.meta.span.lt,
        ...evidenceView(endOf(state)),
        bytes: JSON.stringify(own).length,
      };
    });
    if (flags.json) rows.forEach(json);
    else
      out(
        table(
          ['stream', 'complete', 'evidence', 'ranges', 'open', 'rows', 'bytes of state'],
          rows.map((row) => [
            row.stream,
            row.complete ? 'yes' : 'no',
            `${row.evidence ?? ''}${row.doubt === null ? '' : ' (weak)'}`,
            row.ranges,
            row.open,
            row.rows,
            row.bytes,
          ]),
        ),
      );
    for (const { stream, doubt } of flags.json ? [] : rows) if (doubt !== null) out(`weak ${stream}: ${doubt}`);
    return EXIT.complete;
  });
}

export async function exportState([name]: (string | undefined)[], flags: Flags): Promise<number> {
  return withSession(name, flags, READING, async (session, connection) => {
    const entries = (await session.loadState()).map(({ stream, key, value }) => ({ stream, key, value }));
    out(JSON.stringify({ headrace_state: 1, connection, entries }, null, 1));
    return EXIT.complete;
  });
}

export async function importState([file, name]: (string | undefined)[], flags: Flags): Promise<number> {
  const state = readStateFile(file!);
  for (const stream of new Set(state.entries.map((entry) => entry.stream))) {
    decodeStream(
      state.entries.filter((entry) => entry.stream === stream).map(({ key, value }) => ({ key, version: 1, value })),
    );
  }
  return withSession(name, flags, REPLACING, async (session, connection) => {
    if (state.connection !== connection) note(`note: the state was exported from connection ${state.connection}`);
    const there = new Map((await session.loadState()).map((entry) => [`${entry.stream}\u0001${entry.key}`, entry]));
    const writes: StateWrite[] = state.entries.map(({ stream, key, value }) => {
      const id = `${stream}\u0001${key}`;
      const expect = there.get(id)?.version ?? 0;
      there.delete(id);
      return { stream, key, expect, value };
    });
    for (const entry of there.values())
      writes.push({ stream: entry.stream, key: entry.key, expect: entry.version, value: null });
    await session.writeState(writes);
    note(`${state.entries.length} entries imported`);
    return EXIT.complete;
  });
}

export async function reset(
  [name]: (string | undefined)[],
  flags: Flags & { stream: string; from?: number; before?: number },
): Promise<number> {
  return withSession(name, flags, RESETTING, async (session, _connection, streams) => {
    await resetStream(session, streams, flags.stream, flags.from, flags.before);
    note(
      flags.from === undefined && flags.before === undefined
        ? `${flags.stream} will be read again from the start; its rows stay`
        : `that part of ${flags.stream} will be read again; its rows stay`,
    );
    return EXIT.complete;
  });
}

function readStateFile(file: string): z.infer<typeof fileSchema> {
  let text: string;
  try {
    text = readInputFile(file, LIMITS.stateFileBytes).toString('utf8');
  } catch (cause) {
    throw new ConfigError('the state file cannot be read', {
      code: 'state_file',
      place: file,
      found: messageOf(cause),
      next: 'name a file that headrace state export wrote',
      cause,
    });
  }
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (cause) {
    throw new ConfigError('the state file is not JSON', {
      code: 'state_file',
      place: file,
      expected: 'what headrace state export wrote',
      found: messageOf(cause),
      next: 'export it again',
      cause,
    });
  }
  return validate(fileSchema, raw, [], (path) => `${file} (${path.join('.')})`);
}

async function withSession(
  name: string | undefined,
  flags: Flags,
  { readOnly, need }: Use,
  work: (session: DestinationSession, connection: string, streams: Stream[]) => Promise<number>,
): Promise<number> {
  const connection = await resolveConnection(name, flags, process.env, need);
  const source = need === 'streams' ? (await openSource(connection)).source : undefined;
  const destination = await openDestination(connection);
  try {
    const session = await destination.open({
      connection: connection.name,
      runId: newRunId(),
      streams: [],
      readOnly,
      startedMs: systemClock.now(),
    });
    try {
      const code = await work(session, connection.name, source?.streams ?? []);
      if (!readOnly) await session.finishRun('state', {});
      return code;
    } finally {
      await session.close();
    }
  } finally {
    await destination.close();
    await source?.close();
  }
}
