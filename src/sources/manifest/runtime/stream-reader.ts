/**
 * Reads the pages of a stream: makes of the engine's request the window, the partition and the page token that the
 * manifest's parts need, and of their answer the page and where the walk goes on.
 */
import { CursorGoneError, PausedError, RetriableError, SkippableError } from '../../../base/errors.js';
import { mayBeLimit, STATED, type Evidence } from '../../../base/evidence.js';
import { identityText, parseJson, stringifyJson } from '../../../base/json.js';
import type { Page, PageRequest, Slice } from '../../contract.js';
import type { Json } from '../document/read.js';
import type { FetchFiles } from './files.js';
import { HalfPages } from './half-pages.js';
import type { Interval, Window } from './interval.js';
import type { CursorMarks, CursorWalks } from './cursor-walk.js';
import type { MovingList } from './moving-list.js';
import { partitionOf, scopeOf, withExtras, type Partition, type Router } from './partitions.js';
import { TooMuchError } from './narrowing.js';
import { IGNORED_MIDWAY } from './page-end.js';
import { CURSOR_REFUSED, NO_SUCH_PAGE } from './refused-place.js';
import type { PageOutput, Retriever } from './retriever.js';
import { carried, goesOn, heard, placeOf, type Walk } from './walk.js';
import type { WindowCap } from './window-cap.js';

/** Answers that parents brought and whose slices are not read yet. */
const KEPT_BYTES = 8 * 1024 * 1024;
/** A page past one that claimed the end is not worth more. */
const ATTEMPTS_PAST_THE_END = 2;
/** Statuses that some APIs answer a page number with that lies past the end. */
const PAST_THE_END = new Set(['api_refused', IGNORED_MIDWAY, CURSOR_REFUSED, NO_SUCH_PAGE]);

export class StreamReader {
  /** A chain walks the manifest's own windows one after the other. */
  walksWindows = false;
  /** Answers that came with parents, by slice, as JSON. What does not fit is asked for. */
  private readonly kept = new Map<Slice, { json: string; serverTimeMs: number | undefined }>();
  private keptBytes = 0;
  private readonly halves = new HalfPages();

  constructor(
    private readonly retrieve: Retriever,
    private readonly time: Interval | undefined,
    private readonly routing: Router,
    /** Rows have no key to be recognised by. */
    readonly keyless: boolean,
    private readonly files: FetchFiles | undefined,
    /** How lists are walked whose rows may move. */
    private readonly lists: MovingList,
    private readonly cursors: CursorWalks,
    /** Undefined: windows have pages, or are not looked at for the proof's sake. */
    private readonly caps: WindowCap | undefined,
    /** The server's clock at its last answer, seconds. */
    private readonly serverSeconds: () => number | undefined,
  ) {}

  /** The answer to a slice's first request, from its parent's record. */
  keep(slice: Slice, answer: unknown, serverTimeMs: number | undefined): void {
    // A first page with a filter of time would be another one.
    if (answer === undefined || answer === null || this.time?.stepSeconds !== undefined) return;
    const json = identityText(answer);
    if (this.keptBytes + json.length > KEPT_BYTES || this.kept.has(slice)) return;
    this.kept.set(slice, { json, serverTimeMs });
    this.keptBytes += json.length;
  }

  /** What was kept for this request; only once. */
  private keptFor(request: PageRequest, partition: Partition): PageOutput | undefined {
    const found = request.slice === undefined || request.cursor !== null ? undefined : this.kept.get(request.slice);
    if (!found) return undefined;
    this.kept.delete(request.slice!);
    this.keptBytes -= found.json.length;
    const page = request.gte === null ? this.retrieve.pageOf?.(parseJson(found.json), scopeOf(partition)) : undefined;
    // What holds no list there is asked for.
    return page && !page.isMissing ? { ...page, serverTimeMs: found.serverTimeMs } : undefined;
  }

