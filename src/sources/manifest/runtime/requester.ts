/** Requests of a stream, from an HttpRequester: where they go and what they carry. */
import { stringifyJson } from '../../../base/json.js';
import { placeOf } from '../document/manifest.js';
import { isObject, type Json, type JsonObject } from '../document/read.js';
import { plainOf } from '../templates/template.js';
import { textOf, type Value } from '../templates/values.js';
import { define, fields, parameter, template, text, unsupported, type Kit, type Render, type Scope } from './kit.js';
import { emptyParts, type RequestParts } from './options.js';
import { quotePlus } from '../templates/quoting.js';
import { replaced } from './twins.js';
import { endpointUrl, followable } from './url.js';

export interface BuiltRequest {
  method: string;
  url: string;
  headers: Record<string, string>;
  body: string | undefined;
  /** Names of headers, in lower case, that hold a credential. */
  credentials?: readonly string[] | undefined;
  /** The body holds one. */
  secretBody?: boolean | undefined;
}

export interface Requester {
  component: JsonObject;
  /** Its own parts of a request, before paging, cursors, partitions and credentials add theirs. */
  parts(scope: Scope): RequestParts;
  /** `path`: where paging says to go instead. */
  finish(parts: RequestParts, scope: Scope, path: string | undefined): BuiltRequest;
  /** Name of the endpoint: the path before anything is filled in. */
  endpoint: string;
  /** Address of the API, where config alone decides it. */
  base: string;
}

export function requester(kit: Kit, component: JsonObject): Requester {
  const own = replaced(kit, component);
  if (own['type'] !== 'HttpRequester')
    throw unsupported(
      kit,
      own,
      `the requester ${String(own['type'])}`,
      'use HttpRequester, or a twin that replaces it',
    );
  const ownBase = text(kit, own, own['url_base'] ?? own['url'] ?? '');
  const path = text(kit, own, own['path'] ?? '');
  const params = mapping(kit, own, own['request_parameters']);
  const headers = headerMapping(kit, own, own['request_headers']);
  const { data, json } = bodyOf(kit, own);
  const form = mapping(kit, own, typeof data === 'string' ? undefined : data);
  const object = nested(kit, own, json);
  const plainForm = typeof data === 'string' ? parameter(kit, own, data) : undefined;
  // An address that is written out in the manifest is its author's choice, wherever it leads.
  const isLiteral = /^https?:\/\/[^/{}]+(\/|$)/i.test(String(own['path'] ?? ''));
  const unescaped = typeof own['unescaped'] === 'string' ? own['unescaped'] : '';
  const method = String(own['http_method'] ?? 'GET').toUpperCase();
  return {
    component: own,
    endpoint: endpointOf(own),
    base: safely(() => rebased(ownBase({}), kit.baseUrl)),
    parts(scope) {
      const parts = emptyParts();
      Object.assign(parts.params, params(scope));
      Object.assign(parts.headers, headers(scope));
      Object.assign(parts.form, form(scope));
      const found = object(scope);
      if (isObject(found)) Object.assign(parts.json, found);
      return parts;
    },
    finish(parts, scope, pagePath) {
      const from = ownBase(scope);
      const joined = endpointUrl(from, pagePath || path(scope).replace(/^\/+/, ''));
      const isGiven = Boolean(pagePath) || !isLiteral;
      // The path is the API's own; a server that stands in for the API gets it below its own.
      const isOwn = originOf(joined) === originOf(from);
      const target = isOwn ? rebased(joined, kit.baseUrl) : joined;
      const address = followable(target, kit.baseUrl ?? from, isGiven, placeOf(kit.manifest, own));
      const [place = '', fragment] = address.split('#');
      const query = queryOf(parts.params, new URL(address).searchParams, unescaped);
      const asked = query === '' ? place : place + (place.includes('?') ? '&' : '?') + query;
      const url = fragment === undefined ? asked : `${asked}#${fragment}`;
      const plain = plainForm?.(scope);
      let content: string | undefined;
      if (Object.keys(parts.form).length > 0) {
        content = queryOf(parts.form);
        parts.headers['content-type'] ??= 'application/x-www-form-urlencoded';
      } else if (typeof plain === 'string' && plain !== '') content = plain;
      else if (Object.keys(parts.json).length > 0) {
        content = stringifyJson(parts.json);
        parts.headers['content-type'] ??= 'application/json';
      }
      const sent = Object.entries(parts.headers).map(([name, value]) => [name, value.trim()] as const);
      return { method, url, headers: Object.fromEntries(sent), body: content };
    },
  };
}

