/**
 * Whole connectors of a folder of Airbyte's layout (manifests/NAME.yaml, golden-discover/NAME.json with a configuration
 * and a catalogue), read against a server that answers by what their manifests say: pages, windows and children, a new row
 * in the second run, and now and then a 429 or a 500.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { systemClock } from '../../src/base/clock.js';
import { hashString } from '../../src/base/random.js';
import { loadManifest } from '../../src/sources/manifest/document/manifest.js';
import { isObject, type JsonObject } from '../../src/sources/manifest/document/read.js';
import { schemaOf } from '../../src/sources/manifest/catalog.js';
import { connectorConfig } from '../../src/sources/manifest/runtime/config.js';
import { fields, list, type Kit } from '../../src/sources/manifest/runtime/kit.js';
import { nameOf, staticStreams } from '../../src/sources/manifest/streams.js';
import { Templates } from '../../src/sources/manifest/templates/template.js';
import { endpointOf, type Endpoint } from './oracle-endpoint.js';
import { nearRows } from './oracle-rows.js';
import { contentOf, type Answerer, type Asked } from './oracle-server.js';

export interface WholeManifest {
  name: string;
  /** As it was written. */
  manifest: string;
  config: JsonObject;
  catalog: { streams: unknown[] };
  answererOf(isFirst: boolean, isRefused: boolean): Answerer;
  /** Whether a request, as it was kept, is for none of the endpoints that bring rows. */
  isLogin(request: string): boolean;
  because: string | undefined;
}

interface CatalogStream {
  name: string;
  supported_sync_modes?: string[];
}

/** Why some are not read alike, as differences.ts names it. */
const BECAUSE: Record<string, string> = {
  'source-clickup-api': 'the same request for several parents',
  'source-insightful': 'rows without a time, and a state',
  'source-mention': 'partitions that are new',
  'source-flexport': 'a history',
};

/** Those that can be read without a class of Python, one stream of each, at most so many. */
export function wholeManifests(folder: string, most: number): WholeManifest[] {
  const golden = path.join(folder, 'golden-discover');
  if (!existsSync(golden)) return [];
  const found: WholeManifest[] = [];
  for (const file of readdirSync(golden).toSorted()) {
    if (found.length >= most) break;
    const whole = wholeManifest(folder, file.replace(/\.json$/, ''));
    if (whole) found.push(whole);
  }
  return found;
}

function wholeManifest(folder: string, name: string): WholeManifest | undefined {
  const file = path.join(folder, 'manifests', `${name}.yaml`);
  const known = JSON.parse(readFileSync(path.join(folder, 'golden-discover', `${name}.json`), 'utf8')) as {
    config: JsonObject;
    catalog: { streams: CatalogStream[] };
  };
  const given = nearRows(known.config) as JsonObject;
  const manifest = loadManifest(file);
  const templates = new Templates(() => systemClock.now());
  let definitions: JsonObject[];
  let config: JsonObject;
  try {
    ({ config } = connectorConfig(manifest, given, templates));
    definitions = staticStreams({ manifest, config, templates });
  } catch {
    return undefined;
  }
  const kit: Kit = {
    manifest,
    config,
    templates,
    clock: systemClock,
    baseUrl: undefined,
    twins: {},
    onConfigChange() {},
    notes: new Set(),
    propertyLists: new Map(),
    proves: false,
  };
  const schemaIn = (stream: JsonObject) => schemaOf(stream, { manifest, config, templates });
  for (const stream of definitions.toSorted((a, b) => worthOf(b) - worthOf(a))) {
    const endpoints = endpointsOf(kit, stream, schemaIn);
    const declared = known.catalog.streams.find((each) => each.name === nameOf(stream));
    if (!endpoints || !declared) continue;
    const isIncremental = declared.supported_sync_modes?.includes('incremental') ?? false;
    return {
      name,
      manifest: readFileSync(file, 'utf8')
        .replaceAll(LOGIN_PLACE, '$1__BASE__')
        .replaceAll(LOGIN_TEMPLATE, '$1__BASE__/'),
      config: given,
      catalog: {
        streams: [
          {
            stream: declared,
            sync_mode: isIncremental ? 'incremental' : 'full_refresh',
            destination_sync_mode: 'append',
          },
        ],
      },
      answererOf: (isFirst, isRefused) => answererOf(endpoints, isFirst, isRefused),
      isLogin: (request) => {
        const [method, asked] = JSON.parse(request) as [string, string];
        return !endpoints.some((each) => answers(each, method, asked));
      },
      because: BECAUSE[name],
    };
  }
  return undefined;
}

/** How much of the language reading a stream needs. */
function worthOf(stream: JsonObject): number {
  const retriever = fields(stream, 'retriever') ?? {};
  return (
    (stream['incremental_sync'] === undefined ? 0 : 2) +
    (retriever['partition_router'] === undefined ? 0 : 3) +
    (fields(retriever, 'paginator')?.['type'] === 'DefaultPaginator' ? 1 : 0)
  );
}

