/** What a source keeps from one run to the next, in the connection's state. */
import { codeOf, LedgerConflictError } from '../../base/errors.js';
import { parseJson, stringifyJson } from '../../base/json.js';
import type { Destination, DestinationSession, OpenOptions, StateEntry } from '../../destinations/contract.js';
import type { Source } from '../../sources/contract.js';
import { LIMITS_STREAM } from './limit-memory.js';

/** The stream name under which the entry lies; the key is the source's name. */
const SOURCE_STREAM = '_source';

/** Whether entries under this name are a stream's, and not what a run remembers beside. */
export const isStreamState = (stream: string): boolean => stream !== LIMITS_STREAM && stream !== SOURCE_STREAM;

/**
 * Tells the source what it kept, before its streams are asked for: they may be others then. The state is looked at by a
 * session of its own, since one that writes wants to know the streams.
 */
export async function recallSource(
  source: Source,
  destination: Destination,
  options: Pick<OpenOptions, 'connection' | 'runId' | 'startedMs' | 'signal'>,
): Promise<void> {
  if (!source.memory) return;
  const entries = await stateOf(destination, options);
  const kept = entries.find(({ stream, key }) => stream === SOURCE_STREAM && key === source.name);
  source.memory.recall(
    kept?.value,
    entries.some(({ stream }) => isStreamState(stream)),
  );
}

async function stateOf(
  destination: Destination,
  options: Pick<OpenOptions, 'connection' | 'runId' | 'startedMs' | 'signal'>,
): Promise<StateEntry[]> {
  let session: DestinationSession;
  try {
    session = await destination.open({ ...options, streams: [], readOnly: true });
  } catch (error) {
    if (codeOf(error) === 'no_state') return [];
    throw error;
  }
  try {
    return await session.loadState();
  } finally {
    await session.close();
  }
}

/** Writes what the source keeps, where that changed. */
export class SourceKeeper {
  private version: number;
  private written: string | undefined;

  constructor(
    private readonly source: Source,
    private readonly session: DestinationSession,
    entries: StateEntry[],
  ) {
    const kept = entries.find(({ stream, key }) => stream === SOURCE_STREAM && key === source.name);
    this.version = kept?.version ?? 0;
    this.written = kept && stringifyJson(kept.value);
  }

  async keep(): Promise<void> {
    const value = this.source.memory?.remember();
    const text = value === undefined ? undefined : stringifyJson(value);
    if (text === undefined || text === this.written) return;
    try {
      await this.session.writeState([
        { stream: SOURCE_STREAM, key: this.source.name, expect: this.version, value: parseJson(text) },
      ]);
      this.version++;
      this.written = text;
    } catch (error) {
      // Another run has the connection, and remembers for both.
      if (!(error instanceof LedgerConflictError)) throw error;
    }
  }
}
