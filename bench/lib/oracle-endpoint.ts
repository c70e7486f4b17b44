/** What a server that stands in for an API answers at one endpoint of a manifest: rows in pages, within a window. */
import type { DataRecord } from '../../src/base/catalog.js';
import { isObject, type Json, type JsonObject } from '../../src/sources/manifest/document/read.js';
import { headerDict } from '../../src/sources/manifest/runtime/answer-headers.js';
import { readerOf, writerOf } from '../../src/sources/manifest/runtime/interval-text.js';
import { fields, text, type Kit } from '../../src/sources/manifest/runtime/kit.js';
import { paginator, type Paginator } from '../../src/sources/manifest/runtime/paginator.js';
import { requester } from '../../src/sources/manifest/runtime/requester.js';
import { setIn, timeOf, valueOf } from './oracle-rows.js';
import type { Answer, Asked } from './oracle-server.js';

export interface Endpoint {
  method: string;
  path: RegExp;
  /** Characters of the path that are written, not made. */
  literal: number;
  answer(asked: Asked, more: boolean): Answer;
}

/** Rows of a page where nobody says how many. */
const PAGE_ROWS = 4;
/** Fuller pages are two, not three. */
const FULL_PAGE = 20;
const DAY_MS = 86_400_000;

/** Undefined: nothing is known that would answer it. `isParent`: it has two rows on a page. */
export function endpointOf(kit: Kit, stream: JsonObject, schema: JsonObject, isParent: boolean): Endpoint | undefined {
  const retriever = fields(stream, 'retriever');
  const asking = retriever && fields(retriever, 'requester');
  const selector = retriever && fields(retriever, 'record_selector');
  const extractor = selector && fields(selector, 'extractor');
  const decoder = retriever && fields(retriever, 'decoder');
  if (retriever?.['type'] !== 'SimpleRetriever' || asking?.['type'] !== 'HttpRequester') return undefined;
  if (extractor?.['type'] !== 'DpathExtractor' || (decoder && decoder['type'] !== 'JsonDecoder')) return undefined;
  const fieldPath = list1(extractor['field_path']).map((part) => text(kit, extractor, part)({}));
  const pages = paginator(kit, fields(retriever, 'paginator'));
  const kind = kindOf(retriever);
  const size = isParent ? 2 : (pages.pageSize ?? PAGE_ROWS);
  const total = isParent || kind === undefined ? Math.min(size, 3) : size > FULL_PAGE ? size + 1 : 2 * size + 1;
  const make = rowMaker(kit, stream, schema);
  const window = windowOf(kit, stream);
  const hints = hintsOf(retriever, pages, (body, rows) => put(body, fieldPath, rows));
  const { path, literal } = pathOf(kit, asking);
  return {
    method: String(asking['http_method'] ?? 'GET').toUpperCase(),
    path,
    literal,
    answer(asked, more) {
      const all = Array.from({ length: total + (more ? 1 : 0) }, (_, i) => make(i)).filter(window(asked));
      const page = pageOf(asked, retriever, pages, kind, size);
      const rows = all.slice(page * size, (page + 1) * size);
      const isLast = (page + 1) * size >= all.length;
      const hint = kind === 'CursorPagination' ? hints(page, isLast, rows, asked.path) : { body: {}, headers: {} };
      return {
        status: 200,
        body: JSON.stringify(put(structuredClone(hint.body), fieldPath, rows)),
        headers: { 'content-type': 'application/json', ...hint.headers },
      };
    },
  };
}

const list1 = (value: Json | undefined): Json[] => (Array.isArray(value) ? value : value === undefined ? [] : [value]);

function kindOf(retriever: JsonObject): string | undefined {
  const own = fields(retriever, 'paginator');
  const strategy = own?.['type'] === 'DefaultPaginator' ? fields(own, 'pagination_strategy') : undefined;
  return strategy === undefined ? undefined : String(strategy['type']);
}

/** What is made by templates may be anything. */
function pathOf(kit: Kit, asking: JsonObject): { path: RegExp; literal: number } {
  const { base } = requester(kit, asking);
  const own = asking['url'] === undefined ? String(asking['path'] ?? '') : '';
  const at = URL.canParse(base) ? decodeURI(new URL(base).pathname) : '';
  const whole = `${at.replace(/\/$/, '')}${own.trim() === '' ? '' : `/${own.trim().replace(/^\/+/, '')}`}`;
  const parts = whole.replaceAll(/\{%[^%]*%\}/g, '').split(/\{\{.*?\}\}|%7B%7B.*?%7D%7D/s);
  const source = parts.map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('.*');
  return { path: new RegExp(`^${source.replace(/\\\?.*$/, '')}/?$`), literal: parts.join('').length };
}