const originOf = (address: string) => (URL.canParse(address) ? new URL(address).origin : address);

function safely(read: () => string): string {
  try {
    return read();
  } catch {
    return '';
  }
}

function endpointOf(own: JsonObject): string {
  return (
    String(own['path'] ?? own['url'] ?? own['url_base'] ?? '')
      .replaceAll(/\{\{[^}]*\}\}/g, ':x')
      .replace(/^\/+/, '')
      .slice(0, 120) || '/'
  );
}

/** The same path on another server. */
export function rebased(address: string, baseUrl: string | undefined): string {
  if (baseUrl === undefined || !URL.canParse(address)) return address;
  const { pathname, search } = new URL(address);
  return baseUrl.replace(/\/+$/, '') + pathname + search;
}

/** As Python's requests encodes: lists repeat, null is left out, what the address already says is not said twice. */
function queryOf(params: Record<string, unknown>, known?: URLSearchParams, unescaped = ''): string {
  const pairs: string[] = [];
  for (const [key, value] of Object.entries(params)) {
    const said = known?.get(key) ?? '';
    if (said !== '' && !Array.isArray(value) && said === textOf(value as Value)) continue;
    for (const item of Array.isArray(value) ? value : [value]) {
      if (item === null || item === undefined) continue;
      const asText = typeof item === 'object' ? stringifyJson(item) : textOf(item as Value);
      pairs.push(`${quotedBut(key, unescaped)}=${quotedBut(asText, unescaped)}`);
    }
  }
  return pairs.join('&');
}

/** Characters that a described requester leaves as they are. */
const quotedBut = (text: string, unescaped: string) =>
  unescaped === '' ? quotePlus(text) : [...text].map((c) => (unescaped.includes(c) ? c : quotePlus(c))).join('');

function mapping(kit: Kit, own: JsonObject, value: Json | undefined): (scope: Scope) => Record<string, unknown> {
  if (typeof value === 'string') {
    const render = template(kit, own, value, '');
    return (scope) => {
      const found = plainOf(render(scope));
      return isObject(found) ? found : typeof found === 'string' ? Object.fromEntries(new URLSearchParams(found)) : {};
    };
  }
  if (!isObject(value)) return () => ({});
  const entries = Object.entries(value).map(([key, inner]) => {
    if (isObject(inner) && inner['type'] === 'QueryProperties')
      return [text(kit, own, key), queryProperties(kit, inner)] as const;
    return [text(kit, own, key), parameter(kit, own, inner)] as const;
  });
  return (scope) => {
    const out: Record<string, unknown> = {};
    for (const [key, render] of entries) {
      const found = render(scope);
      if (found !== null && found !== undefined) define(out, key(scope), plainOf(found));
    }
    return out;
  };
}

/**
 * Parts of a long list of properties, where one request may not ask for all of them. Undefined: one request asks for
 * all.
 */
export interface PropertyChunks {
  chunks: string[];
  /** The value that tells which records of two parts are one; undefined for a record that stands for itself. */
  keyOf: (record: Record<string, unknown>) => string | undefined;
}

/** The component that says which properties a requester asks for. */
export function queryPropertiesOf(own: JsonObject): JsonObject | undefined {
  const parameters = own['request_parameters'];
  const component = isObject(own['query_properties'])
    ? own['query_properties']
    : isObject(parameters)
      ? Object.values(parameters).find((value) => isObject(value) && value['type'] === 'QueryProperties')
      : undefined;
  return isObject(component) ? component : undefined;
}

export function propertyChunks(kit: Kit, own: JsonObject): PropertyChunks | undefined {
  const component = queryPropertiesOf(own);
  const chunking = isObject(component) ? component['property_chunking'] : undefined;
  if (!isObject(component) || !isObject(chunking) || typeof chunking['property_limit'] !== 'number') return undefined;
  const { names, always } = propertyNames(kit, component);
  const limit = chunking['property_limit'];
  const sizeOf = (name: string) => (chunking['property_limit_type'] === 'characters' ? name.length + ENCODED_COMMA : 1);
  const chunks: string[][] = [];
  let size = 0;
  for (const name of names) {
    const last = chunks.at(-1);
    if (last && size + sizeOf(name) <= limit) last.push(name);
    else {
      chunks.push([...always, name]);
      size = 0;
    }
    size += sizeOf(name);
  }
  const merge = isObject(chunking['record_merge_strategy']) ? chunking['record_merge_strategy']['key'] : undefined;
  const keys = (Array.isArray(merge) ? merge : merge === undefined ? ['id'] : [merge]).map(String);
  return {
    chunks: chunks.map((chunk) => chunk.join(',')),
    keyOf: (record) => {
      const values = keys.map((key) => record[key]);
      const isNone = values.some((value) => value === undefined || value === null || value === '');
      return isNone ? undefined : stringifyJson(values);
    },
  };
}

