/** A stream of a manifest as the engine reads it: how it divides, how it follows, and its one function, `page`. */
import { FatalError, SkippableError } from '../../../base/errors.js';
import { parseJson, stringifyJson } from '../../../base/json.js';
import { LIMITS } from '../../../base/bounds.js';
import type { Doubt } from '../../../base/evidence.js';
import { hashString } from '../../../base/random.js';
import type { DataRecord, JsonSchema } from '../../../base/catalog.js';
import type { Division, Follow, Page, PageRequest, Slice, Stream } from '../../contract.js';
import { primaryKeyOf } from '../catalog.js';
import { isObject, type Json, type JsonObject } from '../document/read.js';
import { nameOf } from '../streams.js';
import { FILE_REFERENCE, FILE_REFERENCE_SCHEMA, fileFetcher, type FetchFiles } from './files.js';
import type { GroupLock } from './group-lock.js';
import { interval, type Interval, type Window } from './interval.js';
import { asyncRetriever, isAsync } from './async-retriever.js';
import { MovingList } from './moving-list.js';
import { fields, list, text, type Kit } from './kit.js';
import type { PageCache } from './page-cache.js';
import { partitionStream } from './partition-walk.js';
import {
  merged,
  partitionOf,
  router,
  scopeOf,
  sliceText,
  WHOLE,
  withExtras,
  type ParentConfig,
  type Partition,
  type Router,
} from './partitions.js';
import { IGNORED_MIDWAY, retriever, type PageOutput, type Retriever, type RetrieverParts } from './retriever.js';

const PAGE_ROWS = 100;
/** Answers that parents brought and whose slices are not read yet. */
const KEPT_BYTES = 8 * 1024 * 1024;
/** Fields that change after a row was made: rows may move while they are read. */
const MOVING_FIELD = /updat|modif|chang|edit|last|activity/i;
/** Statuses that some APIs answer a page number with that lies past the end. */
const PAST_THE_END = new Set(['api_refused', IGNORED_MIDWAY]);

export interface StreamParts {
  kit: Kit;
  retrieverParts: RetrieverParts;
  schemaOf: (stream: JsonObject) => JsonObject;
  /** The engine's name of a parent stream, which is made where there is none. */
  parentName: (stream: JsonObject, child: string) => string;
  lockOf: (name: string) => GroupLock | undefined;
  /** A stream that is read for its partitions alone. */
  addWalk: (make: () => Stream) => void;
  pages: PageCache;
  /** The folder for files that records point to; undefined: they are left where they are. */
  filesOf: (stream: string) => string | undefined;
}

/** Where a walk goes on: the window and its end, and the page token in it. Kept in state, so short. */
interface Walk {
  t: Json;
  w?: number;
  e?: number;
  /**
   * What the page before held, where its token is the next one's as well: a scroll's is, and that of a pager that
   * stands still.
   */
  h?: number;
  /** Lists whose rows may move: the last row, whether they moved, walks so far, the fullest page. */
  k?: number | undefined;
  m?: 1 | undefined;
  n?: number | undefined;
  c?: number | undefined;
  /** Why what was walked is doubtful. */
  d?: Doubt | undefined;
  /** Pages in a row without a row. */
  z?: number;
}

