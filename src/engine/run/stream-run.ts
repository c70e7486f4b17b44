/** One stream's way through a run: open, read, sweep, settle what a re-read did not see, mark complete. */
import type { StateWrite } from '../../destinations/contract.js';
import { PausedError, SkippableError } from '../../base/errors.js';
import { mergesOf, newer, newestOf, reduce, totals, type LedgerEvent } from '../../ledger/ledger.js';
import type { Slice, Stream } from '../../sources/contract.js';
import { LIMITS } from '../../base/bounds.js';
import { STATED, weakest, type Evidence } from '../../base/evidence.js';
import { settleDeletions } from './deletions.js';
import { decodeStream, META_KEY, type OpenSlices, type Reach, type StreamMeta } from '../../ledger/checkpoint.js';
import { isOnlyAdded, type RunContext } from '../read/context.js';
import type { StreamProgress, StreamStatus } from '../report/events.js';
import { moreToRead, placesOf } from './more-to-read.js';
import { covers, digestsOf, joined } from './reach.js';
import { beginAs, hasOpenEnd, type OpenedStream } from './opening.js';
import { AwaitedRows } from '../read/awaited-rows.js';
import { WalkLostError } from '../read/lost-place.js';
import { OrderBrokenError, RangeReader } from '../read/range-reader.js';
import type { Reader } from '../read/reader.js';
import { SliceReader } from '../read/slice-reader.js';
import type { Writer } from '../write/writer.js';

const NONE: ReadonlySet<string> = new Set();
/** Slices that a listed stream opens as one entry. */
const LISTED_PER_ENTRY = 500;

export class StreamRun {
  status: StreamStatus = 'waiting';
  error: unknown;
  meta: StreamMeta;
  reader: RangeReader | SliceReader;
  private metaVersion: number;
  private readonly awaited: AwaitedRows | undefined;
  /** What is asked for now. */
  private reach: Reach | undefined;
  /** Rows and pages of readers that were replaced. */
  private earlier = { rows: 0, pages: 0 };

  constructor(
    readonly stream: Stream,
    readonly children: StreamRun[],
    private readonly context: RunContext,
    private readonly writer: Writer,
    private readonly opened: OpenedStream,
    private readonly history: { gte: number; lt: number },
    private readonly onRoom: () => void,
  ) {
    this.meta = opened.meta;
    this.metaVersion = opened.metaVersion;
    this.reach = opened.reach;
    this.awaited = opened.awaited && new AwaitedRows(stream, opened.awaited);
    this.reader = this.newReader(opened);
  }

  /** Ids that something told of, and that it has read. */
  get brought(): ReadonlySet<string> {
    return this.awaited?.brought ?? NONE;
  }

  /** Slices of every parent are to be opened, also of those that were read before. */
  get needsParents(): boolean {
    return this.opened.needsParents;
  }

  /** Whether this run has anything to read of the stream. */
  get pending(): boolean {
    return !this.meta.complete;
  }

  get rows(): number {
    return this.earlier.rows + this.reader.rows;
  }

  get pages(): number {
    return this.earlier.pages + this.reader.pages;
  }

  /** Reads the stream to its end. Never rejects: what stopped it is in `status` and `error`. */
  async run(): Promise<void> {
    if (!this.pending) {
      this.become('complete');
      this.endChildren();
      return;
    }
    this.become('reading');
    try {
      if (this.reader instanceof SliceReader) await this.openListed(this.reader);
      await this.read();
      await this.lookAgain();
      await this.finish();
      this.become('complete');
    } catch (error) {
      this.error = error;
      const isPaused = error instanceof PausedError;
      this.become(isPaused ? 'paused' : error instanceof SkippableError ? 'skipped' : 'failed', error);
      if (this.reader instanceof SliceReader) {
        if (isPaused) this.reader.lost = error;
        else this.reader.onBlocked = () => this.abandon(this.reader as SliceReader);
        this.onRoom();
      }
    } finally {
      this.endChildren();
    }
  }

  /** No more slices will come of this stream; what is doubtful of it is doubtful of its children. */
  private endChildren(): void {
    for (const child of this.children) {
      if (!(child.reader instanceof SliceReader)) continue;
      if (this.error !== undefined) child.incomplete = true;
      if (this.meta.evidence?.doubt !== undefined) child.parentEvidence = { kind: 'stated', doubt: 'parents' };
      child.reader.parentEnded();
    }
  }

  /**
   * Its parents go on without it, once it is stored that this stream is to be begun anew: before, each of them opens
   * its slices.
   */
  private abandon(reader: SliceReader): void {
    reader.onBlocked = () => {};
    this.meta = { ...this.meta, abandoned: true };
    void this.context.session.writeState([this.metaWrite()]).then(
      () => {
        reader.abandoned = true;
        this.onRoom();
      },
      (error: unknown) => {
        reader.lost = error;
        this.onRoom();
      },
    );
  }

  /** Its parent did not come to its end: closing what is open does not make this stream complete. */
  incomplete = false;
  private parentEvidence: Evidence | undefined;

