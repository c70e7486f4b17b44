/** What a run learns of a credential's limits, kept in the destination's state for the next one. */
import type { DestinationSession, StateEntry } from '../../destinations/contract.js';
import type { Clock } from '../../base/clock.js';
import { LedgerConflictError } from '../../base/errors.js';
import { parseJson, stringifyJson } from '../../base/json.js';
import type { LimitView } from '../../gate/gate.js';

/** The stream name under which the entries lie; the key is the credential's fingerprint. */
export const LIMITS_STREAM = '_limits';
/** A run that is killed loses at most this much of what it learned. */
const KEEP_EVERY_MS = 30_000;

/** What was learned, opaque to the engine, and how it looks to people. */
export interface KnownLimits {
  memory: unknown;
  views: LimitView[];
}

export interface LimitKeeper {
  /** Of the credential; never the credential. */
  fingerprint: string;
  recall(memory: unknown): void;
  remember(): KnownLimits;
}

export interface StoredLimits extends KnownLimits {
  savedAt: string;
}

/** Entries of a connection, by fingerprint. */
export function storedLimits(entries: StateEntry[]): Map<string, StoredLimits> {
  const found = entries.filter(
    (entry) => entry.stream === LIMITS_STREAM && typeof (entry.value as StoredLimits | null)?.memory === 'object',
  );
  return new Map(found.map((entry) => [entry.key, entry.value as StoredLimits]));
}

export class LimitMemory {
  private version: number;
  private readonly cancel: { timer: (() => void) | undefined } = { timer: undefined };
  private writing: Promise<void> = Promise.resolve();

  constructor(
    private readonly keeper: LimitKeeper,
    private readonly session: DestinationSession,
    private readonly clock: Clock,
    entries: StateEntry[],
  ) {
    this.version =
      entries.find((entry) => entry.stream === LIMITS_STREAM && entry.key === keeper.fingerprint)?.version ?? 0;
    const stored = storedLimits(entries).get(keeper.fingerprint);
    if (stored) keeper.recall(stored.memory);
    this.schedule();
  }

  /** Writes the last time. */
  async close(): Promise<void> {
    this.cancel.timer?.();
    await this.keep();
  }

  private schedule(): void {
    this.cancel.timer = this.clock.after(KEEP_EVERY_MS, () => {
      void this.keep();
      this.schedule();
    });
  }

  /** A memory that cannot be kept costs the next run a search, and this one nothing. */
  private keep(): Promise<void> {
    this.writing = this.writing.then(async () => {
      const value: StoredLimits = { ...this.keeper.remember(), savedAt: new Date(this.clock.now()).toISOString() };
      try {
        await this.session.writeState([
          {
            stream: LIMITS_STREAM,
            key: this.keeper.fingerprint,
            expect: this.version,
            value: parseJson(stringifyJson(value)),
          },
        ]);
        this.version++;
      } catch (error) {
        if (!(error instanceof LedgerConflictError)) this.cancel.timer?.();
      }
    });
    return this.writing;
  }
}