export function declarativeStream(
  json: JsonObject,
  name: string,
  stored: boolean,
  parts: StreamParts,
): Stream & { interval: Interval | undefined } {
  const { kit } = parts;
  const schema = () => parts.schemaOf(json);
  const component = json['retriever'] as JsonObject;
  const retrieve = isAsync(component)
    ? asyncRetriever(kit, json, component, schema, parts.retrieverParts)
    : retriever(kit, json, component, schema, parts.retrieverParts);
  const time = interval(
    kit,
    fields(json, 'incremental_sync'),
    {
      requester: component['requester'] ?? component['creation_requester'] ?? null,
      router: component['partition_router'] ?? null,
    } as JsonObject,
    isReport(kit, json, schema),
  );
  const routing = router(kit, component['partition_router']);
  const key = primaryKeyOf(json);
  // A key inside an object is no column: such rows are told apart by the page that they came on.
  const columns = key.every((field) => !field.includes('.')) ? key : [];
  const folder = stored ? parts.filesOf(name) : undefined;
  const uploader = fields(json, 'file_uploader');
  const files =
    uploader && folder !== undefined ? fileFetcher(kit, name, uploader, folder, parts.retrieverParts) : undefined;
  const reader = new StreamReader(
    retrieve,
    time,
    routing,
    columns.length === 0,
    files,
    new MovingList(retrieve.paginator, columns),
  );
  const lock = parts.lockOf(nameOf(json));
  const read = (request: PageRequest) => reader.page(request);
  const division = divisionOf(name, retrieve, time, routing, reader, json, parts);
  return {
    interval: time,
    name,
    schema: withFiles(withKeys(schema() as JsonSchema, columns), files !== undefined),
    schemaIsHint: true,
    primaryKey: columns,
    division,
    follow: followOf(division, time, routing),
    stored,
    endpoint: retrieve.requester.endpoint,
    selfAdmitting: parentOf(routing)?.parent.firstAnswerIn !== undefined,
    page: lock ? (request) => lock.during(name, () => read(request)) : read,
  };
}

/** Whether the cursor's field is not one that the API sends: it is made from the window, or not there at all. */
function isReport(kit: Kit, json: JsonObject, schema: () => JsonObject): boolean {
  const sync = fields(json, 'incremental_sync');
  if (!sync) return false;
  const field = text(kit, sync, sync['cursor_field'] ?? '')({});
  const isMade = list(json, 'transformations')
    .flatMap((each) => (each['type'] === 'AddFields' ? list(each, 'fields') : []))
    .some(({ path }) => Array.isArray(path) && path.join('.') === field);
  const properties = fields(schema(), 'properties');
  return (
    isMade ||
    (properties !== undefined && Object.keys(properties).length > 1 && !Object.hasOwn(properties, field.split('.')[0]!))
  );
}

/** A key that the schema leaves out is a column all the same. */
function withKeys(schema: JsonSchema, key: string[]): JsonSchema {
  const missing = key.filter((field) => !schema.properties?.[field]);
  return missing.length === 0
    ? schema
    : {
        ...schema,
        properties: {
          ...schema.properties,
          ...Object.fromEntries(missing.map((field) => [field, { type: 'string' as const }])),
        },
      };
}

function withFiles(schema: JsonSchema, hasFiles: boolean): JsonSchema {
  return hasFiles
    ? { ...schema, properties: { ...schema.properties, [FILE_REFERENCE]: FILE_REFERENCE_SCHEMA } }
    : schema;
}

function divisionOf(
  name: string,
  retrieve: Retriever,
  time: Interval | undefined,
  routing: Router,
  reader: StreamReader,
  json: JsonObject,
  parts: StreamParts,
): Division {
  const pageRows = retrieve.paginator.pageSize ?? PAGE_ROWS;
  if (routing.kind !== 'none') {
    const timed = time?.hasStart ? { position: time.position, start: Math.floor(time.begin()) } : {};
    const single = parentOf(routing);
    if (single) {
      const { parent, lists } = single;
      const slice = (record: DataRecord, from: Slice | undefined) => {
        const slices = parent
          .partitionsOf(record, partitionOf(from))
          .flatMap((partition) => lists.map((other) => sliceText(merged(partition, other))));
        const answer = parent.firstAnswerIn?.(record);
        if (slices.length === 1) reader.keep(slices[0]!, answer, parts.retrieverParts.client.serverTimeMs);
        return slices;
      };
      return { kind: 'slices', pageRows, ...timed, of: { parent: parts.parentName(parent.stream, name), slice } };
    }
    if (isListed(routing))
      return { kind: 'slices', pageRows, ...timed, of: { list: async () => listed(routing).map(sliceText) } };
    const walked = `_partitions_of_${name}`;
    parts.addWalk(() =>
      partitionStream(walked, routing, retrieve.requester.endpoint, {
        streamOf: (parent) => declarativeStream(parent, nameOf(parent), false, { ...parts, addWalk() {} }),
        routerOf: (parent) => router(parts.kit, (parent['retriever'] as JsonObject)['partition_router']),
        cache: parts.pages,
      }),
    );
    return { kind: 'slices', pageRows, ...timed, of: { parent: walked, slice: (record) => String(record['slice']) } };
  }
  if (time?.hasStart) {
    // Dividing what was begun may read a page twice, which only a key makes harmless.
    const order =
      time.hasEnd && time.stepSeconds === undefined && !hasFilter(json) && !reader.keyless
        ? declaredOrder(json, time.field)
        : undefined;
    return {
      kind: 'range',
      unit: time.unitSeconds,
      pageRows,
      order: order ?? 'unordered',
      window: time.hasEnd ? time.stepSeconds : undefined,
      boundsWithin: (gte, lt) => boundsWithin(time, gte, lt),
      start: Math.floor(time.begin()),
      end: time.limit,
      bounded: true,
      moves: MOVING_FIELD.test(time.field),
      position: time.position,
    };
  }
  if (!time && !reader.keyless && retrieve.paginator.tokenOf && retrieve.paginator.pageSize !== undefined)
    return { kind: 'numbered', pageRows };
  reader.walksWindows = true;
  return { kind: 'chain', pageRows };
}