function rowMaker(kit: Kit, stream: JsonObject, schema: JsonObject): (i: number) => DataRecord {
  const properties = Object.entries(fields(schema, 'properties') ?? {}).slice(0, 30);
  const keys = list1(stream['primary_key'] ?? null)
    .flat()
    .filter((key): key is string => typeof key === 'string' && key !== '');
  const sync = fields(stream, 'incremental_sync');
  const field = sync && text(kit, sync, sync['cursor_field'] ?? '')({});
  const format =
    sync && String(list1(sync['cursor_datetime_formats'] ?? sync['datetime_format'] ?? '%Y-%m-%dT%H:%M:%SZ')[0]);
  const write = format === undefined ? undefined : writerOf(format);
  return (i) => {
    const row = Object.fromEntries(properties.map(([name, own]) => [name, valueOf(name, own, i)])) as JsonObject;
    for (const key of keys) row[key] = keyIn(row[key], i);
    row['id'] ??= 1000 + i;
    if (field && write) {
      const said = write(timeOf(i) / 1000);
      const declared = JSON.stringify((fields(schema, 'properties') ?? {})[field] ?? {});
      const isNumber = /%(s|ms)$/.test(format ?? '') && (declared === '{}' || /integer|number/.test(declared));
      setIn(row, field.split(/[./]/), isNumber ? Number(said) : said);
    }
    return row;
  };
}

/** Keys tell rows apart, whatever their schema says. */
const keyIn = (value: Json | undefined, i: number): Json =>
  typeof value === 'number' ? 1000 + i : typeof value === 'string' && /\d$/.test(value) ? value : 1000 + i;

