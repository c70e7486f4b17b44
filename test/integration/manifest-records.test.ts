/** Manifests over real HTTP: records, their properties, and the files that they point to. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { manifestOf, Reply, type Row, type Scripted, streamOf } from '../manifest-support.js';
import { api, connection, read } from '../manifest-reading.js';
import { headrace } from '../support.js';

describe('records', () => {
  test('are added to, cut, filtered and typed', async () => {
    const { rows } = await read(
      () => ({
        data: [
          { id: 1, name: 'A', secret: 'x', nested: { keep: 1, drop: 2 }, amount: '12' },
          { id: 2, name: 'B', amount: '13' },
        ],
      }),
      streamOf('users', {
        selector: 'record_filter: {condition: "{{ record.id < 2 }}"}\nschema_normalization: Default',
        rest: `transformations:
  - {type: AddFields, fields: [{path: [label], value: "{{ record.name }}-{{ record.id }}"}, {path: [code], value: "{{ record.amount }}", value_type: string}, {path: [nested, more], value: "{{ 1 }}"}]}
  - {type: RemoveFields, field_pointers: [[secret], [nested, drop]]}
  - {type: KeysToSnakeCase}`,
      }).replace(
        'properties: {id: {type: [integer, "null"]}}',
        'properties: {id: {type: [integer, "null"]}, amount: {type: integer}}',
      ),
    );
    expect(rows['users']).toEqual([
      { id: 1, name: 'A', nested: { keep: 1, more: 1 }, amount: 12, label: 'A-1', code: '12' },
    ]);
  });

  test.each<[string, string, () => string | Buffer, unknown[]]>([
    [
      'CSV',
      '{type: CsvDecoder}',
      () => 'id,name\n1,"a ""b"", c"\n2,d\n',
      [
        { id: '1', name: 'a "b", c' },
        { id: '2', name: 'd' },
      ],
    ],
    ['lines of JSON', '{type: JsonlDecoder}', () => '{"id": 1}\n{"id": 2}\n', [{ id: 1 }, { id: 2 }]],
    [
      'XML',
      '{type: XmlDecoder}',
      () => '<?xml version="1.0"?><list><item x="1"><id>1</id></item><item><id>2</id></item></list>',
      [{ '@x': '1', id: '1' }, { id: '2' }],
    ],
  ])('%s', async (_, decoder, body, expected) => {
    const field = decoder.includes('Xml') ? '[list, item]' : '[]';
    const { rows } = await read(
      () => new Reply(200, String(body()), { 'content-type': 'text/plain' }),
      streamOf('users', { retriever: `decoder: ${decoder}` })
        .replace('field_path: [data]', `field_path: ${field}`)
        .replace('primary_key: id', 'primary_key: []'),
    );
    expect(rows['users']).toEqual(expected);
  });

  test('integers past 2^53 stay exact, from the answer to the file', async () => {
    const server = await api(() => new Reply(200, '{"data": [{"id": 1, "big": 12345678901234567890}]}'));
    const own = connection({ manifest: manifestOf(streamOf('users')), url: server.url });
    await own.sync();
    expect(readFileSync(path.join(own.folder, 'out/users.ndjson'), 'utf8')).toContain('"big":12345678901234567890');
  });
});

test('properties that do not fit one request are asked for in parts, and the records put together', async () => {
  const { rows, asked } = await read(
    ({ query }) => ({
      data: [1, 2].map((id) => ({
        id,
        ...Object.fromEntries(
          query['fields']!.split(',')
            .filter((name) => name !== 'id')
            .map((name) => [name, `${name}${id}`]),
        ),
      })),
    }),
    streamOf('users', {
      requester:
        'request_parameters:\n  fields: {type: QueryProperties, property_list: [a, b, c], always_include_properties: [id], property_chunking: {type: PropertyChunking, property_limit_type: property_count, property_limit: 2, record_merge_strategy: {type: GroupByKeyMergeStrategy, key: id}}}',
    }),
  );
  expect(rows['users']).toEqual([
    { id: 1, a: 'a1', b: 'b1', c: 'c1' },
    { id: 2, a: 'a2', b: 'b2', c: 'c2' },
  ]);
  expect(new Set(asked.map((line) => new URLSearchParams(line.split('?')[1]).get('fields')))).toEqual(
    new Set(['id,a,b', 'id,c']),
  );
});

test('properties that the API itself lists are asked for once, then asked for by name', async () => {
  const { rows, asked } = await read(
    ({ path, query }) =>
      path === '/properties'
        ? { fields: [{ name: 'a' }, { name: 'b' }] }
        : {
            data: [
              {
                id: 1,
                ...Object.fromEntries(
                  query['fields']!.split(',')
                    .filter((name) => name !== 'id')
                    .map((name) => [name, `${name}1`]),
                ),
              },
            ],
          },
    streamOf('users', {
      requester: `request_parameters:
  fields:
    type: QueryProperties
    always_include_properties: [id]
    property_list:
      type: PropertiesFromEndpoint
      property_field_path: [name]
      retriever:
        type: SimpleRetriever
        requester: {type: HttpRequester, url_base: 'https://api.test', path: properties}
        record_selector: {type: RecordSelector, extractor: {type: DpathExtractor, field_path: [fields]}}`,
    }),
  );
  expect(rows['users']).toEqual([{ id: 1, a: 'a1', b: 'b1' }]);
  expect(asked.filter((line) => line.includes('/properties'))).toHaveLength(1);
});

describe('files that records point to', () => {
  const documents = (name = '"{{ record.id }}/{{ record.name }}"') =>
    streamOf('documents', {
      rest: `file_uploader:
  type: FileUploader
  requester:
    type: HttpRequester
    url_base: "{{ download_target }}"
    path: ""
    authenticator: {type: BearerAuthenticator, api_token: "{{ config.key }}"}
    error_handler: {type: DefaultErrorHandler, response_filters: [{http_codes: [404], action: IGNORE}]}
  download_target_extractor: {type: DpathExtractor, field_path: [link]}
${name === '' ? '' : `  filename_extractor: ${name}\n`}`,
    });
  const content = (id: number) => Buffer.from(`Zeile ${id} ä\n`.repeat(300));
  const names = ['a.bin', '../../../escaped', 'sub/folder/b.bin', `${'x'.repeat(400)}.bin`, 'gone', 'no link'];
  /** A manifest's own addresses are replaced by the testbed's; those in records are the API's, and real. */
  async function library(): Promise<Scripted> {
    const server: Scripted = await api(({ path: at, headers }) => {
      if (at === '/documents')
        return {
          data: names.map((name, id) => ({
            id,
            name,
            ...(name === 'no link' ? {} : { link: `${server.url}/content/${id}` }),
          })),
        };
      const id = Number(at.split('/')[2]);
      if (headers.authorization !== 'Bearer key-of-files') return new Reply(401, {});
      return names[id] === 'gone' ? new Reply(404, {}) : new Reply(200, content(id).toString());
    });
    return server;
  }

  test('are stored in the folder that is named, whole, and nowhere else; the record tells where', async () => {
    const server = await library();
    const own = connection({
      manifest: manifestOf(documents()),
      config: { key: 'key-of-files' },
      url: server.url,
      files: 'files',
    });
    const { summary, rows } = await own.sync();
    expect(summary.problems).toEqual([]);
    const at = path.join(own.folder, 'files');
    for (const [id, name] of names.entries()) {
      const reference = rows['documents']!.find((row) => row['id'] === id)!['file_reference'] as Row | null;
      if (name === 'gone' || name === 'no link') {
        expect(reference).toBeNull();
        continue;
      }
      expect(reference).toMatchObject({
        staging_file_url: path.join(at, String(reference!['source_file_relative_path'])),
        file_size_bytes: content(0).length,
      });
      expect(readFileSync(String(reference!['staging_file_url']))).toEqual(content(id));
      expect(path.relative(at, String(reference!['staging_file_url']))).not.toContain('..');
    }
    expect(readdirSync(at, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).length).toBe(4);
    expect(readdirSync(own.folder)).not.toContain('escaped');
  });

  test('without a name, a file is stored once however often it is read', async () => {
    const server = await library();
    const own = connection({
      manifest: manifestOf(documents('')),
      config: { key: 'key-of-files' },
      url: server.url,
      files: 'files',
    });
    await own.sync();
    await own.sync();
    expect(readdirSync(path.join(own.folder, 'files/documents'))).toHaveLength(4);
  });

  test('without a folder they stay where they are, and that is said', async () => {
    const server = await library();
    const { rows, notes } = await connection({
      manifest: manifestOf(documents()),
      config: { key: 'key-of-files' },
      url: server.url,
    }).sync();
    expect(rows['documents']).toHaveLength(names.length);
    expect(rows['documents']![0]).not.toHaveProperty('file_reference');
    expect(notes.join()).toContain('documents');
    expect(server.asked.filter((line) => line.includes('/content/'))).toHaveLength(0);
  });

  test('a folder that cannot be written fails the stream with its place, and nothing is half there', async () => {
    const server = await library();
    const own = connection({
      manifest: manifestOf(documents()),
      config: { key: 'key-of-files' },
      url: server.url,
      files: 'config.json/files',
    });
    const { summary, rows } = await own.sync();
    expect(summary.problems).toMatchObject([{ stream: 'documents', code: 'file_write' }]);
    expect(rows['documents'] ?? []).toEqual([]);
  });

  test('airbyte read stores those of streams that the catalog wants them of, and tells of them beside the data', async () => {
    const server = await library();
    const { folder } = connection({ manifest: manifestOf(documents()), config: { key: 'key-of-files' } });
    const file = (name: string) => path.join(folder, name);
    const read = async (include_files: boolean) => {
      writeFileSync(
        file('catalog.json'),
        JSON.stringify({
          streams: [
            {
              stream: { name: 'documents', json_schema: {}, supported_sync_modes: ['full_refresh'] },
              sync_mode: 'full_refresh',
              include_files,
            },
          ],
        }),
      );
      const ran = await headrace(
        [
          'airbyte',
          'read',
          '--manifest',
          file('source-test.yaml'),
          '--config',
          file('config.json'),
          '--catalog',
          file('catalog.json'),
          '--base-url',
          server.url,
        ],
        { env: { AIRBYTE_STAGING_DIRECTORY: file('staging') } },
      );
      expect(ran.code).toBe(0);
      return ran.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
        .filter((message) => message.type === 'RECORD')
        .map((message) => message.record);
    };
    const records = await read(true);
    expect(records).toHaveLength(names.length);
    expect(records[0]).toMatchObject({
      data: { id: 0 },
      file_reference: { source_file_relative_path: 'documents/0/a.bin', file_size_bytes: content(0).length },
    });
    expect(records[0].data).not.toHaveProperty('file_reference');
    expect(readFileSync(records[0].file_reference.staging_file_url)).toEqual(content(0));
    expect((await read(false))[0]).not.toHaveProperty('file_reference');
  });
});