/** Where the declared windows meet. */
function boundsWithin(time: Interval, gte: number, lt: number): number[] {
  const bounds: number[] = [];
  for (let at = time.nextBound(gte, lt); at < lt; at = time.nextBound(at, lt)) bounds.push(at);
  return bounds;
}

function followOf(division: Division, time: Interval | undefined, routing: Router): Follow {
  const lookback = time && time.lookbackSeconds > 0 ? time.lookbackSeconds + time.unitSeconds : undefined;
  if (division.kind === 'range') return { kind: 'cursor', lookback };
  if (division.kind !== 'slices') return { kind: 'reread' };
  const dependent = 'parent' in division.of && (parentOf(routing)?.parent.incremental ?? false);
  if (dependent) return { kind: 'cursor', lookback, parents: 'changed' };
  return time?.hasStart ? { kind: 'cursor', lookback, parents: 'all' } : { kind: 'reread' };
}

/** One parent, alone or combined with lists. */
function parentOf(routing: Router): { parent: ParentConfig; lists: Partition[] } | undefined {
  if (routing.kind === 'parents')
    return routing.parents.length === 1 ? { parent: routing.parents[0]!, lists: [WHOLE] } : undefined;
  if (routing.kind !== 'product') return undefined;
  const parents = routing.routers.filter((each) => each.kind === 'parents');
  const lists = routing.routers.filter((each) => each.kind === 'list');
  if (
    parents.length !== 1 ||
    parents[0]!.parents.length !== 1 ||
    parents.length + lists.length !== routing.routers.length
  )
    return undefined;
  return { parent: parents[0]!.parents[0]!, lists: listed({ kind: 'product', routers: lists, apply() {} }) };
}

/** Whether the configuration alone tells all partitions. */
function isListed(routing: Router): boolean {
  return routing.kind === 'list' || (routing.kind === 'product' && routing.routers.every(isListed));
}

function listed(routing: Router): Partition[] {
  if (routing.kind === 'list') return routing.partitions();
  if (routing.kind !== 'product') return [WHOLE];
  return routing.routers.reduce<Partition[]>(
    (all, each) => all.flatMap((a) => listed(each).map((b) => merged(a, b))),
    [WHOLE],
  );
}

const hasFilter = (json: JsonObject) =>
  fields(fields(json['retriever'] as JsonObject, 'record_selector') ?? {}, 'record_filter') !== undefined;

/** A request that asks for rows sorted by the cursor's field. The engine checks it, page by page. */
function declaredOrder(json: JsonObject, field: string): 'ascending' | 'descending' | undefined {
  const request = (json['retriever'] as JsonObject)['requester'];
  const said = isObject(request)
    ? JSON.stringify([
        request['request_parameters'],
        request['request_body_json'],
        request['request_body_data'],
        request['request_body'],
        request['path'],
      ])
    : '';
  const sorted = /sort|order/i.test(said) && said.includes(field);
  if (!sorted) return undefined;
  if (/\b(desc|descending|-1)\b/i.test(said)) return 'descending';
  return /\b(asc|ascending)\b/i.test(said) ? 'ascending' : undefined;
}

