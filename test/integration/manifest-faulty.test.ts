/** One faulty component costs the stream that it stands in, and no other. */
import { expect, test } from 'vitest';
import { streamOf } from '../manifest-support.js';
import { read } from '../manifest-reading.js';

const SCHEMA = 'schema: {type: object, properties: {id: {type: [integer, "null"]}}}';
const withSchema = (schema: string) => streamOf('bad').replace(SCHEMA, `schema: ${schema}`);
const broken = '"{{ config.a b }}"';

test.each<[string, string]>([
  ['a $ref of a schema to itself', withSchema('{$ref: "#/definitions/node"}')],
  [
    'a $ref within the schema that it refers to',
    withSchema('{type: object, properties: {n: {$ref: "#/definitions/node"}}}'),
  ],
  [
    'a $ref that leads nowhere, in a schema',
    withSchema('{type: object, properties: {n: {$ref: "#/definitions/none"}}}'),
  ],
  ['a requester of another type', streamOf('bad', { requester: 'type: FtpRequester' })],
  ['a retriever without a selector', streamOf('bad').replace(/ {4}record_selector:\n.*\n/, '')],
  ['a path that does not compile', streamOf('bad', { path: '{{ config.a b }}' })],
  ['a parameter that does not compile', streamOf('bad', { requester: `request_parameters: {p: ${broken}}` })],
  ['a header that does not compile', streamOf('bad', { requester: `request_headers: {p: ${broken}}` })],
  ['a body that does not compile', streamOf('bad', { requester: `request_body_json: {p: ${broken}}` })],
  ['a filter that does not compile', streamOf('bad', { selector: `record_filter: {condition: ${broken}}` })],
  [
    'a field that does not compile',
    streamOf('bad', { rest: `transformations: [{type: AddFields, fields: [{path: [x], value: ${broken}}]}]` }),
  ],
  [
    'a paginator that does not compile',
    streamOf('bad', {
      retriever: `paginator: {type: DefaultPaginator, page_token_option: {type: RequestPath}, pagination_strategy: {type: CursorPagination, cursor_value: ${broken}}}`,
    }),
  ],
  [
    'an error filter that does not compile',
    streamOf('bad', {
      requester: `error_handler: {type: DefaultErrorHandler, response_filters: [{predicate: ${broken}, action: IGNORE}]}`,
    }),
  ],
  [
    'a list of partitions that does not compile',
    streamOf('bad', { retriever: `partition_router: {type: ListPartitionRouter, cursor_field: k, values: ${broken}}` }),
  ],
  [
    'a start that does not compile',
    streamOf('bad', {
      rest: `incremental_sync: {type: DatetimeBasedCursor, cursor_field: u, datetime_format: "%Y-%m-%d", start_datetime: ${broken}}`,
    }),
  ],
  [
    'an authenticator that does not compile',
    streamOf('bad', { requester: `authenticator: {type: BearerAuthenticator, api_token: ${broken}}` }),
  ],
  [
    'a key that does not compile',
    streamOf('bad', {
      retriever: `partition_router: {type: SubstreamPartitionRouter, parent_stream_configs: [{parent_key: ${broken}, partition_field: p, stream: "#/definitions/parent"}]}`,
    }),
  ],
  [
    'pages that begin anew after a number of records',
    streamOf('bad', {
      retriever:
        'pagination_reset: {type: PaginationReset, action: RESET, limits: {type: PaginationResetLimits, number_of_records: 9}}',
    }),
  ],
  [
    'a class without a twin',
    streamOf('bad', { requester: 'authenticator: {type: CustomAuthenticator, class_name: source_x.components.Mine}' }),
  ],
])('%s', async (_, bad) => {
  const { rows, summary } = await readBoth(bad);
  expect(rows['good']).toEqual([{ id: 1 }]);
  const told = summary.problems.find(({ stream }) => stream === 'bad');
  expect(told).toMatchObject({ status: expect.stringMatching(/skipped|failed/), message: expect.stringMatching(/\w/) });
});

test.each<[string, string]>([
  ['a name twice in required', withSchema('{type: object, required: [id, id], properties: {id: {}}}')],
  ['a type that does not exist', withSchema('{type: object, properties: {id: {type: integre}}}')],
])('%s is no reason not to read', async (_, bad) => {
  const { rows } = await readBoth(bad);
  expect(rows).toEqual({ good: [{ id: 1 }], bad: [{ id: 1 }] });
});

test('properties that a catalog would choose are all asked for, which is told', async () => {
  const chosen = `request_parameters:
  fields: {type: QueryProperties, property_list: [id, name], property_selector: {type: JsonSchemaPropertySelector}}`;
  const { summary, asked } = await read(() => ({ data: [{ id: 1 }] }), streamOf('things', { requester: chosen }));
  expect(asked).toContain('GET /things?fields=id%2Cname');
  expect(summary.notes.join()).toContain('JsonSchemaPropertySelector is not looked at');
});

test('where no stream is left, the manifest is at fault', async () => {
  const only = read(() => ({ data: [] }), withSchema('{$ref: "#/nowhere"}'));
  await expect(only).rejects.toMatchObject({ code: 'manifest_ref_missing' });
});

function readBoth(bad: string) {
  const definitions = `definitions:
  node: {type: object, properties: {next: {$ref: "#/definitions/node"}}}
  parent:
${streamOf('parent').replace('- type', '  type').replaceAll(/^/gm, '  ')}`;
  return read(() => ({ data: [{ id: 1 }] }), streamOf('good') + bad, {}, definitions);
}
