/**
 * What `connector diff` finds: the example of each rule, and edits of every kind over manifests that a seed makes.
 * Long because it is a table of edits.
 */
import { describe, expect, test } from 'vitest';
import { seededRandom, type Random } from '../../../base/random.js';
import { parseManifest } from '../document/manifest.js';
import { compareManifests, type Change } from './compare.js';
import { isLooser } from './diff-patterns.js';
import { DIFF_RULES, type DiffRule } from './diff-rules.js';

type Node = Record<string, unknown>;

/** Paths are dotted; names in brackets are steps of a list. */
function put(root: unknown, at: string, value: unknown): void {
  const steps = at.split('.');
  const last = steps.pop()!;
  let node = root as Node;
  for (const step of steps) {
    node[step] ??= {};
    node = node[step] as Node;
  }
  if (value !== null) node[last] = structuredClone(value);
  else if (Array.isArray(node)) node.splice(Number(last), 1);
  else delete node[last];
}

const read = (manifest: unknown) => parseManifest(JSON.stringify(manifest), 'source-test.yaml');
const diff = (old: unknown, next: unknown): Change[] => compareManifests(read(old), read(next));

function stream(name: string, more: Node = {}, retriever: Node = {}): Node {
  return {
    type: 'DeclarativeStream',
    name,
    primary_key: 'id',
    schema_loader: { type: 'InlineSchemaLoader', schema: { type: 'object', properties: { id: { type: 'string' } } } },
    retriever: {
      type: 'SimpleRetriever',
      requester: {
        type: 'HttpRequester',
        url_base: 'https://api.test/v1',
        path: name,
        http_method: 'GET',
        authenticator: {
          type: 'ApiKeyAuthenticator',
          header: 'X-Key',
          api_token: "{{ config['api_key'] }}",
        },
        request_parameters: { status: 'all', limit: '50' },
        error_handler: { type: 'DefaultErrorHandler', max_retries: 3 },
      },
      record_selector: { type: 'RecordSelector', extractor: { type: 'DpathExtractor', field_path: ['data'] } },
      ...retriever,
    },
    ...more,
  };
}

const CURSOR = () => ({
  type: 'DatetimeBasedCursor',
  cursor_field: 'updated_at',
  datetime_format: '%Y-%m-%d',
  cursor_datetime_formats: ['%Y-%m-%d'],
  start_datetime: '2020-01-01',
  lookback_window: 'P1D',
  step: 'P30D',
  cursor_granularity: 'P1D',
  start_time_option: { type: 'RequestOption', inject_into: 'request_parameter', field_name: 'since' },
});

function base(): Node {
  const users = stream(
    'users',
    {
      incremental_sync: CURSOR(),
      file_uploader: {
        type: 'FileUploader',
        requester: { type: 'HttpRequester', url_base: 'https://f.test', path: 'f' },
        download_target_extractor: { type: 'DpathExtractor', field_path: ['url'] },
        filename_extractor: 'a',
      },
    },
    {
      decoder: { type: 'JsonDecoder' },
      paginator: { type: 'DefaultPaginator', pagination_strategy: { type: 'PageIncrement', page_size: 50 } },
    },
  );
  put(users, 'schema_loader.schema.properties', {
    id: { type: 'string' },
    name: { type: ['null', 'string'] },
    size: { type: 'integer' },
    made_at: { type: 'string', format: 'date-time' },
    address: { type: 'object', properties: { city: { type: 'string' }, zip: { type: 'integer' } } },
  });
  put(users, 'retriever.record_selector.record_filter', { type: 'RecordFilter', condition: '{{ record.a }}' });
  const parent = {
    type: 'ParentStreamConfig',
    stream: stream('users'),
    parent_key: 'id',
    partition_field: 'user_id',
    incremental_dependency: false,
  };
  const posts = stream(
    'posts',
    { incremental_sync: { ...CURSOR(), global_substream_cursor: false } },
    { partition_router: { type: 'SubstreamPartitionRouter', parent_stream_configs: [parent] } },
  );
  const extras = stream(
    'extras',
    {},
    { partition_router: { type: 'ListPartitionRouter', cursor_field: 'kind', values: ['a', 'b'] } },
  );
  return {
    version: '6.0.0',
    type: 'DeclarativeSource',
    check: { type: 'CheckStream', stream_names: ['users'] },
    concurrency_level: { type: 'ConcurrencyLevel', default_concurrency: 2 },
    streams: [users, posts, extras, { type: 'ConditionalStreams', condition: 'a', streams: [stream('rare')] }],
    spec: {
      type: 'Spec',
      advanced_auth: { auth_flow_type: 'oauth2.0', predicate_value: 'oauth' },
      connection_specification: {
        type: 'object',
        additionalProperties: true,
        required: ['api_key'],
        properties: {
          api_key: { type: 'string', airbyte_secret: true },
          note: { type: 'string' },
          days: { type: 'integer', maximum: 30 },
          region: { type: 'string', enum: ['eu', 'us'], default: 'eu' },
          mode: { type: 'string', const: 'a' },
          login: { type: 'object', oneOf: [{ title: 'Token' }, { title: 'OAuth' }] },
        },
      },
    },
  };
}

