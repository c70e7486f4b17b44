/** What readers of ranges and of slices have in common: a queue of fetched pages, and how it ends. */
import type { Batch, Counts, PreparedRows, StateWrite } from '../../destinations/contract.js';
import { addCounts } from '../../destinations/contract.js';
import { FatalError, PausedError } from '../../base/errors.js';
import type { Ticket } from '../../gate/gate.js';
import { LIMITS } from '../../base/bounds.js';
import type { DataRecord } from '../../base/catalog.js';
import { SLICES_PREFIX } from '../../ledger/checkpoint.js';
import type { Page, RecordGroup, Slice, Stream } from '../../sources/contract.js';
import type { RunContext } from './context.js';
import type { AwaitedRows } from './awaited-rows.js';
import type { ChildLink, ChildOpening } from './child-link.js';
import type { Pending, TakenBatch } from '../write/writer.js';

export interface QueuedPage {
  rows: PreparedRows[];
  bytes: number;
  sinceMs: number;
  children: ChildOpening[];
}

/** In place of a page's records once they were taken. */
const TAKEN: DataRecord[] = [];

export abstract class Reader implements Pending {
  /** Counts of this run, by stream: a change stream fills several. */
  readonly counts: Record<string, Counts> = {};
  /** Rows that its pages are looked through for. */
  awaited: AwaitedRows | undefined;
  rows = 0;
  pages = 0;
  protected inFlight = 0;
  /** A commit failed: what was fetched after it must never be committed, or the failed pages would be skipped. */
  protected broken = false;
  protected error: unknown;
  protected pageBytes: number = LIMITS.firstPageBytes;
  private finish: { resolve: () => void; reject: (error: unknown) => void } | undefined;
  private lastServerMs = 0;

  constructor(
    readonly stream: Stream,
    protected readonly context: RunContext,
    protected readonly children: ChildLink[],
    /** Rows come for the first time. */
    protected readonly firstLoad: boolean,
    /** Generation whose keys are remembered, for tombstones at its end. */
    protected readonly remember: number | undefined,
  ) {}