  async page(request: PageRequest): Promise<Page> {
    const partition = partitionOf(request.slice);
    if (request.number !== undefined) return this.numbered(request, partition);
    this.halves.rethrow(request);
    const { paginator } = this.retrieve;
    const asked: Walk = request.cursor === null ? { t: paginator.first } : (parseJson(request.cursor) as Walk);
    const { walk, window, output: whole } = await this.inShorterWindows(request, partition, asked);
    const output = await this.withFiles(whole, partition, request.signal);
    if (output.failure !== undefined) return this.halfOf(output, walk, window, request);
    const seen = this.lists.seen(placeOf(request.slice, window?.from), walk, output);
    const told = heard(walk, output, {
      isFirst: walk.v === undefined && this.lists.isFirst(walk),
      isAnew: seen.isAnew,
    });
    const next = this.advance(output, { ...walk, ...seen.walk, ...told, ...output.marks }, window, request);
    const doubt = told.d ?? seen.walk.d ?? walk.d;
    this.note(output.records, request.slice, next === null);
    return {
      ...this.result(this.halves.unstored(output, walk), next === null ? null : stringifyJson(next), window, request),
      ...(next === null ? { end: doubt === undefined ? seen.end : { kind: 'stated', doubt } } : {}),
      ...(seen.isAnew ? { anew: true } : {}),
      ...(paginator.moves ? { counted: true } : {}),
    };
  }

  /** What came of a page before it failed; the same page is asked for next. */
  private halfOf(output: PageOutput, walk: Walk, window: Window | undefined, request: PageRequest): Page {
    this.lists.seenHalf(walk, output);
    const next = this.halves.standing(output, { ...walk, ...this.placeOf(walk, window, request) }, request);
    this.note(output.records, request.slice, false);
    return this.result(this.halves.unstored(output, walk), next, window, request);
  }

  /** The page, or that of a shorter window as often as the API says that one was too long. */
  private async inShorterWindows(
    request: PageRequest,
    partition: Partition,
    walk: Walk,
  ): Promise<{ walk: Walk; window: Window | undefined; output: PageOutput & { marks: CursorMarks } }> {
    const window = this.window(request, walk);
    const again = { ...request, ticket: undefined };
    let middle: number | undefined;
    try {
      const output = await this.output(request, partition, walk, window);
      middle = window && (await this.caps?.cutOf(window, output, (part) => this.output(again, partition, walk, part)));
      if (window === undefined || middle === undefined) return { walk, window, output };
    } catch (error) {
      if (!(error instanceof TooMuchError) || error.less !== 'window' || window === undefined) throw error;
      middle = this.time?.middleOf?.(window);
      // Without a key, rows of the window that came already would be there twice.
      const isBegun = walk.t !== this.retrieve.paginator.first;
      if (middle === undefined || (isBegun && this.keyless)) throw error;
    }
    const ends = walk.b ?? [window.to];
    const e = walk.e ?? (request.lt === null ? (window.last ? window.to : this.now()) : undefined);
    const shorter = { t: this.retrieve.paginator.first, w: window.from, b: [middle, ...ends] };
    return this.inShorterWindows(again, partition, { ...shorter, ...(e === undefined ? {} : { e }), ...doubtOf(walk) });
  }

  /** A page of a walk, with what is kept of it for the next one. */
  private async output(
    request: PageRequest,
    partition: Partition,
    walk: Walk,
    window: Window | undefined,
  ): Promise<PageOutput & { marks: CursorMarks }> {
    if (this.retrieve.paginator.after === undefined) {
      const output = this.keptFor(request, partition) ?? (await this.fetchListed(request, partition, walk, window));
      return { ...output, marks: {} };
    }
    const at = placeOf(request.slice, window?.from);
    const isOurs = this.cursors.asks(at, walk);
    const output = this.keptFor(request, partition) ?? (await this.fetchPast(request, partition, walk, window));
    const marks = output.failure === undefined ? this.cursors.seen(at, walk, isOurs, output) : {};
    return { ...output, marks };
  }

