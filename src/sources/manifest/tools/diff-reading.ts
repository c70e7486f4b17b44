/** What a stream asks for, which of it becomes rows, and what its state is kept by, before and after. */
import { isObject, type Json, type JsonObject } from '../document/read.js';
import { nameOf } from '../streams.js';
import { brief, changed, objectsOf, same, stable, stringsOf, type Change } from './diff-changes.js';
import { filled, leavesOf, plain, SILENT } from './diff-leaves.js';
import type { RuleName } from './diff-rules.js';

/** The first that a path matches holds. Paths begin at the stream. */
const RULES: readonly (readonly [path: RegExp, rule: RuleName])[] = [
  [/^file_uploader\b/, 'retriever'],
  [/requester\.(?:url|url_base|path)$/, 'url'],
  [/requester\.http_method$/, 'method'],
  [/requester\.authenticator\b/, 'authentication'],
  [/requester\.error_handler\b/, 'errors'],
  [
    /requester\.(?:request_parameters|request_body_\w+|request_body|fetch_properties_\w+|query_properties)\b/,
    'request',
  ],
  [/requester\.request_headers\b/, 'request'],
  [/requester\.type$/, 'retriever'],
  [/record_filter\b/, 'filter'],
  [/transform_before_filtering$/, 'filter'],
  [/schema_normalization\b/, 'normalization'],
  [/extractor\b/, 'records'],
  [/record_selector\.type$/, 'records'],
  [/decoder\b/, 'decoder'],
  [/^retriever\.paginator\b/, 'paging'],
  [/^retriever\.(?:type|class_name|status_mapping\b)/, 'retriever'],
];

/** Parameters that say how much of a list comes at once, and not what. */
const SIZE = /\.(?:limit|per_?page|page_?size|count|max_?results|page\[size\]|size|top|\$top|batch_?size)$/i;

export function readingChanges(where: string, old: JsonObject, next: JsonObject): Change[] {
  return [
    ...leafChanges(where, old, next),
    ...transformationChanges(where, old, next),
    ...migrationChanges(where, old, next),
    ...cursorChanges(where, fieldsOf(old, 'incremental_sync'), fieldsOf(next, 'incremental_sync')),
    ...partitionChanges(where, routersOf(old), routersOf(next)),
  ];
}

const fieldsOf = (component: JsonObject, name: string): JsonObject | undefined => {
  const value = component[name];
  return isObject(value) ? value : undefined;
};

function leafChanges(where: string, old: JsonObject, next: JsonObject): Change[] {
  const [before, after] = [leavesOf(old), leavesOf(next)];
  const had = (path: string) => [...before.keys()].some((each) => each.startsWith(`${path}.`));
  const has = (path: string) => [...after.keys()].some((each) => each.startsWith(`${path}.`));
  if (had('retriever.paginator') && !pages(next) && pages(old))
    return [
      changed(where, 'paging-gone', 'reads the first page alone'),
      ...leafChanges(where, withoutPaging(old), withoutPaging(next)),
    ];
  const told = new Set<string>();
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((path) => {
    const [was, is] = [before.get(path), after.get(path)];
    if (was === is) return [];
    const rule = RULES.find(([pattern]) => pattern.test(path))?.[1] ?? 'other';
    // What a component holds is told once, where all of it came or went.
    const part = partOf(path, rule);
    const whole = part !== undefined && had(part) !== has(part);
    const what = whole
      ? `${shortOf(part)} ${has(part) ? 'is new' : 'is gone'}`
      : `${shortOf(path)} was ${brief(was)}, is ${brief(is)}`;
    if (told.has(what)) return [];
    told.add(what);
    return [changed(where, rule === 'request' && SIZE.test(path) ? 'request-size' : rule, what)];
  });
}

/** The component of a rule that a path lies in. */
function partOf(path: string, rule: RuleName): string | undefined {
  const name = {
    filter: 'record_filter',
    authentication: 'authenticator',
    decoder: 'decoder',
    errors: 'error_handler',
    paging: 'paginator',
  }[rule as string];
  const at = name === undefined ? -1 : path.indexOf(`${name}.`);
  return name === undefined || at < 0 ? undefined : path.slice(0, at + name.length);
}

