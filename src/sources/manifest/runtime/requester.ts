/** Requests of a stream, from an HttpRequester: where they go and what they carry. */
import { ConfigError } from '../../../base/errors.js';
import { placeOf } from '../document/manifest.js';
import { isObject, type Json, type JsonObject } from '../document/read.js';
import { plainOf } from '../templates/template.js';
import { textOf, type Value } from '../templates/values.js';
import { define, fields, parameter, template, text, unsupported, type Kit, type Render, type Scope } from './kit.js';
import { emptyParts, type RequestParts } from './options.js';
import { quotePlus } from '../templates/macros.js';
import { replaced } from './twins.js';

export interface BuiltRequest {
  method: string;
  url: string;
  headers: Record<string, string>;
  body: string | undefined;
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
  const base = (scope: Scope) => rebased(ownBase(scope), kit.baseUrl);
  const path = text(kit, own, own['path'] ?? '');
  const params = mapping(kit, own, own['request_parameters']);
  const headers = mapping(kit, own, own['request_headers']);
  const form = mapping(kit, own, own['request_body_data']);
  const json = nested(kit, own, own['request_body_json']);
  const body = requestBody(kit, fields(own, 'request_body'));
  const plainForm =
    typeof own['request_body_data'] === 'string' ? parameter(kit, own, own['request_body_data']) : undefined;
  const method = String(own['http_method'] ?? 'GET').toUpperCase();
  return {
    component: own,
    endpoint: endpointOf(own),
    base: safely(() => base({})),
    parts(scope) {
      const parts = emptyParts();
      Object.assign(parts.params, params(scope));
      for (const [name, value] of Object.entries(headers(scope)))
        parts.headers[name.toLowerCase()] = textOf(value as Value);
      if (!plainForm) Object.assign(parts.form, form(scope));
      const object = json(scope);
      if (isObject(object)) Object.assign(parts.json, object);
      return parts;
    },
    finish(parts, scope, pagePath) {
      const address = joined(base(scope), pagePath ?? path(scope));
      assertFollows(kit, own, address, base(scope));
      const query = queryOf(parts.params, new URL(address).searchParams);
      const url = query === '' ? address : address + (address.includes('?') ? '&' : '?') + query;
      const made = body?.(scope);
      const plain = plainForm?.(scope);
      let content: string | undefined;
      if (made) {
        content = made.text;
        parts.headers['content-type'] ??= made.type;
      } else if (Object.keys(parts.form).length > 0) {
        content = queryOf(parts.form);
        parts.headers['content-type'] ??= 'application/x-www-form-urlencoded';
      } else if (typeof plain === 'string' && plain !== '') content = plain;
      else if (Object.keys(parts.json).length > 0) {
        content = JSON.stringify(parts.json);
        parts.headers['content-type'] ??= 'application/json';
      }
      return { method, url, headers: parts.headers, body: content };
    },
  };
}

/** A page's address that comes from an answer must not lead a credential to somebody else's server. */
function assertFollows(kit: Kit, component: JsonObject, address: string, base: string): void {
  let target: URL;
  try {
    target = new URL(address);
  } catch {
    throw new ConfigError('a request has no valid address', {
      code: 'bad_url',
      place: placeOf(kit.manifest, component),
      expected: 'an address with https:// and a host',
      found: address.slice(0, 120) || 'nothing',
      next: 'check what the configuration puts into url_base and path',
    });
  }
  if (target.protocol !== 'https:' && target.protocol !== 'http:')
    throw new ConfigError('a request has no address of the web', {
      code: 'bad_url',
      place: placeOf(kit.manifest, component),
      expected: 'http or https',
      found: target.protocol,
    });
  const own = URL.canParse(base) ? new URL(base) : target;
  const domain = (host: string) => host.split('.').slice(-2).join('.');
  const isSame =
    target.host === own.host ||
    (domain(target.hostname) === domain(own.hostname) &&
      target.hostname.includes('.') &&
      !/^[\d.]+$/.test(target.hostname));
  if (!isSame || (own.protocol === 'https:' && target.protocol === 'http:')) {
    throw new ConfigError('the next page lies on another server', {
      code: 'foreign_page',
      place: placeOf(kit.manifest, component),
      expected: `a page on ${own.host}`,
      found: target.origin,
      next: 'check url_base; the credential is not sent to another domain',
    });
  }
}

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

function joined(base: string, path: string): string {
  if (/^https?:\/\//i.test(path)) return path;
  if (path === '') return base;
  return `${base.replace(/\/+$/, '')}/${path.replace(/^\/+/, '')}`;
}

/** As Python's requests encodes: lists repeat, null is left out, what the address already has is not said twice. */
function queryOf(params: Record<string, unknown>, known?: URLSearchParams): string {
  const pairs: string[] = [];
  for (const [key, value] of Object.entries(params)) {
    for (const item of Array.isArray(value) ? value : [value]) {
      if (item === null || item === undefined) continue;
      const asText = typeof item === 'object' ? JSON.stringify(item) : textOf(item as Value);
      if (known?.getAll(key).includes(asText)) continue;
      pairs.push(`${quotePlus(key)}=${quotePlus(asText)}`);
    }
  }
  return pairs.join('&');
}

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
  /** The value that tells which records of two parts are one. */
  keyOf: (record: Record<string, unknown>) => string;
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
  const size = (list: string[]) =>
    chunking['property_limit_type'] === 'characters' ? list.join(',').length : list.length;
  const chunks: string[][] = [];
  for (const name of names) {
    const last = chunks.at(-1);
    if (last && size([...last, name]) <= limit) last.push(name);
    else chunks.push([...always, name]);
  }
  const merge = isObject(chunking['record_merge_strategy']) ? chunking['record_merge_strategy']['key'] : undefined;
  const keys = (Array.isArray(merge) ? merge : merge === undefined ? ['id'] : [merge]).map(String);
  return {
    chunks: chunks.map((chunk) => chunk.join(',')),
    keyOf: (record) => JSON.stringify(keys.map((key) => String(record[key]))),
  };
}

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

/** JSON of which every text may be a template; null leaves a field out. */
function nested(kit: Kit, own: JsonObject, value: Json | undefined): (scope: Scope) => unknown {
  if (value === undefined) return () => undefined;
  const compile = (node: Json): ((scope: Scope) => unknown) => {
    if (typeof node === 'string') {
      const render = template(kit, own, node);
      return (scope) => plainOf(render(scope));
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

function requestBody(
  kit: Kit,
  component: JsonObject | undefined,
): ((scope: Scope) => { text: string; type: string }) | undefined {
  if (!component) return undefined;
  switch (component['type']) {
    case 'RequestBodyPlainText': {
      const value = text(kit, component, component['value']);
      return (scope) => ({ text: value(scope), type: 'text/plain' });
    }
    case 'RequestBodyUrlEncodedForm': {
      const value = mapping(kit, component, component['value']);
      return (scope) => ({ text: queryOf(value(scope)), type: 'application/x-www-form-urlencoded' });
    }
    case 'RequestBodyGraphQL':
    case 'RequestBodyJsonObject': {
      const value = nested(kit, component, component['value']);
      return (scope) => ({ text: JSON.stringify(value(scope)), type: 'application/json' });
    }
    default:
      throw unsupported(kit, component, `the request body ${String(component['type'])}`, 'use a body of the language');
  }
}
