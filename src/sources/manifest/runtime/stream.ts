/** A stream of a manifest as the engine reads it: how it divides, how it follows, and its one function, `page`. */
import { SkippableError } from '../../../base/errors.js';
import type { DataRecord, JsonSchema } from '../../../base/catalog.js';
import type { Division, Follow, PageRequest, Slice, Stream } from '../../contract.js';
import { primaryKeyOf } from '../catalog.js';
import { isObject, type JsonObject } from '../document/read.js';
import { nameOf } from '../streams.js';
import type { RetrieverParts } from './exchange.js';
import { FILE_REFERENCE, FILE_REFERENCE_SCHEMA, fileFetcher } from './files.js';
import type { GroupLock } from './group-lock.js';
import { interval, type Interval } from './interval.js';
import { asyncRetriever, isAsync } from './async-retriever.js';
import { CursorWalks } from './cursor-walk.js';
import { MovingList } from './moving-list.js';
import { fields, list, text, type Kit } from './kit.js';
import type { PageCache } from './page-cache.js';
import { partitionStream } from './partition-walk.js';
import {
  merged,
  partitionOf,
  router,
  sliceText,
  WHOLE,
  type ParentConfig,
  type Partition,
  type Router,
} from './partitions.js';
import { retriever, type Retriever } from './retriever.js';
import { askedBy } from './asked.js';
import { StreamReader } from './stream-reader.js';
import { WindowCap } from './window-cap.js';

const PAGE_ROWS = 100;
/** Fields that change after a row was made: rows may move while they are read. */
const MOVING_FIELD = /updat|modif|chang|edit|last|activity/i;
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
      splitting: component['request_window_splitting'] ?? null,
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
    new CursorWalks(retrieve.paginator, columns.length === 0, retrieve.requester.endpoint),
    kit.proves && time?.halfOf && time.hasEnd && !retrieve.paginator.isPaged ? new WindowCap(time, columns) : undefined,
    () => {
      const { serverTimeMs } = parts.retrieverParts.client;
      return serverTimeMs === undefined ? undefined : serverTimeMs / 1000;
    },
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
    asked: askedBy(kit, json, time?.hasStart === true),
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
  const unit = division.kind === 'range' ? division.unit : 1;
  const lookback = time && time.lookbackSeconds > 0 ? time.lookbackSeconds + unit : undefined;
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