/** What stands between two properties, as it counts for a limit of characters. */
const ENCODED_COMMA = 3;

function propertyNames(kit: Kit, component: JsonObject): { names: string[]; always: string[] } {
  const given = component['property_list'];
  const names = isObject(given) ? kit.propertyLists.get(given) : given;
  if (!Array.isArray(names))
    throw unsupported(
      kit,
      component,
      'a list of properties that was not asked for',
      'write the properties into property_list',
    );
  if (component['property_selector'] !== undefined)
    kit.notes.add(
      `${placeOf(kit.manifest, component)}: JsonSchemaPropertySelector is not looked at: all properties are asked for`,
    );
  const always = Array.isArray(component['always_include_properties'])
    ? component['always_include_properties'].map(String)
    : [];
  return { names: names.map(String).filter((name) => !always.includes(name)), always };
}

/** Properties asked for by name, all in one request, or those of the chunk that is being read. */
function queryProperties(kit: Kit, component: JsonObject): Render {
  const { names, always } = propertyNames(kit, component);
  const joinedNames = [...always, ...names].join(',');
  return (scope) => (typeof scope['query_properties'] === 'string' ? scope['query_properties'] : joinedNames);
}

/** JSON of which every text may be a template; what comes to nothing, or to an empty text, leaves its field out. */
function nested(kit: Kit, own: JsonObject, value: Json | undefined): (scope: Scope) => unknown {
  if (value === undefined) return () => undefined;
  const compile = (node: Json): ((scope: Scope) => unknown) => {
    if (typeof node === 'string') {
      const render = template(kit, own, node);
      return (scope) => {
        const found = plainOf(render(scope));
        return found === '' ? null : found;
      };
    }
    if (Array.isArray(node)) {
      const items = node.map(compile);
      return (scope) => items.map((item) => item(scope));
    }
    if (isObject(node)) {
      const entries = Object.entries(node).map(([key, inner]) => [text(kit, own, key), compile(inner)] as const);
      return (scope) => {
        const out: Record<string, unknown> = {};
        for (const [key, inner] of entries) {
          const found = inner(scope);
          if (found !== null && found !== undefined) define(out, key(scope), found);
        }
        return out;
      };
    }
    return () => node;
  };
  return compile(value);
}

/** What `request_body` says, in the words that came before it: data, or JSON. */
function bodyOf(kit: Kit, own: JsonObject): { data: Json | undefined; json: Json | undefined } {
  const component = fields(own, 'request_body');
  switch (component?.['type']) {
    case undefined:
      return { data: own['request_body_data'], json: own['request_body_json'] };
    case 'RequestBodyPlainText':
    case 'RequestBodyUrlEncodedForm':
      return { data: component!['value'], json: undefined };
    case 'RequestBodyGraphQL':
    case 'RequestBodyJsonObject':
      return { data: undefined, json: component!['value'] };
    default:
      throw unsupported(
        kit,
        component!,
        `the request body ${String(component!['type'])}`,
        'use a body of the language',
      );
  }
}

/** Headers are evaluated to values like any template, and written as Python writes them. */
function headerMapping(kit: Kit, own: JsonObject, value: Json | undefined): (scope: Scope) => Record<string, string> {
  if (!isObject(value)) {
    const found = mapping(kit, own, value);
    return (scope) =>
      Object.fromEntries(
        Object.entries(found(scope)).map(([name, each]) => [name.toLowerCase(), textOf(each as Value)]),
      );
  }
  const entries = Object.entries(value).map(
    ([key, inner]) => [text(kit, own, key), template(kit, own, inner)] as const,
  );
  return (scope) => {
    const out: Record<string, string> = {};
    for (const [key, render] of entries) {
      const found = render(scope);
      if (found !== null && found !== undefined && found !== '') out[key(scope).toLowerCase()] = textOf(found);
    }
    return out;
  };
}