const shortOf = (path: string) => path.replace(/^retriever\./, '').replace(/^record_selector\./, '');

function pages(stream: JsonObject): boolean {
  const paginator = fieldsOf(fieldsOf(stream, 'retriever') ?? {}, 'paginator');
  return paginator !== undefined && paginator['type'] !== 'NoPagination';
}

function withoutPaging(stream: JsonObject): JsonObject {
  const { paginator: _, ...retriever } = fieldsOf(stream, 'retriever') ?? {};
  return { ...stream, retriever };
}

function transformationChanges(where: string, old: JsonObject, next: JsonObject): Change[] {
  const [before, after] = [transformationsOf(old), transformationsOf(next)];
  const changes: Change[] = [];
  for (const [field, value] of before.added) {
    const fresh = after.added.get(field);
    if (fresh !== value)
      changes.push(
        changed(
          where,
          'field-made',
          `field ${field} was made as ${brief(value)}, ${fresh === undefined ? 'and is not any more' : `is as ${brief(fresh)}`}`,
        ),
      );
  }
  for (const field of after.added.keys())
    if (!before.added.has(field)) changes.push(changed(where, 'field-made-new', `field ${field} is made`));
  for (const field of after.removed)
    if (!before.removed.has(field)) changes.push(changed(where, 'field-removed', `field ${field} is taken out`));
  for (const field of before.removed)
    if (!after.removed.has(field)) changes.push(changed(where, 'field-removed-gone', `field ${field} is left in`));
  if (before.others !== after.others)
    changes.push(
      changed(
        where,
        'transformation',
        `records are changed by ${after.others || 'nothing else'}, were by ${before.others || 'nothing else'}`,
      ),
    );
  return changes;
}

function transformationsOf(stream: JsonObject): { added: Map<string, string>; removed: Set<string>; others: string } {
  const added = new Map<string, string>();
  const removed = new Set<string>();
  const others: string[] = [];
  for (const each of objectsOf(stream['transformations'])) {
    const { condition, type } = each;
    const when = condition === undefined ? '' : ` where ${brief(condition)}`;
    if (type === 'AddFields')
      for (const field of objectsOf(each['fields']))
        added.set(
          stringsOf(field['path']).join('.'),
          `${filled(field['value'] ?? null, fieldsOf(field, '$parameters') ?? {})}${field['value_type'] ? ` (${String(field['value_type'])})` : ''}${when}`,
        );
    else if (type === 'RemoveFields')
      for (const pointer of Array.isArray(each['field_pointers']) ? each['field_pointers'] : [])
        removed.add(`${stringsOf(pointer).join('.')}${when}`);
    else others.push(stable(plain(each)));
  }
  return { added, removed, others: others.join(', ') };
}

function migrationChanges(where: string, old: JsonObject, next: JsonObject): Change[] {
  const listed = (stream: JsonObject) => objectsOf(stream['state_migrations']).map((each) => stable(plain(each)));
  const [before, after] = [listed(old), listed(next)];
  const gone = before.filter((each) => !after.includes(each));
  return [
    ...gone.map((each) => changed(where, 'state-migration', `the state migration ${brief(each)} is gone or another`)),
    ...after
      .filter((each) => !before.includes(each))
      .slice(gone.length)
      .map((each) => changed(where, 'state-migration-new', `the state migration ${brief(each)} is new`)),
  ];
}

/** Where what changes of a cursor is no fault of who uses it. */
const CURSOR_RULES: Record<string, RuleName> = {
  step: 'cursor-step',
  cursor_granularity: 'cursor-step',
  clamping: 'cursor-step',
  start_datetime: 'cursor-span',
  start_value: 'cursor-span',
  end_datetime: 'cursor-span',
  is_client_side_incremental: 'cursor-rows',
  is_data_feed: 'cursor-rows',
  is_compare_strictly: 'cursor-rows',
  global_substream_cursor: 'cursor-global',
};