/** Which rows lie in the window that is asked for, where the request tells one. */
function windowOf(kit: Kit, stream: JsonObject): (asked: Asked) => (row: DataRecord) => boolean {
  const sync = fields(stream, 'incremental_sync');
  if (!sync || sync['type'] !== 'DatetimeBasedCursor') return () => () => true;
  const field = text(kit, sync, sync['cursor_field'] ?? '')({});
  const format = text(kit, sync, sync['datetime_format'] ?? '')({});
  const read = readerOf([...list1(sync['cursor_datetime_formats'] ?? []).map(String), format]);
  const bound = readerOf([format]);
  const nearest = (value: unknown) => {
    const at = typeof value === 'string' || typeof value === 'number' ? bound(String(value)) * 1000 : Number.NaN;
    return at > Date.now() - 60 * DAY_MS && at < Date.now() + 10 * DAY_MS ? [at] : [];
  };
  return ({ query, path: at, body }) => {
    const said = [...query.values(), ...at.split('/'), ...textsIn(parsed(body)), ...new URLSearchParams(body).values()];
    const [from = -Infinity, to = Infinity] = said
      .flatMap((each) => [each, ...each.split(/[^\dTZ:.+-]+/)])
      .flatMap(nearest)
      .toSorted((a, b) => a - b)

      .filter((_, k, all) => k === 0 || k === all.length - 1);
    const unit = /%[HMSsf]|ms/.test(format) ? 1000 : DAY_MS;
    return (row) => {
      const own = read(
        field.split(/[./]/).reduce<unknown>((inner, key) => (isObject(inner) ? inner[key] : undefined), row),
      );
      return !Number.isFinite(own) || (own * 1000 >= from && own * 1000 < to + unit);
    };
  };
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

function textsIn(value: unknown): string[] {
  if (typeof value === 'string' || typeof value === 'number') return [String(value)];
  return value !== null && typeof value === 'object' ? Object.values(value).flatMap(textsIn) : [];
}

/** Which page is asked for, from 0. */
function pageOf(asked: Asked, retriever: JsonObject, pages: Paginator, kind: string | undefined, size: number): number {
  const { query, headers, body, path } = asked;
  const whole = `${path} ${[...query.values()].join(' ')} ${body} ${Object.values(headers).join(' ')}`;
  const token = /tok(\d+)/.exec(whole)?.[1];
  if (token !== undefined) return Number(token) - 1;
  const option = fields(fields(retriever, 'paginator') ?? {}, 'page_token_option');
  if (kind === undefined || kind === 'CursorPagination' || !option) return 0;
  const name = String(option['field_name'] ?? list1(option['field_path'] ?? []).at(-1));
  const json = new RegExp(`"${name}"\\s*:\\s*"?(\\d+)`).exec(body)?.[1];
  const found = query.get(name) ?? headers[name.toLowerCase()] ?? json ?? new URLSearchParams(body).get(name);
  if (found === null || found === undefined) return 0;
  const start = pages.tokenOf?.(1);
  return kind === 'PageIncrement' ? Number(found) - (typeof start === 'number' ? start - 1 : 0) : Number(found) / size;
}

interface Hint {
  body: JsonObject;
  headers: Record<string, string>;
}

const NAMED =
  /(response|headers)((?:\[\s*['"][^'"\]]+['"]\s*\]|\.get\(\s*['"][^'"]+['"]\s*(?:,\s*(?:\{\}|[^(){}]*))?\)|\.(?!get\b|split|items|keys)[A-Za-z_]\w*)+)/g;
const PART = /\[\s*['"]([^'"\]]+)['"]\s*\]|\.get\(\s*['"]([^'"]+)['"]|\.([A-Za-z_]\w*)/g;
const ABSENT = Symbol('absent');

function namedIn(template: string): string[][] {
  const found = [...template.matchAll(NAMED)].map(([, of, rest]) => [
    of!,
    ...[...rest!.matchAll(PART)].map((part) => (part[1] ?? part[2] ?? part[3])!),
  ]);
  const unique = [...new Map(found.map((path) => [path.join('\0'), path])).values()];
  return unique.filter((a) => !unique.some((b) => b !== a && a.every((key, k) => key === b[k])));
}

/** What an answer says of the page after it, found by trying. Throws where nothing that is tried leads on, or ends. */
function hintsOf(
  retriever: JsonObject,
  pages: Paginator,
  whole: (body: JsonObject, rows: DataRecord[]) => Json,
): (page: number, isLast: boolean, rows: DataRecord[], path: string) => Hint {
  const strategy = fields(fields(retriever, 'paginator') ?? {}, 'pagination_strategy') ?? {};
  const value = namedIn(String(strategy['cursor_value'] ?? '')).slice(0, 2);
  const stops = namedIn(String(strategy['stop_condition'] ?? ''))
    .filter((path) => !value.some((own) => own.join('\0') === path.join('\0')))
    .slice(0, 3);
  const isPath = fields(fields(retriever, 'paginator') ?? {}, 'page_token_option')?.['type'] === 'RequestPath';
  const known = new Map<string, Hint>();
  return (page, isLast, rows, path) => {
    const key = [page, isLast, rows.length, path].join('\0');
    const found = known.get(key) ?? hint(pages, value, stops, whole, { page, isLast, rows, path, isPath });
    known.set(key, found);
    return found;
  };
}

interface Asking {
  page: number;
  isLast: boolean;
  rows: DataRecord[];
  path: string;
  /** The token is an address. */
  isPath: boolean;
}

function hint(
  pages: Paginator,
  value: string[][],
  stops: string[][],
  whole: (body: JsonObject, rows: DataRecord[]) => Json,
  { page, isLast, rows, path, isPath }: Asking,
): Hint {
  const url = `__BASE__${path}?pgtok=tok${page + 2}`;
  const good = isPath ? [url, `tok${page + 2}`] : [`tok${page + 2}`, url];
  const bad = [ABSENT, null, '', 0, false];
  const flags = [true, false, ABSENT, null, page + 1, 'tok', 0, ''];
  const choices = [...value.map(() => (isLast ? [...bad, ...good] : good)), ...stops.map(() => flags)];
  for (const combination of combinations(choices as unknown[][])) {
    const made: Hint = { body: {}, headers: {} };
    [...value, ...stops].forEach(([of, ...keys], k) => {
      const own = combination[k];
      if (of === 'headers') sayInHeader(made, keys, own, url);
      else if (keys.length > 0 && own !== ABSENT) setIn(made.body, keys, own as Json);
    });
    try {
      const next = pages.next({
        document: whole(structuredClone(made.body), rows),
        headers: headerDict(lowered(made.headers)),
        size: rows.length,
        lastRecord: rows.at(-1),
        token: page === 0 ? null : `tok${page + 1}`,
        slice: {},
      });
      if (isLast ? next === null : /tok\d/.test(JSON.stringify(next) ?? '')) return made;
    } catch {
      // A template may not be content with what it is given.
    }
  }
  throw new Error(`nothing that was tried ${isLast ? 'ends' : 'goes on after'} page ${page}`);
}

const lowered = (headers: Record<string, string>) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));

function sayInHeader(made: Hint, [name]: string[], value: unknown, url: string): void {
  const isNothing = value === ABSENT || value === null || value === '' || value === 0 || value === false;
  if (name === undefined || isNothing) return;
  if (name.toLowerCase() === 'link') made.headers['Link'] = `<${url}>; rel="next"`;
  else made.headers[name] = String(value);
}

function* combinations(choices: unknown[][]): Generator<unknown[]> {
  const [first, ...rest] = choices;
  if (!first) return void (yield []);
  for (const each of first) for (const others of combinations(rest)) yield [each, ...others];
}

/** Rows where the extractor looks for them. */
function put(body: JsonObject, path: string[], rows: DataRecord[]): Json {
  if (path.length === 0) return (Object.keys(body).length > 0 ? body : rows) as Json;
  const star = path.findIndex((key) => key === '*' || key === '**');
  if (star < 0) setIn(body, path, rows as Json);
  else {
    const [before, after] = [path.slice(0, star), path.slice(star + 1)];
    const inner: JsonObject = {};
    if (after.length > 0) setIn(inner, after, rows as Json);
    if (before.length > 0) setIn(body, before, (after.length > 0 ? [inner] : rows) as Json);
    else Object.assign(body, { items: after.length > 0 ? inner : (rows as Json) });
  }
  return body;
}