describe('the example of each rule', () => {
  test.each(Object.entries(DIFF_RULES as Record<string, DiffRule>))('%s', (name, { kind, example: [at, from, to] }) => {
    const [old, next] = [base(), base()];
    const whole = (value: unknown) =>
      value !== null && typeof value === 'object' && (value as Node)['name'] === 'extras' ? stream('extras') : value;
    put(old, at, whole(from));
    put(next, at, whole(to));
    const found = diff(old, next);
    expect(found.map(({ rule, what }) => `${rule}: ${what}`)).toContainEqual(expect.stringMatching(`^${name}: `));
    const others = found.filter((change) => change.rule !== name && change.kind !== kind);
    expect(others).toEqual([]);
  });
});

test('the same manifest, written otherwise, has no changes', () => {
  const reordered = JSON.parse(JSON.stringify(base()), (_, value: unknown) =>
    value !== null && typeof value === 'object' && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value as Node).toReversed())
      : value,
  ) as Node;
  expect(diff(base(), reordered)).toEqual([]);
});

test('defaults that are written out, and bodies as text or as values, are the same', () => {
  const [old, next] = [base(), base()];
  put(old, 'streams.0.retriever.requester.http_method', null);
  put(old, 'streams.0.retriever.requester.request_body_json', { sort: "{'field': 'updated_at'}" });
  put(next, 'streams.0.retriever.requester.request_body_json', { sort: { field: 'updated_at' } });
  expect(diff(old, next)).toEqual([]);
});

/**
 * A manifest of any size: nested fields and settings, parents of parents, one or several of each part. Long because it
 * is one of everything.
 */