class StreamReader {
  /** A chain walks the manifest's own windows one after the other. */
  walksWindows = false;
  /** Answers that came with parents, by slice, as JSON. What does not fit is asked for. */
  private readonly kept = new Map<Slice, { json: string; serverTimeMs: number | undefined }>();
  private keptBytes = 0;

  constructor(
    private readonly retrieve: Retriever,
    private readonly time: Interval | undefined,
    private readonly routing: Router,
    /** Rows have no key to be recognised by. */
    readonly keyless: boolean,
    private readonly files: FetchFiles | undefined,
    /** How lists are walked whose rows may move. */
    private readonly lists: MovingList,
  ) {}

  /** The answer to a slice's first request, from its parent's record. */
  keep(slice: Slice, answer: unknown, serverTimeMs: number | undefined): void {
    // A first page with a filter of time would be another one.
    if (answer === undefined || answer === null || this.time?.stepSeconds !== undefined) return;
    const json = stringifyJson(answer);
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
    return page && { ...page, serverTimeMs: found.serverTimeMs };
  }

  async page(request: PageRequest): Promise<Page> {
    const partition = partitionOf(request.slice);
    if (request.number !== undefined) return this.numbered(request, partition);
    const { paginator } = this.retrieve;
    const walk: Walk = request.cursor === null ? { t: paginator.first } : (JSON.parse(request.cursor) as Walk);
    const window = this.window(request, walk);
    const asked = this.lists.askedFor(walk);
    const output = this.keptFor(request, partition) ?? (await this.fetch(request, partition, asked, window));
    const seen = this.lists.seen(walk, output);
    const next = this.advance(output, { ...walk, ...seen.walk }, window, request);
    const doubt = seen.walk.d ?? walk.d;
    const page: Page = {
      ...this.result(output, next === null ? null : JSON.stringify(next), window),
      ...(next === null ? { end: doubt === undefined ? seen.end : { kind: 'stated', doubt } } : {}),
      ...(seen.isAnew ? { anew: true } : {}),
    };
    return this.withFiles(page, partition, request.signal);
  }

  /** Page `number`, whose token follows from it. */
  private async numbered(request: PageRequest, partition: Partition): Promise<Page> {
    const { paginator } = this.retrieve;
    const size = paginator.pageSize!;
    const ask = (number: number) => this.fetch(request, partition, paginator.tokenOf!(number), undefined);
    let output: PageOutput;
    try {
      output = await ask(request.number!);
    } catch (error) {
      if (request.number === 0 || !(error instanceof SkippableError) || !PAST_THE_END.has(error.code)) throw error;
      // Perhaps there is no such page: the one before tells.
      const before = await ask(request.number! - 1).catch(() => undefined);
      if (before && before.received.length >= size) throw error;
      return { records: [], next: null, hasMore: false, serverTimeMs: before?.serverTimeMs, bytes: 0 };
    }
    const page = {
      records: output.records,
      received: output.received.length,
      next: null,
      hasMore: output.received.length >= size,
      serverTimeMs: output.serverTimeMs,
      bytes: output.bytes,
    };
    return this.withFiles(page, partition, request.signal);
  }

  /** Records are taken with their files, or not at all. */
  private async withFiles(page: Page, partition: Partition, signal: AbortSignal): Promise<Page> {
    return this.files
      ? {
          ...page,
          received: page.received ?? page.records.length,
          records: await this.files(page.records, scopeOf(partition), signal),
        }
      : page;
  }

