/** A stream is read again by the next run, whole or in part; its rows stay. */
import type { DestinationSession, StateWrite } from '../../destinations/contract.js';
import { ConfigError } from '../../base/errors.js';
import type { Stream } from '../../sources/contract.js';
import { decodeStream, REACH_KEY, storedReachOf, type StoredEntry } from '../../ledger/checkpoint.js';
import { reopen } from './opening.js';

/**
 * `from` and `before` are positions (unix seconds); what is left out is the span's own end, and without both the stream
 * begins anew. Throws ConfigError.
 */
export async function resetStream(
  session: DestinationSession,
  streams: Stream[],
  name: string,
  from: number | undefined,
  before: number | undefined,
): Promise<void> {
  const own = (await session.loadState()).filter((entry) => entry.stream === name);
  if (own.length === 0)
    throw new ConfigError(`stream ${name} has no state`, {
      code: 'unknown_stream',
      place: 'stream',
      expected: 'a stream that was synced',
      found: name,
      candidates: streams.map((stream) => stream.name),
      next: 'see headrace state show, or the ledger of the connection',
    });
  const whole = from === undefined && before === undefined;
  const writes: StateWrite[] = whole
    ? anew(name, own)
    : reopen(
        streams.find((stream) => stream.name === name),
        name,
        decodeStream(own),
        from,
        before,
      ).writes;
  await session.writeState(writes);
}

/** All entries go; what the rows were asked for by stays with them. */
function anew(stream: string, own: StoredEntry[]): StateWrite[] {
  const reach = storedReachOf(own) ?? null;
  const others = own.filter(({ key }) => key !== REACH_KEY);
  const writes: StateWrite[] = others.map(({ key, version }) => ({ stream, key, expect: version, value: null }));
  const expect = own.find(({ key }) => key === REACH_KEY)?.version ?? 0;
  return reach === null && expect === 0 ? writes : [...writes, { stream, key: REACH_KEY, expect, value: reach }];
}