function made(random: Random): Node {
  const some = (least: number, most: number) => least + Math.floor(random.next() * (most - least + 1));
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random.next() * list.length)]!;
  let names = 0;
  const field = (depth: number): Node => {
    const kind = depth > 2 ? pick(['string', 'integer']) : pick(['string', 'integer', 'object', 'array']);
    const type = random.next() < 0.5 ? ['null', kind] : kind;
    if (kind === 'object') return { type, properties: fields(depth + 1) };
    if (kind === 'array') return { type, items: { type: 'object', properties: fields(depth + 1) } };
    return kind === 'string' && random.next() < 0.4 ? { type, format: 'date-time' } : { type };
  };
  const fields = (depth: number): Node =>
    Object.fromEntries(
      Array.from({ length: some(2, 4) }, () => [`f${++names}`, field(depth)]).concat([
        [`s${++names}`, { type: ['null', 'string'], format: 'date' }],
        [`i${++names}`, { type: 'integer' }],
      ]),
    );
  const one = (name: string): Node => {
    const node = stream(name, {
      incremental_sync: { ...CURSOR(), global_substream_cursor: pick([true, false]) },
      transformations: [
        { type: 'AddFields', fields: [{ type: 'AddedFieldDefinition', path: ['x', 'y'], value: '{{ 1 }}' }] },
      ],
      state_migrations: [{ type: 'LegacyToPerPartitionStateMigration' }],
    });
    put(node, 'schema_loader.schema.properties', { id: { type: 'string' }, ...fields(0) });
    put(node, 'retriever.record_selector.record_filter', { type: 'RecordFilter', condition: '{{ record.live }}' });
    put(node, 'retriever.requester.authenticator', {
      type: 'OAuthAuthenticator',
      token_refresh_endpoint: 'https://api.test/token',
      client_id: "{{ config['client_id'] }}",
      client_secret: "{{ config['client_secret'] }}",
      refresh_token: "{{ config['refresh_token'] }}",
      scopes: ['read'],
    });
    return node;
  };
  const streams = Array.from({ length: some(2, 4) }, (_, i) => one(`stream${i}`));
  for (const [i, node] of streams.entries())
    if (i > 0)
      put(node, 'retriever.partition_router', {
        type: 'SubstreamPartitionRouter',
        parent_stream_configs: [
          {
            type: 'ParentStreamConfig',
            stream: { ...structuredClone(streams[i - 1]!), schema_loader: stream('x')['schema_loader'] },
            parent_key: 'id',
            partition_field: `parent${i}`,
            incremental_dependency: pick([true, false]),
          },
        ],
      });
  const settings = (depth: number): Node => ({
    [`text${depth}`]: { type: 'string', pattern: '^[a-z]{3}$', default: 'abc' },
    [`when${depth}`]: { type: ['string', 'null'], format: 'date' },
    [`count${depth}`]: { type: 'integer', minimum: 1, maximum: 9, default: 5 },
    [`choice${depth}`]: { type: 'string', enum: ['a', 'b', 'c'] },
    [`secret${depth}`]: { type: 'string', airbyte_secret: true },
    ...(depth < 2
      ? {
          [`group${depth}`]: { type: 'object', properties: settings(depth + 1) },
          [`way${depth}`]: {
            type: 'object',
            oneOf: ['token', 'oauth'].map((way) => ({
              type: 'object',
              title: way,
              required: ['kind'],
              properties: {
                kind: { type: 'string', const: way },
                [`${way}${depth}`]: { type: 'string', airbyte_secret: true },
              },
            })),
          },
        }
      : {}),
  });
  return {
    version: '6.0.0',
    type: 'DeclarativeSource',
    check: { type: 'CheckStream', stream_names: ['stream0'] },
    streams,
    spec: {
      type: 'Spec',
      connection_specification: { type: 'object', required: ['text0'], properties: settings(0) },
      advanced_auth: {
        auth_flow_type: 'oauth2.0',
        predicate_key: ['way0', 'kind'],
        predicate_value: 'oauth',
        oauth_config_specification: {
          complete_oauth_output_specification: {
            type: 'object',
            properties: { token: { type: 'string', path_in_connector_config: ['way0', 'oauth0'] } },
          },
        },
      },
    },
  };
}

interface Place {
  node: Node;
  key: string;
  value: any;
}

/** Every value below a part of the manifest, with what holds it. */
function places(root: unknown): Place[] {
  const found: Place[] = [];
  const walk = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return;
    for (const [key, value] of Object.entries(node as Node)) {
      found.push({ node: node as Node, key, value });
      walk(value);
    }
  };
  walk(root);
  return found;
}

type Edit = (place: Place) => void;
const set =
  (value: unknown): Edit =>
  ({ node, key }) =>
    void (node[key] = value);
const remove: Edit = ({ node, key }) => void delete node[key];
const streamsOf = (manifest: Node) => manifest['streams'] as Node[];
const schemas = (manifest: Node) =>
  streamsOf(manifest).flatMap((each) => places((each['schema_loader'] as Node)['schema']));
const properties = (all: Place[]) =>
  all
    .filter(({ key, value }) => key === 'properties' && typeof value === 'object')
    .flatMap(({ value }) =>
      Object.entries(value as Node).map(([key, inner]) => ({ node: value as Node, key, value: inner as any })),
    );
const spec = (manifest: Node) => places((manifest['spec'] as Node)['connection_specification']);
const reading = (manifest: Node, key: string) =>
  streamsOf(manifest).flatMap((each) =>
    [
      ...Object.entries(each).map(([name, value]) => ({ node: each, key: name, value: value as any })),
      ...Object.entries(each).flatMap(([name, value]) => (name === 'schema_loader' ? [] : places(value))),
    ].filter((place) => place.key === key),
  );
const has = (kind: string) => (type: unknown) => (Array.isArray(type) ? type.includes(kind) : type === kind);
const isScalarField = ({ value }: Place) => has('string')(value.type) || has('integer')(value.type);

