/** A stream is read again by the next run, whole or in part; its rows stay. */
import type { DestinationSession, StateWrite } from '../../destinations/contract.js';
import { ConfigError } from '../../base/errors.js';
import type { Stream } from '../../sources/contract.js';
import { decodeStream } from '../../ledger/checkpoint.js';
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
    ? own.map(({ key, version }) => ({ stream: name, key, expect: version, value: null }))
    : reopen(
        streams.find((stream) => stream.name === name),
        name,
        decodeStream(own),
        from,
        before,
      ).writes;
  await session.writeState(writes);
}