  /**
   * Past a page that claimed the end, a refusal of that place is one more sign of it. Any other error has to come
   * twice, and leaves it doubtful.
   */
  private async fetchPast(
    request: PageRequest,
    partition: Partition,
    walk: Walk,
    window: Window | undefined,
  ): Promise<PageOutput> {
    if (walk.x === undefined) return this.fetch(request, partition, walk.t, window);
    let asked = request;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.fetch(asked, partition, walk.t, window, ATTEMPTS_PAST_THE_END);
      } catch (error) {
        if (error instanceof PausedError || request.signal.aborted) throw error;
        const isRefused = error instanceof CursorGoneError && error.code === CURSOR_REFUSED;
        if (!isRefused && !(error instanceof RetriableError) && attempt < ATTEMPTS_PAST_THE_END) {
          // The permit went with the first request.
          asked = { ...request, ticket: undefined };
          continue;
        }
        return nothing(isRefused ? STATED : PAST);
      }
    }
  }

  /** A page of a list by offsets or numbers. Where there is no page of that number, the one before was the last. */
  private async fetchListed(
    request: PageRequest,
    partition: Partition,
    walk: Walk,
    window: Window | undefined,
  ): Promise<PageOutput> {
    try {
      return await this.fetch(request, partition, this.lists.askedFor(walk), window);
    } catch (error) {
      if (!(error instanceof SkippableError) || error.code !== NO_SUCH_PAGE) throw error;
      return nothing(walk.s === 1 ? { kind: 'stated', doubt: 'pages' } : PAST);
    }
  }

  /** Page `number`, whose token follows from it. */
  private async numbered(request: PageRequest, partition: Partition): Promise<Page> {
    const { paginator } = this.retrieve;
    const size = paginator.pageSize!;
    const ask = (number: number) => this.fetch(request, partition, paginator.tokenOf!(number), undefined);
    // After a page that there is not, rows mean that it was lost, and not past the end.
    const hasRows = async (number: number) => (await ask(number).catch(() => undefined))?.received.length;
    let output: PageOutput;
    try {
      output = await ask(request.number!);
    } catch (error) {
      if (request.number === 0 || !(error instanceof SkippableError) || !PAST_THE_END.has(error.code)) throw error;
      // Perhaps there is no such page: the one before tells.
      const before = await ask(request.number! - 1).catch(() => undefined);
      const rows = before?.received.length ?? 0;
      if (rows >= size && (error.code !== NO_SUCH_PAGE || (await hasRows(request.number! + 1)))) throw refusalOf(error);
      // A page of a round size may be all that the API gives: then what follows it was refused, and is not known.
      const isRound = rows < size && mayBeLimit(rows);
      const end: Evidence = rows >= size ? PAST : isRound ? { kind: 'stated', doubt: 'pages' } : STATED;
      return { records: [], next: null, hasMore: false, end, serverTimeMs: before?.serverTimeMs, bytes: 0 };
    }
    const { records, failure } = await this.withFiles(output, partition, request.signal);
    if (failure !== undefined) throw failure;
    const { claims } = output;
    const rows = output.received.length;
    return {
      records,
      received: rows,
      end: output.end ?? (claims?.isPart ? { kind: 'stated', doubt: 'incomplete' } : undefined),
      next: null,
      hasMore: rows >= size || (rows > 0 && claims?.more === true),
      ...(claims?.total === undefined ? {} : { claimed: claims.total }),
      serverTimeMs: output.serverTimeMs,
      bytes: output.bytes,
    };
  }

  /** Records are taken with their files, or not at all. */
  private async withFiles<O extends PageOutput>(output: O, partition: Partition, signal: AbortSignal): Promise<O> {
    if (!this.files) return output;
    const { records, failure = output.failure } = await this.files(output.records, scopeOf(partition), signal);
    return { ...output, records, failure };
  }

  private fetch(
    request: PageRequest,
    partition: Partition,
    token: Json,
    window: Window | undefined,
    attempts?: number,
  ): Promise<PageOutput> {
    const own = scopeOf(partition);
    const slice = withExtras({ ...own, ...(window && this.time ? this.time.slice(window) : {}) }, own['extra_fields']!);
    return this.retrieve.page({
      slice,
      token,
      signal: request.signal,
      weight: request.weight,
      ticket: request.ticket,
      attempts,
      takesHalf: request.number === undefined,
      fill: (parts) => {
        if (window) this.time?.apply(parts, window);
        if (this.routing.kind !== 'none') this.routing.apply(parts, partition);
      },
    });
  }

  /** The window that this page lies in: the engine's range, or the next of the manifest's own steps. */
  private window(request: PageRequest, walk: Walk): Window | undefined {
    const { time } = this;
    if (!time) return undefined;
    const start = Math.floor(time.begin());
    const since = this.knownFrom(request.slice) ?? request.gte;
    const from = walk.w ?? Math.max(since ?? start, start);
    const [cut, ...after] = walk.b ?? [];
    if (cut !== undefined) return { from, to: cut, last: after.length === 0 && request.lt === null && cut === walk.e };
    if (request.lt !== null) return { from, to: request.lt, last: false };
    const end = walk.e ?? this.now();
    const to = time.hasEnd ? Math.min(end, time.nextBound(from, end)) : end;
    return { from: Math.min(from, to), to, last: to === end };
  }

  /** From where a state wants a partition, whatever holds for the others. */
  private knownFrom(slice: Slice | undefined): number | undefined {
    const known = this.time?.known?.(partitionOf(slice).fields);
    return known === undefined ? undefined : Math.floor(known - this.time!.lookbackSeconds);
  }

  private note(records: PageOutput['records'], slice: Slice | undefined, isLast: boolean): void {
    const { time } = this;
    if (!time?.noted || slice === undefined) return;
    let newest: number | undefined;
    for (const record of records) {
      const at = time.position(record);
      if (Number.isFinite(at) && !(at <= (newest ?? -Infinity))) newest = at;
    }
    time.noted(partitionOf(slice).fields, newest, isLast);
  }

  /** Where a walk over all that there is ends: by the server's clock, since the machine's may be behind it. */
  private now(): number {
    return this.time!.limit(this.serverSeconds());
  }

  /** Whether a walk goes from window to window by itself. */
  private isWalking(window: Window | undefined, request: PageRequest): window is Window {
    return (
      window !== undefined &&
      request.lt === null &&
      (request.slice !== undefined || this.walksWindows || request.gte === null)
    );
  }

  /** The window that a walk stands in, and where the last one ends. */
  private placeOf(walk: Walk, window: Window | undefined, request: PageRequest): Pick<Walk, 'w' | 'e'> {
    return this.isWalking(window, request)
      ? { w: window.from, e: walk.e ?? (window.last ? window.to : this.now()) }
      : {};
  }

  private advance(output: PageOutput, walk: Walk, window: Window | undefined, request: PageRequest): Walk | null {
    const { time } = this;
    const isWalking = this.isWalking(window, request);
    const place = this.placeOf(walk, window, request);
    const isOver =
      time?.isFeed &&
      window !== undefined &&
      output.received.length > 0 &&
      time.position(output.received.at(-1)!) < window.from;
    if (output.next !== null && !isOver)
      return {
        t: output.next,
        ...place,
        ...(walk.b === undefined || !window ? {} : { b: walk.b, w: window.from }),
        ...carried(walk),
        ...goesOn(output, walk, this.retrieve.requester.endpoint),
      };
    const [, ...cuts] = walk.b ?? [];
    if (cuts.length === 0 && (!isWalking || window.last)) return null;
    return {
      t: this.retrieve.paginator.first,
      w: window!.to,
      ...(place.e === undefined ? {} : { e: place.e }),
      ...(cuts.length === 0 ? {} : { b: cuts }),
      ...doubtOf(walk),
    };
  }

  private result(output: PageOutput, next: string | null, window: Window | undefined, { slice }: PageRequest): Page {
    const { time } = this;
    // What the user wants from is all that the manifest's own filter must keep, unless a state says more.
    const known = time?.clientSide || time?.isFeed ? this.knownFrom(slice) : undefined;
    const start = time?.clientSide && window !== undefined ? Math.max(time.start(), known ?? -Infinity) : known;
    let records =
      start === undefined ? output.records : output.records.filter((record) => !(time!.position(record) < start));
    // What lies on the bound comes with the next window as well, and without a key it would be there twice.
    if (this.keyless && window !== undefined && !window.last)
      records = records.filter((record) => !(time!.position(record) >= window.to));
    // A window without rows is no end: the walk goes on in the next one. An empty page within one may be none.
    const isOver = (output.next === null && next !== null) || output.isStep;
    const received = isOver ? Math.max(1, output.received.length) : output.received.length;
    return {
      records,
      received,
      next,
      hasMore: next !== null,
      ...(window === undefined ? {} : { part: window.from }),
      serverTimeMs: output.serverTimeMs,
      bytes: output.bytes,
    };
  }
}

const doubtOf = ({ d }: Walk): Pick<Walk, 'd'> => (d === undefined ? {} : { d });

/** What the API said, where it is not taken for an end. */
const refusalOf = (error: SkippableError): unknown => (error.cause instanceof SkippableError ? error.cause : error);

const PAST: Evidence = { kind: 'stated', doubt: 'past' };

/** In place of a page that did not come. */
function nothing(end: Evidence): PageOutput {
  return { records: [], received: [], next: null, serverTimeMs: undefined, bytes: 0, document: null, end };
}