/** What an edit does, where it may be done, and how. */
const BREAKING: [string, (manifest: Node) => Place[], Edit][] = [
  ['a field is removed, at any depth', (m) => properties(schemas(m)), remove],
  [
    'a field is renamed',
    (m) => properties(schemas(m)),
    ({ node, key, value }) => {
      delete node[key];
      node[`${key}_new`] = value;
    },
  ],
  [
    'a field is retyped',
    (m) => properties(schemas(m)).filter(isScalarField),
    ({ value }) => void (value.type = 'boolean'),
  ],
  [
    'an integer becomes a string',
    (m) => properties(schemas(m)).filter(({ value }) => has('integer')(value.type)),
    ({ value }) => void (value.type = 'string'),
  ],
  [
    'null is no longer allowed in a field',
    (m) => properties(schemas(m)).filter(({ value }) => Array.isArray(value.type) && value.type.includes('null')),
    ({ value }) => void (value.type = value.type.filter((each: string) => each !== 'null')),
  ],
  [
    'a format of a field is another',
    (m) => schemas(m).filter(({ key, value }) => key === 'format' && typeof value === 'string'),
    set('time'),
  ],
  [
    'a format of a field is gone',
    (m) => schemas(m).filter(({ key, value }) => key === 'format' && typeof value === 'string'),
    remove,
  ],
  [
    'a format of a field is new',
    (m) => properties(schemas(m)).filter(({ value }) => has('string')(value.type) && !value.format),
    ({ value }) => void (value.format = 'date'),
  ],
  ['a stream is gone', (m) => [{ node: m, key: 'streams', value: m['streams'] }], ({ value }) => void value.pop()],
  [
    'the key of a stream is another',
    (m) => streamsOf(m).map((node) => ({ node, key: 'primary_key', value: 'id' })),
    set(['id', 'other']),
  ],
  [
    'the key of a stream is gone',
    (m) => streamsOf(m).map((node) => ({ node, key: 'primary_key', value: 'id' })),
    remove,
  ],
  [
    'global_substream_cursor is turned',
    (m) => reading(m, 'global_substream_cursor'),
    ({ node, key, value }) => void (node[key] = !value),
  ],
  [
    'incremental_dependency is turned',
    (m) => reading(m, 'incremental_dependency'),
    ({ node, key, value }) => void (node[key] = !value),
  ],
  [
    'a cursor is gone',
    (m) => streamsOf(m).map((node) => ({ node, key: 'incremental_sync', value: node['incremental_sync'] })),
    remove,
  ],
  ['a cursor is of another field', (m) => reading(m, 'cursor_field'), set('created_at')],
  ['a cursor is written otherwise', (m) => reading(m, 'datetime_format'), set('%s')],
  ['a lookback is shorter', (m) => reading(m, 'lookback_window'), set('PT1H')],
  [
    'a start is asked for by another parameter',
    (m) => reading(m, 'start_time_option'),
    ({ value }) => void (value.field_name = 'after'),
  ],
  ['a parent key is another', (m) => reading(m, 'parent_key'), set('uuid')],
  ['a partition field is another', (m) => reading(m, 'partition_field'), set('other')],
  ['a parent is another stream', (m) => reading(m, 'stream'), ({ value }) => void (value.name = 'other')],
  ['children become a stream of its own', (m) => reading(m, 'partition_router'), remove],
  ['a state migration is gone', (m) => reading(m, 'state_migrations'), set([])],
  ['a URL is another', (m) => reading(m, 'url_base'), set('https://other.test/v2')],
  ['a path is another', (m) => reading(m, 'path').filter(({ value }) => typeof value === 'string'), set('else')],
  ['a method is another', (m) => reading(m, 'http_method'), set('POST')],
  ['a filter is another', (m) => reading(m, 'condition'), set('{{ record.old }}')],
  [
    'a filter is new',
    (m) =>
      reading(m, 'record_filter')
        .map(({ node }) => node)
        .map((node) => ({ node, key: 'extractor', value: node['extractor'] })),
    ({ value }) => void (value.field_path = ['data', 'live']),
  ],
  ['a filter is gone', (m) => reading(m, 'record_filter'), remove],
  ['a filter in the request is another', (m) => reading(m, 'status'), set('active')],
  ['records are looked for elsewhere', (m) => reading(m, 'field_path'), set(['items'])],
  ['an added field is gone', (m) => reading(m, 'transformations'), set([])],
  ['tokens are fetched elsewhere', (m) => reading(m, 'token_refresh_endpoint'), set('https://other.test/token')],
  ['scopes are others', (m) => reading(m, 'scopes'), set(['read', 'write'])],
  [
    'another way to authenticate',
    (m) => reading(m, 'authenticator'),
    set({ type: 'BearerAuthenticator', api_token: 'x' }),
  ],
  [
    'a setting is newly required',
    (m) => [{ node: (m['spec'] as Node)['connection_specification'] as Node, key: 'required', value: [] }],
    set(['text0', 'choice0']),
  ],
  [
    'a setting is of another type',
    (m) => properties(spec(m)).filter(({ value }) => value.type === 'integer'),
    ({ value }) => void (value.type = 'boolean'),
  ],
  [
    'a number becomes an integer',
    (m) => properties(spec(m)).filter(({ value }) => value.type === 'string'),
    ({ value }) => void (value.type = 'integer'),
  ],
  [
    'null is no longer allowed in a setting',
    (m) => properties(spec(m)).filter(({ value }) => Array.isArray(value.type)),
    ({ value }) => void (value.type = 'string'),
  ],
  [
    'a choice is gone',
    (m) => spec(m).filter(({ key, value }) => key === 'enum' && Array.isArray(value)),
    ({ value }) => void value.pop(),
  ],
  ['a bound is narrower', (m) => spec(m).filter(({ key }) => key === 'maximum'), set(3)],
  ['a least is higher', (m) => spec(m).filter(({ key }) => key === 'minimum'), set(2)],
  [
    'a pattern is narrower',
    (m) => spec(m).filter(({ key, value }) => key === 'pattern' && typeof value === 'string'),
    set('^[a-y]{3}$'),
  ],
  [
    'a format of a setting is another',
    (m) => spec(m).filter(({ key, value }) => key === 'format' && typeof value === 'string'),
    set('date-time'),
  ],
  [
    'a default is another',
    (m) => spec(m).filter(({ key, value }) => key === 'default' && typeof value !== 'object'),
    ({ node, key, value }) => void (node[key] = typeof value === 'number' ? 6 : 'xyz'),
  ],
  [
    'a default is gone',
    (m) => spec(m).filter(({ key, value }) => key === 'default' && typeof value !== 'object'),
    remove,
  ],
  ['a secret is none any more', (m) => spec(m).filter(({ key }) => key === 'airbyte_secret'), set(false)],
  ['the flag of a secret is gone', (m) => spec(m).filter(({ key }) => key === 'airbyte_secret'), remove],
  [
    'a way to sign in is gone',
    (m) => spec(m).filter(({ key, value }) => key === 'oneOf' && Array.isArray(value)),
    ({ value }) => void value.pop(),
  ],
  [
    'a way to sign in is told by another constant',
    (m) => spec(m).filter(({ key, value }) => key === 'const' && typeof value === 'string'),
    set('else'),
  ],
  ['signing in is gone', (m) => [{ node: m['spec'] as Node, key: 'advanced_auth', value: {} }], remove],
  [
    'signing in depends on something else',
    (m) =>
      places((m['spec'] as Node)['advanced_auth']).filter(
        ({ key }) => key === 'predicate_value' || key === 'auth_flow_type',
      ),
    set('oauth1.0'),
  ],
  [
    'what signing in brings goes elsewhere',
    (m) => places((m['spec'] as Node)['advanced_auth']).filter(({ key }) => key === 'path_in_connector_config'),
    set(['token']),
  ],
  [
    'unknown settings are refused',
    (m) => [
      { node: (m['spec'] as Node)['connection_specification'] as Node, key: 'additionalProperties', value: true },
    ],
    set(false),
  ],
];