  private fetch(
    request: PageRequest,
    partition: Partition,
    token: Json,
    window: Window | undefined,
  ): Promise<PageOutput> {
    const own = scopeOf(partition);
    const slice = withExtras({ ...own, ...(window && this.time ? this.time.slice(window) : {}) }, own['extra_fields']!);
    return this.retrieve.page({
      slice,
      token,
      signal: request.signal,
      weight: request.weight,
      ticket: request.ticket,
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
    const from = walk.w ?? Math.max(request.gte ?? start, start);
    if (request.lt !== null) return { from, to: request.lt, last: false };
    const end = walk.e ?? time.limit();
    const to = time.hasEnd ? Math.min(end, time.nextBound(from, end)) : end;
    return { from: Math.min(from, to), to, last: to === end };
  }

  private advance(output: PageOutput, walk: Walk, window: Window | undefined, request: PageRequest): Walk | null {
    const { time } = this;
    const isWalking =
      window !== undefined &&
      request.lt === null &&
      (request.slice !== undefined || this.walksWindows || request.gte === null);
    const place = isWalking ? { w: window.from, e: walk.e ?? (window.last ? window.to : time!.limit()) } : {};
    const isOver =
      time?.isFeed &&
      window !== undefined &&
      output.received.length > 0 &&
      time.position(output.received.at(-1)!) < window.from;
    if (output.next !== null && !isOver)
      return {
        t: output.next,
        ...place,
        ...carried(walk),
        ...this.standing(output, walk),
        ...this.silence(output, walk),
      };
    if (!isWalking || window.last) return null;
    return {
      t: this.retrieve.paginator.first,
      w: window.to,
      e: place.e!,
      ...(walk.d === undefined ? {} : { d: walk.d }),
    };
  }

  /** An API that goes on for ever without a row. */
  private silence(output: PageOutput, walk: Walk): { z?: number } {
    if (output.received.length > 0) return {};
    const z = (walk.z ?? 0) + 1;
    if (z < LIMITS.stalePages) return { z };
    throw new FatalError('the pages of the API do not come to an end', {
      code: 'pages_repeat',
      place: this.retrieve.requester.endpoint,
      expected: 'a page with rows, or the end',
      found: `${z} pages in a row without a row, each of which says that more follow`,
      next: 'check the paginator of the manifest: its stop condition does not end it',
    });
  }

  private standing(output: PageOutput, walk: Walk): { h?: number } {
    if (walk.t === null || JSON.stringify(output.next) !== JSON.stringify(walk.t)) return {};
    const held = hashString(
      JSON.stringify([output.received.length, output.received[0]], (_, value: unknown) =>
        typeof value === 'bigint' ? String(value) : value,
      ),
    );
    if (held === walk.h) {
      throw new FatalError('the pages of the API do not go on', {
        code: 'pages_stand_still',
        place: this.retrieve.requester.endpoint,
        expected: 'another page, or the end',
        found: `the same page again for ${JSON.stringify(walk.t).slice(0, 80)}`,
        next: 'check the paginator of the manifest: its stop condition does not end it',
      });
    }
    return { h: held };
  }

  private result(output: PageOutput, next: string | null, window: Window | undefined): Page {
    const { time } = this;
    // What the user wants from is all that the manifest's own filter must keep.
    const start = time?.clientSide && window !== undefined ? time.start() : undefined;
    let records =
      start === undefined ? output.records : output.records.filter((record) => !(time!.position(record) < start));
    // What lies on the bound comes with the next window as well, and without a key it would be there twice.
    if (this.keyless && window !== undefined && !window.last)
      records = records.filter((record) => !(time!.position(record) >= window.to));
    // A window without rows is no end: the walk goes on in the next one.
    const received = next !== null ? Math.max(1, output.received.length) : output.received.length;
    return { records, received, next, hasMore: next !== null, serverTimeMs: output.serverTimeMs, bytes: output.bytes };
  }
}

/** What the walk over a list keeps from page to page. */
function carried({ k, m, n, c, d }: Walk): Partial<Walk> {
  return { k, m, n, c, d };
}

/** A stream that cannot be read: it says why, and the others run. */
export function unreadable(
  json: JsonObject,
  name: string,
  error: Error & {
    next?: string | undefined;
    place?: string | undefined;
    expected?: string | undefined;
    found?: string | undefined;
    code?: string;
  },
): Stream & { unreadable: string } {
  return {
    unreadable: error.message,
    name,
    schema: { type: 'object', properties: {} },
    primaryKey: primaryKeyOf(json),
    division: { kind: 'chain', pageRows: PAGE_ROWS },
    follow: { kind: 'reread' },
    stored: true,
    endpoint: name,
    page: () =>
      Promise.reject(
        new SkippableError(`stream ${name} cannot be read: ${error.message}`, {
          code: error.code ?? 'stream_unreadable',
          place: error.place,
          expected: error.expected,
          found: error.found,
          next: error.next,
          cause: error,
        }),
      ),
  };
}