function cursorChanges(where: string, old: JsonObject | undefined, next: JsonObject | undefined): Change[] {
  const fieldIn = (sync: JsonObject | undefined) =>
    sync === undefined ? '' : filled(sync['cursor_field'] ?? '', fieldsOf(sync, '$parameters') ?? {});
  const [was, is] = [fieldIn(old), fieldIn(next)];
  if (was !== is) return [changed(where, 'cursor', `cursor was ${was || 'none'}, is ${is || 'none'}`, true)];
  if (!old || !next) return [];
  const changes: Change[] = [];
  if (old['type'] !== next['type'])
    changes.push(changed(where, 'cursor', `its cursor was a ${brief(old['type'])}, is a ${brief(next['type'])}`, true));
  changes.push(...formatChanges(where, old, next), ...lookbackChanges(where, old, next));
  const known = new Set(['type', 'cursor_field', 'datetime_format', 'cursor_datetime_formats', 'lookback_window']);
  for (const name of new Set([...Object.keys(old), ...Object.keys(next)])) {
    if (known.has(name) || SILENT.has(name)) continue;
    const [a, b] = [old, next].map((sync) => plain(sync[name] ?? false));
    if (same(a, b)) continue;
    const rule = CURSOR_RULES[name] ?? 'cursor-request';
    changes.push(
      changed(where, rule, `${name} was ${brief(old[name])}, is ${brief(next[name])}`, rule === 'cursor-global'),
    );
  }
  return changes;
}

function formatChanges(where: string, old: JsonObject, next: JsonObject): Change[] {
  const [was, is] = [old, next].map((sync) => String(sync['datetime_format'] ?? '')) as [string, string];
  const reads = [old, next].map((sync) => [
    String(sync['datetime_format'] ?? ''),
    ...stringsOf(sync['cursor_datetime_formats']),
  ]) as [string[], string[]];
  if (was !== is)
    return [
      changed(
        where,
        'cursor-format',
        `state has the date format ${is}, was ${was}`,
        !reads[1].includes(was) || !reads[0].includes(is),
      ),
    ];
  const gone = reads[0].filter((format) => !reads[1].includes(format));
  const more = reads[1].filter((format) => !reads[0].includes(format));
  return [
    ...(gone.length > 0 ? [changed(where, 'cursor-reads', `no longer reads dates as ${gone.join(', ')}`)] : []),
    ...(more.length > 0 ? [changed(where, 'cursor-reads-new', `reads dates as ${more.join(', ')} too`)] : []),
  ];
}

const DAYS: Record<string, number> = { Y: 365, M: 30, W: 7, D: 1, H: 1 / 24, m: 1 / 1440, S: 1 / 86_400 };

/** Undefined where a template decides. */
function daysOf(duration: Json | undefined): number | undefined {
  if (duration === undefined || duration === null) return 0;
  const [, dates = '', times = ''] = /^P([\dYMWD.]*)(?:T([\dHMS.]*))?$/.exec(String(duration)) ?? [];
  if (dates === '' && times === '') return undefined;
  const sum = (text: string, minutes: boolean) =>
    [...text.matchAll(/([\d.]+)([A-Z])/g)].reduce(
      (all, [, count, unit]) => all + Number(count) * DAYS[minutes && unit === 'M' ? 'm' : unit!]!,
      0,
    );
  return sum(dates, false) + sum(times, true);
}

function lookbackChanges(where: string, old: JsonObject, next: JsonObject): Change[] {
  const [was, is] = [old['lookback_window'], next['lookback_window']];
  if (same(was, is)) return [];
  const [a, b] = [daysOf(was), daysOf(is)];
  const longer = a !== undefined && b !== undefined && b >= a;
  return [
    changed(
      where,
      longer ? 'cursor-lookback-longer' : 'cursor-lookback',
      `lookback_window was ${brief(was)}, is ${brief(is)}`,
    ),
  ];
}

function routersOf(stream: JsonObject): JsonObject[] {
  return objectsOf(fieldsOf(stream, 'retriever')?.['partition_router']);
}

