/**
 * The leader's side of a read that several processes share. Who has nothing to do asks; the leader splits a part off
 * the fullest range and lends it. What is lent stays one entry of the ledger for each range: a borrower commits its
 * pages under those entries' versions, and a leader that takes a part back raises them first, so that what the borrower
 * still has under way is refused.
 */
import type { Clock } from '../../base/clock.js';
import type { DestinationSession, Loan, LoanBook, StateEntry, StateWrite } from '../../destinations/contract.js';
import { LedgerConflictError } from '../../base/errors.js';
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

  async close(): Promise<void> {
    this.over.abort();
    await this.loop;
  }

  private async watch(): Promise<void> {
    while (!this.over.signal.aborted) {
      try {
        for (const loan of await this.book.of(this.runId)) {
          if (loan.state === 'asked') await (loan.stale ? this.book.end(loan.id) : this.lend(loan));
          else if (loan.state === 'returned' || loan.stale) await this.takeBack(loan);
        }
      } catch (error) {
        // What stays lent ends the run as an error of its own where the database is gone for good.
        this.note(
          `parts lent to other workers cannot be looked after: ${error instanceof Error ? error.message : String(error)}`,
        );
        await this.clock.sleep(1_000, this.over.signal);
      }
      await this.clock.sleep(POLL_MS, this.over.signal);
    }
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
      await this.book.grant(loan.id, { stream: run.stream.name, ...lent });
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
        open: entries.filter((entry) => entry.stream === child.stream.name && isOurs(parentRangeOf(entry))),
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
      await this.book.end(id);
      return;
    }
  }
}

/** The same entry with its next version. */
const raised = ({ stream, key, version, value }: StateEntry): StateWrite => ({ stream, key, expect: version, value });

/** Slices are named by the page that opened them: `slices/GENERATION.RANGE.PAGE`. */
function parentRangeOf({ key }: StateEntry): number {
  return key.startsWith(SLICES_PREFIX) ? Number(key.slice(SLICES_PREFIX.length).split('.')[1]) : Number.NaN;
}