  progress(): StreamProgress {
    const { reader } = this;
    const base = { name: this.stream.name, status: this.status, rows: this.rows, pages: this.pages };
    const error =
      this.error === undefined || this.status === 'paused'
        ? {}
        : { error: this.error instanceof Error ? this.error.message : String(this.error) };
    if (reader instanceof SliceReader) {
      return {
        ...base,
        ...error,
        expectedPages: reader.openSlices,
        done: [],
        openRanges: 0,
        openSlices: reader.openSlices,
      };
    }
    const { span, ranges } = reader.ledger;
    const width = span.lt - span.gte;
    const done = [...ranges.values()].flatMap((range) => {
      const from = range.open ? range.top + 1 : range.gte;
      return from < range.lt ? [{ from: (from - span.gte) / width, to: (range.lt - span.gte) / width }] : [];
    });
    const outlook = this.status === 'reading' ? reader.planner.outlook() : { pages: 0, sure: true };
    return {
      ...base,
      ...error,
      expectedPages: outlook.pages,
      expectedGuessed: !outlook.sure,
      done,
      openRanges: totals(reader.ledger).open,
      openSlices: 0,
    };
  }

  private async read(): Promise<void> {
    let sweeps = 0;
    let walks = 1;
    for (;;) {
      try {
        await this.runReader(this.reader);
      } catch (error) {
        if (error instanceof WalkLostError && !(this.reader as RangeReader).isShared) {
          this.context.note(`${this.stream.name}: ${error.message} (${error.found})`);
          await this.replaceLedger('reread', this.meta.chain ?? false);
          continue;
        }
        // Parts that others read cannot be taken from them here: the next attempt begins alone.
        if (!(error instanceof OrderBrokenError) || (this.reader instanceof RangeReader && this.reader.isShared))
          throw error;
        this.context.note(`${this.stream.name}: rows came out of order; it is read again as one chain`);
        await this.replaceLedger(this.meta.mode, true);
        continue;
      }
      if (!(this.reader instanceof RangeReader)) return;
      const more = await moreToRead(
        this.reader,
        { sweeps, walks, isChain: this.meta.chain ?? false, isWhole: this.isWhole, historyEnd: this.history.lt },
        this.context,
      );
      if (!more) return;
      if (more.why === 'sweep') sweeps++;
      if (more.why === 'shift') walks++;
      await this.openMore(this.reader, more);
      this.renewReader();
    }
  }

  private async openMore(reader: RangeReader, { gte, lt }: { gte: number; lt: number }): Promise<void> {
    const { unit } = reader.axis;
    const unbounded = hasOpenEnd(this.stream, this.meta.chain ?? false);
    const event: LedgerEvent = { type: 'reopened', gte, lt, unit, unbounded };
    this.meta = withNewest({ ...this.meta, span: reduce(reader.ledger, event, unit).span }, newestOf(reader.ledger));
    await reader.apply([event], this.metaWrite());
  }

  /** Every page of this generation was read by this run. */
  private get isWhole(): boolean {
    return !this.opened.goesOn;
  }

  private async runReader(reader: Reader): Promise<void> {
    this.writer.add(reader);
    try {
      await reader.run();
    } finally {
      this.writer.remove(reader);
    }
  }

  private async finish(): Promise<void> {
    const { reader, stream, context } = this;
    if (this.incomplete)
      throw new SkippableError('its parent stream could not be read to its end', {
        code: 'parent_incomplete',
        place: stream.name,
        next: 'run again when the parent can be read',
      });
    const found = await this.evidence();
    const { held, doubt, isSettled } = await settleDeletions(context, stream, this.meta, found);
    const evidence = doubt === undefined || found.doubt !== undefined ? found : { ...found, doubt };
    const newest = reader instanceof RangeReader ? newestOf(reader.ledger) : reader.newest;
    const total = reader instanceof RangeReader ? reader.numbers.total : undefined;
    const isAdded = isOnlyAdded(stream, context.mode) && reader instanceof RangeReader;
    const edge = isAdded ? reader.newRows.edge : undefined;
    const { held: _, replacing: __, edge: ___, narrower: ____, ...meta } = withNewest(this.meta, newest);
    this.meta = {
      ...meta,
      complete: true,
      evidence,
      ...(total === undefined ? {} : { total }),
      ...(edge === undefined ? {} : { edge }),
      ...(held === undefined ? {} : { held }),
      ...(isSettled && this.reach ? { reach: this.reach } : {}),
    };
    if (reader instanceof RangeReader) await reader.apply(mergesOf(reader.ledger), this.metaWrite());
    else await context.session.writeState([this.metaWrite()]);
  }