/** What state is kept by: the field of each router. */
function keysOf(routers: JsonObject[]): string {
  return routers
    .flatMap((each) =>
      Array.isArray(each['parent_stream_configs'])
        ? objectsOf(each['parent_stream_configs']).map((parent) => String(parent['partition_field']))
        : [String(each['cursor_field'] ?? each['partition_field'] ?? each['type'])],
    )
    .join(', ');
}

function partitionChanges(where: string, old: JsonObject[], next: JsonObject[]): Change[] {
  const [was, is] = [keysOf(old), keysOf(next)];
  if (was !== is)
    return [
      changed(where, 'partitions', `state is kept by ${is || 'the stream'}, was by ${was || 'the stream'}`, true),
    ];
  return old.flatMap((router, i) => routerChanges(where, router, next[i] ?? {}));
}

function routerChanges(where: string, old: JsonObject, next: JsonObject): Change[] {
  const changes: Change[] = [];
  if (old['type'] !== next['type'] || old['class_name'] !== next['class_name'])
    changes.push(
      changed(
        where,
        'partitions',
        `its parts are made by a ${brief(next['type'])}, were by a ${brief(old['type'])}`,
        true,
      ),
    );
  const [was, is] = [old['values'], next['values']];
  if (!same(was, is)) {
    const gone =
      Array.isArray(was) && Array.isArray(is)
        ? stringsOf(was).filter((each) => !stringsOf(is).includes(each))
        : [brief(was)];
    changes.push(
      gone.length > 0
        ? changed(where, 'partition-gone', `its parts ${gone.join(', ')} are gone or others`)
        : changed(where, 'partition-new', `its parts are ${brief(is)}, were ${brief(was)}`),
    );
  }
  if (!same(plain(old['request_option'] ?? null), plain(next['request_option'] ?? null)))
    changes.push(changed(where, 'parent', 'its parts are asked for by another option'));
  for (const name of ['group_size', 'deduplicate'] as const)
    if (!same(old[name], next[name]))
      changes.push(changed(where, 'partitions', `${name} was ${brief(old[name])}, is ${brief(next[name])}`, true));
  for (const name of ['underlying_partition_router', 'partition_routers'] as const)
    changes.push(...partitionChanges(where, objectsOf(old[name]), objectsOf(next[name])));
  const parents = objectsOf(next['parent_stream_configs']);
  objectsOf(old['parent_stream_configs']).forEach((parent, i) =>
    changes.push(...parentChanges(where, parent, parents[i] ?? {})),
  );
  return changes;
}

function parentChanges(where: string, old: JsonObject, next: JsonObject): Change[] {
  const changes: Change[] = [];
  const streams = [old, next].map((parent) => fieldsOf(parent, 'stream') ?? {}) as [JsonObject, JsonObject];
  const names = streams.map(nameOf) as [string, string];
  if (names[0] !== names[1]) changes.push(changed(where, 'parent', `its parent was ${names[0]}, is ${names[1]}`, true));
  else
    changes.push(
      ...readingChanges(where, ...streams)
        .filter(({ kind }) => kind === 'breaking')
        .map((change) => ({ ...change, what: `its parent ${names[0]}: ${change.what}` })),
    );
  if (!same(old['incremental_dependency'] ?? false, next['incremental_dependency'] ?? false))
    changes.push(
      changed(
        where,
        'parent-dependency',
        next['incremental_dependency'] === true
          ? 'reads children of changed parents alone'
          : 'reads children of all parents',
        true,
      ),
    );
  for (const name of ['parent_key', 'request_option', 'extra_fields', 'lazy_read_pointer', 'type'] as const) {
    const [was, is] = [old[name], next[name]].map((value) => plain(value ?? null));
    if (same(was, is)) continue;
    const rule = name === 'lazy_read_pointer' || (name === 'extra_fields' && isMore(was, is)) ? 'other' : 'parent';
    changes.push(changed(where, rule, `${name} of its parent ${names[1]} was ${brief(was)}, is ${brief(is)}`));
  }
  return changes;
}

function isMore(was: Json | undefined, is: Json | undefined): boolean {
  return stringsOf(was).every((each) => stringsOf(is).includes(each));
}
