import { expect, test } from 'vitest';
import { parseManifest } from '../document/manifest.js';
import type { Json, JsonObject } from '../document/read.js';
import { askedBy } from './asked.js';
import type { Kit } from './kit.js';

const manifest = (parameters: string, more = '') =>
  parseManifest(
    `
version: 6.0.0
type: DeclarativeSource
check: { type: CheckStream, stream_names: [rows] }
spec:
  type: Spec
  connection_specification:
    type: object
    properties: { token: { type: string, airbyte_secret: true }, start_date: { type: string } }
streams:
  - type: DeclarativeStream
    name: rows
    primary_key: [id]
    retriever:
      type: SimpleRetriever
      requester:
        type: HttpRequester
        url_base: https://api.example.com
        path: /rows
        request_parameters: ${parameters}
      record_selector: { type: RecordSelector, extractor: { type: DpathExtractor, field_path: [data] } ${more} }
    schema_loader: { type: InlineSchemaLoader, schema: { type: object, properties: { id: { type: string } } } }
`,
    'rows.yaml',
  );

const asked = (parameters: string, config: JsonObject, more = '', now = 1) => {
  const read = manifest(parameters, more);
  const kit = { manifest: read, config, clock: { now: () => now } } as unknown as Kit;
  return askedBy(kit, (read.root['streams'] as Json[])[0] as JsonObject, false);
};

const config = { token: 'a-secret', start_date: '2024-01-01', other: 'x' };

test.each([
  ["config['start_date']", `{ since: "{{ config['start_date'] }}" }`],
  ['config["start_date"]', `{ since: '{{ config["start_date"] }}' }`],
  ['config.start_date', `{ since: "{{ config.start_date }}" }`],
  ["config.get('start_date')", `{ since: "{{ config.get('start_date', '') }}" }`],
  ['a name that a template makes', `{ since: "{{ config['start' ~ '_date'] }}" }`],
])('a setting that the request names counts: %s', (_, parameters) => {
  const later = { ...config, start_date: '2024-06-01' };
  expect(asked(parameters, later)).not.toBe(asked(parameters, config));
  expect(asked(parameters, { ...config })).toBe(asked(parameters, config));
});

test('a setting that only a filter names counts, one that nothing names does not, nor does a renewed secret', () => {
  const filter = `, record_filter: { type: RecordFilter, condition: "{{ record.at > config['start_date'] }}" }`;
  expect(asked('{}', { ...config, start_date: '2025-01-01' }, filter)).not.toBe(asked('{}', config, filter));
  expect(asked('{}', { ...config, other: 'y' }, filter)).toBe(asked('{}', config, filter));
  const key = `{ key: "{{ config['token'] }}" }`;
  expect(asked(key, { ...config, token: 'renewed' })).toBe(asked(key, config));
});

test('what is asked for from now on counts as another each time', () => {
  const rolling = `{ since: "{{ day_delta(-30) }}" }`;
  expect(asked(rolling, config, '', 2)).not.toBe(asked(rolling, config, '', 1));
  expect(asked('{}', config, '', 2)).toBe(asked('{}', config, '', 1));
});