const HARMLESS: [string, (manifest: Node) => Place[], Edit][] = [
  [
    'a field is new, at any depth',
    (m) => schemas(m).filter(({ key, value }) => key === 'properties' && typeof value === 'object'),
    ({ value }) => void (value.brand_new = { type: 'string' }),
  ],
  [
    'an integer becomes a number in a field',
    (m) => properties(schemas(m)).filter(({ value }) => has('integer')(value.type)),
    ({ value }) => void (value.type = Array.isArray(value.type) ? ['null', 'number'] : 'number'),
  ],
  [
    'null is allowed in a field',
    (m) => properties(schemas(m)).filter(({ value }) => typeof value.type === 'string'),
    ({ value }) => void (value.type = ['null', value.type]),
  ],
  [
    'the order of types',
    (m) => properties(schemas(m)).filter(({ value }) => Array.isArray(value.type)),
    ({ value }) => void (value.type = value.type.toReversed()),
  ],
  [
    'a stream is new',
    (m) => [{ node: m, key: 'streams', value: m['streams'] }],
    ({ value }) => void value.push(stream('brand_new')),
  ],
  [
    'a setting is new',
    (m) => spec(m).filter(({ key, value }) => key === 'properties' && typeof value === 'object'),
    ({ value }) => void (value.brand_new = { type: 'string' }),
  ],
  [
    'an integer becomes a number in a setting',
    (m) => properties(spec(m)).filter(({ value }) => value.type === 'integer'),
    ({ value }) => void (value.type = 'number'),
  ],
  [
    'a pattern is looser',
    (m) => spec(m).filter(({ key, value }) => key === 'pattern' && typeof value === 'string'),
    set('^[a-zA-Z]{2,4}$'),
  ],
  [
    'a pattern is gone',
    (m) => spec(m).filter(({ key, value }) => key === 'pattern' && typeof value === 'string'),
    remove,
  ],
  ['a bound is wider', (m) => spec(m).filter(({ key }) => key === 'maximum'), set(99)],
  [
    'there is another choice',
    (m) => spec(m).filter(({ key, value }) => key === 'enum' && Array.isArray(value)),
    ({ value }) => void value.push('d'),
  ],
  [
    'a description and a title',
    (m) => properties(spec(m)),
    ({ value }) => Object.assign(value, { description: 'Another.', title: 'Another', order: 9, examples: ['x'] }),
  ],
  ['a lookback is longer', (m) => reading(m, 'lookback_window'), set('P30D')],
  ['pages are larger', (m) => reading(m, 'limit'), set('200')],
  ['more is retried', (m) => reading(m, 'max_retries'), set(9)],
  ['windows are of another size', (m) => reading(m, 'step'), set('P7D')],
  ['another form of dates is read', (m) => reading(m, 'cursor_datetime_formats'), ({ value }) => void value.push('%s')],
  [
    'a state migration is new',
    (m) => reading(m, 'state_migrations'),
    ({ value }) => void value.push({ type: 'CustomStateMigration', class_name: 'x.Y' }),
  ],
  [
    'a field is added to records',
    (m) => reading(m, 'transformations'),
    ({ value }) =>
      void value.push({ type: 'AddFields', fields: [{ type: 'AddedFieldDefinition', path: ['z'], value: '1' }] }),
  ],
  [
    'a setting is no longer required',
    (m) => [{ node: (m['spec'] as Node)['connection_specification'] as Node, key: 'required', value: [] }],
    set([]),
  ],
  ['the version', (m) => [{ node: m, key: 'version', value: '' }], set('7.0.0')],
];