  /**
   * What a re-read did not bring is looked for once more before it is called deleted: a page may have come back empty,
   * or a list may have moved. A list is walked again, a span where the rows lay.
   */
  private async lookAgain(): Promise<void> {
    const { reader, stream, context } = this;
    if (this.meta.mode !== 'reread' || !(reader instanceof RangeReader) || !stream.stored) return;
    if (this.meta.narrower) return; // where they lay may not be listed any more
    if (!context.session.capabilities.keys || stream.primaryKey.length === 0 || reader.isShared) return;
    const evidence = await this.evidence();
    const unseen = await context.session.unseen(stream.name, this.meta.generation, LIMITS.goneLookedAt);
    if (unseen.rows === 0 || evidence.doubt !== undefined) return;
    for (const part of placesOf(stream.division, reader.ledger.span, unseen)) {
      await this.openMore(this.reader as RangeReader, part);
      this.renewReader();
      await this.runReader(this.reader);
    }
  }

  /** Why all of it is believed to be read. */
  private async evidence(): Promise<Evidence> {
    const { reader, stream } = this;
    if (reader instanceof SliceReader) {
      // Who read parts of it beside this run has noted what is weak on his own.
      const shared = this.context.session.loans ? await this.context.session.loadState() : [];
      const noted = decodeStream(shared.filter((entry) => entry.stream === stream.name))?.weak?.evidence;
      return weakest(weakest(reader.evidence, noted), this.parentEvidence);
    }
    if (stream.division.kind === 'numbered') return reader.numbers.evidence(this.isWhole);
    const { kind, doubt } = reader.evidence ?? STATED;
    // For one parent an ignored error may mean that it has no children; for a whole stream it tells nothing.
    return { kind, doubt: kind === 'ignored' ? 'ignored' : doubt };
  }

  private async openListed(reader: SliceReader): Promise<void> {
    const { division } = this.stream;
    if (division.kind !== 'slices' || !('list' in division.of)) return;
    if (this.opened.slices.size === 0) {
      const slices = await division.of.list();
      await this.noteListed(slices);
      for (let at = 0; at < slices.length; at += LISTED_PER_ENTRY) {
        const open: OpenSlices = slices.slice(at, at + LISTED_PER_ENTRY).map((slice) => [slice, null]);
        const key = `slices/list.${at}`;
        await this.context.session.writeState([{ stream: this.stream.name, key, expect: 0, value: open }]);
        reader.opened(key, 1, open);
      }
    }
    reader.parentEnded();
  }

  /** Rows of a slice that is not listed any more do not come: whether they are gone it does not tell. */
  private async noteListed(slices: readonly Slice[]): Promise<void> {
    if (!this.reach) return;
    const before = this.meta.reach;
    this.reach = { ...this.reach, slices: digestsOf(slices) };
    const isNarrower = this.meta.narrower || !covers(this.reach, before);
    this.meta = { ...this.meta, reach: joined(this.reach, before), narrower: isNarrower || undefined };
    await this.context.session.writeState([this.metaWrite()]);
    for (const child of this.children) if (child.pending && child.needsParents) await child.noteListed(slices);
  }

  private async replaceLedger(mode: StreamMeta['mode'], chain: boolean): Promise<void> {
    const reader = this.reader as RangeReader;
    const fresh = beginAs(
      this.stream,
      this.history,
      {
        meta: this.meta,
        metaVersion: this.metaVersion,
        versions: reader.versionsNow,
        slices: new Map(),
        weak: undefined,
      },
      mode,
      chain,
    );
    // The entry is part of the writes: what it holds is what is stored.
    if (this.meta.narrower) fresh.meta.narrower = true;
    await this.context.session.writeState(fresh.writes);
    this.meta = fresh.meta;
    this.metaVersion = fresh.metaVersion;
    this.keepTotals();
    this.reader = this.newReader(fresh);
  }

  private renewReader(): void {
    const reader = this.reader as RangeReader;
    this.keepTotals();
    this.reader = new RangeReader(
      this.stream,
      this.context,
      this.childReaders(),
      this.meta,
      reader.ledger,
      reader.versionsNow,
    );
    this.reader.numbers = reader.numbers;
  }

  private keepTotals(): void {
    this.earlier = { rows: this.rows, pages: this.pages };
  }

  private newReader(opened: OpenedStream): RangeReader | SliceReader {
    if (this.stream.division.kind === 'slices')
      return new SliceReader(
        this.stream,
        this.context,
        this.childReaders(),
        opened.meta,
        opened.slices,
        opened.weak,
        this.onRoom,
      );
    const { meta, ledger, versions } = opened;
    const reader = new RangeReader(this.stream, this.context, this.childReaders(), meta, ledger, versions);
    reader.awaited = this.awaited;
    return reader;
  }

  private childReaders(): SliceReader[] {
    return this.children.map((child) => child.reader as SliceReader);
  }

  private metaWrite(): StateWrite {
    return { stream: this.stream.name, key: META_KEY, expect: this.metaVersion++, value: this.meta };
  }

  private become(status: StreamStatus, error?: unknown): void {
    this.status = status;
    this.context.emit({
      type: 'stream',
      stream: this.stream.name,
      status,
      ...(error instanceof Error ? { message: error.message } : {}),
    });
  }
}

function withNewest(meta: StreamMeta, position: number | undefined): StreamMeta {
  const newest = newer(meta.newest, position);
  return newest === undefined ? meta : { ...meta, newest };
}