function endpointsOf(
  kit: Kit,
  stream: JsonObject,
  schemaIn: (stream: JsonObject) => JsonObject,
): Endpoint[] | undefined {
  const parents = parentsOf(stream);
  const { schema: _, ...rest } = stream;
  const said = JSON.stringify([rest, parents]);
  if (/"Custom[A-Z]|"JsonFileSchemaLoader"|"DynamicSchemaLoader"/.test(said)) return undefined;
  try {
    const found = [stream, ...parents].map((each, k) => endpointOf(kit, each, schemaIn(each), k > 0));
    if (!found.every((each) => each !== undefined)) return undefined;
    for (const each of found) for (const query of ['', 'pgtok=tok2', 'pgtok=tok3']) each.answer(trial(query), false);
    return found;
  } catch {
    return undefined;
  }
}

/** Whether anything leads from page to page, and ends, is found before a connector is chosen. */
const trial = (query: string): Asked => ({
  method: 'GET',
  path: '/trial',
  query: new URLSearchParams(query),
  headers: {},
  body: '',
});

function parentsOf(stream: JsonObject): JsonObject[] {
  const routers = list(fields(stream, 'retriever') ?? {}, 'partition_router');
  return routers
    .flatMap((router) => [router, ...list(router, 'underlying_partition_router'), ...list(router, 'partition_routers')])
    .flatMap((router) => list(router, 'parent_stream_configs'))
    .flatMap((config) => (isObject(config['stream']) ? [config['stream'], ...parentsOf(config['stream'])] : []));
}

/** A login is not moved to where a server stands in for the API, so it is written into the manifest. */
const LOGIN_PLACE = /(token_refresh_endpoint:\s*(?:>-?\s+)?["']?)https?:\/\/(?:\{\{.*?\}\}|[^/"'\s{])+/g;
const LOGIN_TEMPLATE = /(token_refresh_endpoint:\s*["']?)\{\{.*?\}\}\/?/g;

/** What logs in is content with any of these. */
const LOGIN: JsonObject = {
  access_token: 'tok-a',
  token: 'tok-a',
  session_token: 'tok-a',
  sessionToken: 'tok-a',
  id_token: 'tok-a',
  refresh_token: 'tok-r',
  expires_in: 3600,
  token_type: 'bearer',
};

function answererOf(endpoints: Endpoint[], isFirst: boolean, isRefused: boolean): Answerer {
  const failed = new Set<string>();
  return (asked) => {
    const [endpoint] = endpoints
      .filter((each) => answers(each, asked.method, asked.path))
      .toSorted((a, b) => b.literal - a.literal);
    const json = { 'content-type': 'application/json' };
    if (!endpoint) return { status: 200, body: JSON.stringify(LOGIN), headers: json };
    if (isRefused) return { status: 401, body: '{"message":"no"}', headers: json };
    const key = timeless(keyOf(asked));
    const fate = hashString(key) % 9;
    if (fate < 2 && !failed.has(key)) {
      failed.add(key);
      return fate === 0
        ? { status: 429, body: '{"message":"slower"}', headers: { ...json, 'Retry-After': '0' } }
        : { status: 500, body: '{"message":"broken"}', headers: json };
    }
    try {
      return endpoint.answer(asked, !isFirst);
    } catch (error) {
      return { status: 418, body: JSON.stringify({ message: String(error) }), headers: json };
    }
  };
}

const answers = ({ method, path: own }: Endpoint, asked: string, at: string) =>
  method === asked && own.test(decodeURIComponent(at));

/** A request by what it asks for, whoever asks and in which order. */
const keyOf = ({ method, path: own, query, headers, body }: Asked) =>
  `${method} ${own} ${[...query].toSorted().join()} ${JSON.stringify(contentOf(headers, body))}`;

/** What tells of now is another text on each side. */
export function timeless(text: string): string {
  const now = Date.now();
  const near = (at: number) => Math.abs(at - now) < 36 * 3_600_000;
  return text
    .replaceAll(/\d{4}-?\d\d-?\d\d(?:[T ]?\d\d:?\d\d(?::?\d\d(?:\.\d+)?)?)?(?:Z|[+-]\d\d:?\d\d)?/g, (found) => {
      const day = Date.parse(found.replace(/^(\d{4})-?(\d\d)-?(\d\d).*/, '$1-$2-$3'));
      return near(day) || near(day + 86_400_000) ? 'NOW' : found;
    })
    .replaceAll(/(\d{4}-\d\d-\d\d[T ])(\d\d:\d\d:\d\d)/g, (found, day: string, time: string) =>
      Math.abs(Date.parse(`1970-01-01T${time}Z`) - (now % 86_400_000)) < 1_800_000 ? `${day}NOW` : found,
    )
    .replaceAll(/\b\d{10}(?:\d{3})?\b/g, (found) =>
      near(Number(found.length === 10 ? `${found}000` : found)) ? 'NOW' : found,
    );
}