  /** Reads until everything is committed. Rejects with what stopped it, once what was fetched is committed. */
  run(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.finish = { resolve, reject };
      this.context.signal.addEventListener('abort', () => this.fail(new PausedError('paused', { code: 'paused' })), {
        once: true,
      });
      if (this.context.signal.aborted) this.fail(new PausedError('paused', { code: 'paused' }));
      this.context.demand?.add(this);
      this.pump();
      this.settle();
    });
  }

  abstract pump(): void;
  abstract readonly expectedRequests: () => number;
  abstract pendingBytes(): number;
  abstract oldestMs(): number | undefined;
  abstract take(maxBytes: number): TakenBatch | undefined;
  /** Nothing left to fetch. */
  protected abstract exhausted(): boolean;
  /** Nothing fetched waits for its commit, and no commit is under way. */
  protected abstract drained(): boolean;

  draining(): boolean {
    return this.error !== undefined || this.exhausted();
  }

  /** What it waits for, to explain why nothing moves. */
  standing(): string {
    const full = this.childrenFull(this.inFlight) ? ', children of its rows are read first' : '';
    const over = this.exhausted() ? ', nothing left to ask for' : '';
    return `${this.inFlight} pages asked for, ${this.pendingBytes()} bytes fetched and not committed${full}${over}`;
  }

  fail(error: unknown): void {
    this.error ??= error;
    this.context.kick();
    this.settle();
  }

  /**
   * A commit failed. Everything still queued is given up: it may follow on the pages that were lost, and is read again
   * by the next run.
   */
  protected breakOff(error: unknown): void {
    this.broken = true;
    this.context.memory.release(this.dropQueue());
    this.fail(error);
  }

  /** Empties the queue; returns the bytes that it held. */
  protected abstract dropQueue(): number;

  /** A fetch is over, however it ended. `held`: bytes that are still reserved for it. */
  protected fetched(held: number): void {
    if (held > 0) this.context.memory.release(held);
    this.inFlight--;
    this.pump();
    this.context.kick();
    this.settle();
  }

  /** Ends the run when there is nothing left to do. */
  protected settle(): void {
    if (!this.finish || this.inFlight > 0 || !this.drained()) return;
    if (this.error === undefined && !this.exhausted()) return;
    const { resolve, reject } = this.finish;
    this.finish = undefined;
    this.context.demand?.remove(this);
    if (this.error === undefined) resolve();
    else reject(this.error);
  }

  /**
   * Hands a page to `use` and takes its records out. The promises that waited for it are old by then, and dead ones
   * keep what they were given until the next full collection: rows would pile up, and be copied (measured: a tenth of
   * all work).
   */
  protected consume<T>(page: Page, use: (page: Page) => T): T {
    if (page.records === TAKEN)
      throw new FatalError('a connector returned the same page twice', {
        code: 'page_reused',
        place: this.stream.name,
        expected: 'a page of its own for every request',
        found: 'one that was read before',
        next: 'report this to the author of the connector',
      });
    try {
      return use(page);
    } finally {
      page.records = TAKEN;
    }
  }

  /** Rows of a page, encoded; groups go to their own streams. */
  protected prepare(page: Page, kept: DataRecord[], identity: string): { rows: PreparedRows[]; bytes: number } {
    this.awaited?.note(kept);
    this.lastServerMs = Math.max(this.lastServerMs, page.serverTimeMs ?? 0);
    const version = page.serverTimeMs ?? (this.lastServerMs || this.context.clock.now());
    const groups: RecordGroup[] =
      page.groups ?? (this.stream.stored ? [{ stream: this.stream.name, records: kept }] : []);
    const rows = groups.map((group) =>
      this.context.session.prepare({
        ...group,
        page: identity,
        version: group.serverTimeMs ?? version,
        remember: page.groups ? undefined : this.remember,
      }),
    );
    this.pageBytes = this.pageBytes * 0.8 + Math.max(page.bytes, 1024) * 0.2;
    return { rows, bytes: rows.reduce((sum, part) => sum + part.bytes, 512) };
  }

  /** Children of the records, to be opened by the same commit. */
  protected openings(records: DataRecord[], identity: string, from?: Slice): ChildOpening[] {
    const out: ChildOpening[] = [];
    for (const child of this.children) {
      if (child.abandoned) continue;
      const slices = [...new Set(child.slicesOf(records, from))];
      if (slices.length === 0) continue;
      child.announced++;
      out.push({ child, key: child.keyFor(SLICES_PREFIX + identity), open: slices.map((slice) => [slice, null]) });
    }
    return out;
  }

  /** The permit of a page's first request; undefined where the stream asks for its own. */
  protected async ticket(weight: () => number): Promise<Ticket | undefined> {
    return this.stream.selfAdmitting
      ? undefined
      : this.context.permits.admit(this.stream.endpoint, weight, this.context.signal);
  }

  protected childrenFull(extra: number): boolean {
    for (const { lost } of this.children) if (lost !== undefined) this.fail(lost);
    return this.error !== undefined || this.children.some((child) => child.full(extra));
  }

  protected batchOf(pages: QueuedPage[], state: StateWrite[]): Batch {
    for (const page of pages) {
      for (const { child, key, open } of page.children)
        state.push({ stream: child.stream.name, key, expect: 0, value: open });
    }
    return { rows: pages.flatMap((page) => page.rows), state, firstLoad: this.firstLoad };
  }

  /** Book-keeping after a commit; returns the rows. */
  protected committed(pages: QueuedPage[], counts: Record<string, Counts>): void {
    let rows = 0;
    for (const [stream, more] of Object.entries(counts)) {
      addCounts(this.counts, stream, more);
      rows += more.read;
    }
    this.rows += rows;
    this.pages += pages.length;
    for (const { child, key, open } of pages.flatMap((page) => page.children)) {
      child.announced--;
      child.opened(key, 1, open);
    }
    if (pages.length > 0)
      this.context.emit({
        type: 'committed',
        stream: this.stream.name,
        rows,
        bytes: pages.reduce((sum, page) => sum + page.bytes, 0),
      });
    const quarantined = Object.values(this.counts).reduce((sum, count) => sum + count.quarantined, 0);
    if (quarantined > LIMITS.quarantinedRows) {
      this.fail(
        new FatalError('too many rows do not fit their table', {
          code: 'quarantine_full',
          place: this.stream.name,
          expected: `at most ${LIMITS.quarantinedRows} in a run`,
          found: String(quarantined),
          next: 'look at _headrace_quarantine for the reason',
        }),
      );
    }
  }
}
