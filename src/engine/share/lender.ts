/**
 * The leader's side of a read that several processes share. Who has nothing to do asks; the leader splits a part off
 * the fullest range and lends it. What is lent stays one entry of the ledger for each range: a borrower commits its
 * pages under those entries' versions, and a leader that takes a part back raises them first, so that what the borrower
 * still has under way is refused.
 */
import type { Clock } from '../../base/clock.js';
import type { DestinationSession, Loan, LoanBook, StateEntry, StateWrite } from '../../destinations/contract.js';
import { codeOf, LedgerConflictError, messageOf, PausedError } from '../../base/errors.js';
import { LIMITS } from '../../base/bounds.js';
import { decodeStream, SLICES_PREFIX, type OpenSlices } from '../../ledger/checkpoint.js';
import { RangeReader } from '../read/range-reader.js';
import { SliceReader } from '../read/slice-reader.js';
import type { StreamRun } from '../run/stream-run.js';

const POLL_MS = 120;
/** Tries to take a part back from a borrower that still commits. */
const FENCE_TRIES = 50;

export class Lender {
  private readonly over = new AbortController();
  private readonly loop: Promise<void>;
  private lookedMs = -Infinity;
  /** Parts that are lent, as they were granted. */
  private readonly lent = new Map<number, Loan>();

  constructor(
    private readonly session: DestinationSession,
    private readonly book: LoanBook,
    private readonly runId: string,
    private readonly runs: ReadonlyMap<string, StreamRun>,
    private readonly clock: Clock,
    private readonly note: (message: string) => void,
  ) {
    this.loop = this.watch();
  }

  /** Parts that are lent are looked after: their borrowers live, or they are taken back. */
  get isWatching(): boolean {
    return this.clock.monotonic() - this.lookedMs < LIMITS.quietMs;
  }

  async close(): Promise<void> {
    this.over.abort();
    await this.loop;
  }

  private async watch(): Promise<void> {
    let failingSinceMs: number | undefined;
    while (!this.over.signal.aborted) {
      try {
        await this.look();
        failingSinceMs = undefined;
        this.lookedMs = this.clock.monotonic();
      } catch (error) {
        failingSinceMs ??= this.clock.monotonic();
        if (isFinal(error) || this.clock.monotonic() - failingSinceMs > LIMITS.stalledMs) return this.giveUp(error);
        this.note(`parts lent to other workers cannot be looked after: ${messageOf(error)}`);
        await this.clock.sleep(1_000, this.over.signal);
      }
      await this.clock.sleep(POLL_MS, this.over.signal);
    }
  }

  private async look(): Promise<void> {
    const loans = await this.book.of(this.runId);
    for (const loan of loans) {
      if (loan.state === 'asked') await (loan.stale ? this.book.end(loan.id) : this.lend(loan));
      else if (loan.state === 'returned' || loan.stale)
        // What was taken back already was not ended: the database was lost in between.
        await (this.lent.has(loan.id) ? this.takeBack(loan) : this.book.end(loan.id));
    }
    // A database that crashed may have forgotten that a part was lent.
    const known = new Set(loans.map((loan) => loan.id));
    for (const [id, lent] of this.lent) if (!known.has(id)) await this.takeBack(lent);
  }

  /** What is lent will never come back: readers that wait for it end, and the run can be resumed. */
  private giveUp(error: unknown): void {
    for (const { reader } of this.runs.values())
      if (reader instanceof RangeReader && reader.isShared) reader.fail(error);
  }

  /** From the stream with most left to read. */
  private async lend(loan: Loan): Promise<void> {
    const readers = [...this.runs.values()]
      .filter(
        (run) =>
          run.status === 'reading' &&
          run.reader instanceof RangeReader &&
          run.children.every((child) => child.children.length === 0),
      )
      .map((run) => ({
        run,
        reader: run.reader as RangeReader,
        pages: (run.reader as RangeReader).planner.expectedPages(),
      }))
      .toSorted((a, b) => b.pages - a.pages);
    for (const { run, reader } of readers) {
      const lent = await reader.lend(LIMITS.lentPages);
      if (!lent || run.reader !== reader) continue;
      const granted = { stream: run.stream.name, ...lent };
      this.lent.set(loan.id, { ...loan, ...granted, state: 'granted', stale: true });
      await this.book.grant(loan.id, granted);
      return;
    }
  }

  private async takeBack({ id, stream, range, firstId, state }: Loan): Promise<void> {
    const run = this.runs.get(stream);
    const isOurs = (entry: number) => entry === range || (entry >= firstId && entry < firstId + LIMITS.lentIds);
    for (let tries = 1; ; tries++) {
      const entries = await this.session.loadState();
      const own = entries.filter((entry) => entry.stream === stream);
      const ranges = [...(decodeStream(own)?.ledger.ranges.values() ?? [])].filter((each) => isOurs(each.id));
      const versions = new Map(own.map((entry) => [entry.key, entry.version]));
      const children = (run?.children ?? []).map((child) => ({
        child,
        open: entries.filter(
          (entry) => entry.stream === child.stream.name && isOurs(parentRangeOf(entry, run?.meta.generation)),
        ),
      }));
      const isDone =
        state === 'returned' && ranges.every((each) => !each.open) && children.every(({ open }) => open.length === 0);
      try {
        if (!isDone)
          await this.session.writeState(
            [
              ...own.filter((entry) => ranges.some((each) => entry.key === `range/${each.id}`)),
              ...children.flatMap(({ open }) => open),
            ].map(raised),
          );
      } catch (error) {
        if (error instanceof LedgerConflictError && tries < FENCE_TRIES) continue;
        throw error;
      }
      const step = isDone ? 0 : 1;
      if (run?.reader instanceof RangeReader) {
        for (const { child, open } of children)
          if (child.reader instanceof SliceReader)
            for (const entry of open) child.reader.opened(entry.key, entry.version + step, entry.value as OpenSlices);
        run.reader.takeBack(
          range,
          ranges.map((each) => ({ range: each, version: versions.get(`range/${each.id}`)! + step })),
        );
      }
      this.lent.delete(id);
      await this.book.end(id);
      return;
    }
  }
}

/** Trying again will not help. */
function isFinal(error: unknown): boolean {
  return error instanceof PausedError || codeOf(error) === 'database_lost';
}

/** The same entry with its next version. */
const raised = ({ stream, key, version, value }: StateEntry): StateWrite => ({ stream, key, expect: version, value });

/**
 * Slices are named by the page that opened them: `slices/GENERATION.RANGE.PAGE`. Those of an earlier generation are
 * nobody's but the leader's, whatever range of now has that number.
 */
function parentRangeOf({ key }: StateEntry, generation: number | undefined): number {
  if (!key.startsWith(SLICES_PREFIX)) return Number.NaN;
  const [of, range] = key.slice(SLICES_PREFIX.length).split('.').map(Number);
  return of === generation && range !== undefined ? range : Number.NaN;
}