const SEEDS = 6;
const manifests = Array.from({ length: SEEDS }, (_, seed) => {
  const old = made(seededRandom(seed));
  return { old, parsed: read(old) };
});

describe.each([
  ['breaking', BREAKING],
  ['compatible', HARMLESS],
] as const)('edits that are %s', (kind, edits) => {
  test.each(edits)('%s', (_, where, edit) => {
    for (const [seed, { old, parsed }] of manifests.entries()) {
      const found = where(old);
      if (found.length === 0) continue;
      const index = seededRandom(seed).integer(found.length);
      const next = structuredClone(old);
      edit(where(next)[index]!);
      const changes = compareManifests(parsed, read(next));
      const told = `seed ${seed}, place ${index}: ${JSON.stringify(changes)}`;
      expect(
        changes.some((change) => change.kind === 'breaking'),
        told,
      ).toBe(kind === 'breaking');
    }
  });
});

test.each([
  ['^[a-z]+$', '^[a-z0-9]+$', true],
  ['^[a-z0-9]+$', '^[a-z]+$', false],
  ['^\\d{4}-\\d{2}-\\d{2}$', '^\\d{4}-\\d{2}-\\d{2}(T\\d{2}:\\d{2}:\\d{2}Z)?$', true],
  ['^\\d{4}-\\d{2}-\\d{2}(T\\d{2}:\\d{2}:\\d{2}Z)?$', '^\\d{4}-\\d{2}-\\d{2}$', false],
  [
    '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$',
    '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]+)?Z$',
    true,
  ],
  ['^https://', '^https?://', true],
  ['^https?://', '^https://', false],
  ['^(eu|us)$', '^(eu|us|ap)$', true],
  ['^(eu|us)$', '^eu$', false],
  ['^[a-z]{3}$', '[a-z]', true],
  ['[a-z]', '^[a-z]{3}$', false],
  ['^.{1,10}$', '^.{1,20}$', true],
  ['^.{1,20}$', '^.{1,10}$', false],
  ['^[a-z]*$', '^[a-z]{0,5}$', false],
  ['^(?=x)y$', '^.*$', false],
  ['^a$', '(', false],
])('%s may become %s: %s', (old, next, expected) => expect(isLooser(old, next)).toBe(expected));
