/** Rows with more digits than a double keeps: read to their end, whatever walks over them, and every digit kept. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { manifestOf, Reply, streamOf } from '../manifest-support.js';
import { api, connection } from '../manifest-reading.js';

const DECIMAL = '1.234567890123456789012345';
const BIG = 9_007_199_254_740_993n;
const ROWS = 5;
const row = (at: number) => `{"id": ${BIG + BigInt(at)}, "d": ${DECIMAL}, "u": "2026-01-0${at + 1}"}`;
const page = (from: number, to: number) =>
  `{"data": [${Array.from({ length: Math.max(0, Math.min(to, ROWS) - from) }, (_, at) => row(from + at)).join(', ')}], "next": ${
    to < ROWS ? `${BIG + BigInt(to)}` : 'null'
  }, "exact": ${to < ROWS ? `${to}.${DECIMAL.slice(2)}` : 'null'}}`;

const paginator = (strategy: string, more = '') =>
  `paginator: {type: DefaultPaginator, page_token_option: {type: RequestOption, inject_into: request_parameter, field_name: at}${more}, pagination_strategy: {${strategy}}}`;
const PAGERS: [string, string][] = [
  ['one page', ''],
  ['pages by number', paginator('type: PageIncrement, page_size: 2')],
  ['pages by offset', paginator('type: OffsetIncrement, page_size: 2')],
  ['a cursor past 2^53', paginator('type: CursorPagination, cursor_value: "{{ response.next }}"')],
  [
    'a cursor of the last row',
    paginator(
      'type: CursorPagination, cursor_value: "{{ last_record.id }}", stop_condition: "{{ not response.next }}"',
    ),
  ],
  [
    'a cursor of many digits',
    paginator(
      'type: CursorPagination, cursor_value: "{{ response.exact }}", stop_condition: "{{ not response.exact }}"',
    ),
  ],
];

/** Pages of two rows, told by a page number, an offset, or the last row's id. */
function answer(at: string | undefined, kind: string): string {
  if (kind === 'one page') return page(0, ROWS);
  const number = Number(at ?? 0);
  if (kind === 'pages by number') return page(number * 2, number * 2 + 2);
  if (kind === 'pages by offset') return page(number, number + 2);
  if (kind === 'a cursor of many digits') return page(Math.floor(number), Math.floor(number) + 2);
  const from = at === undefined ? 0 : Number(BigInt(at) - BIG) + (kind === 'a cursor of the last row' ? 1 : 0);
  return page(from, from + 2);
}

const windows = `incremental_sync: {type: DatetimeBasedCursor, cursor_field: u, datetime_format: "%Y-%m-%d", start_datetime: "2026-01-01"}`;

test.each(
  PAGERS.flatMap(([name, pager]) =>
    [true, false].flatMap((keyed) =>
      ['whole', 'incremental', 'child'].map((shape): [string, string, boolean, string] => [name, shape, keyed, pager]),
    ),
  ),
)('%s, %s, with a key: %s', async (name, shape, keyed, retriever) => {
  const server = await api(({ path: at, query }) =>
    at === '/parents'
      ? new Reply(200, `{"data": [{"id": ${BIG}, "d": ${DECIMAL}}]}`)
      : new Reply(200, answer(query['at'], name)),
  );
  const parent = `partition_router: {type: SubstreamPartitionRouter, parent_stream_configs: [{parent_key: id, partition_field: pid, stream: {type: DeclarativeStream, name: parents, primary_key: id, retriever: {type: SimpleRetriever, requester: {type: HttpRequester, url_base: "https://api.test", path: parents}, record_selector: {type: RecordSelector, extractor: {type: DpathExtractor, field_path: [data]}}}}}]}`;
  const stream = streamOf('rows', {
    path: shape === 'child' ? 'of/{{ stream_partition.pid }}' : 'rows',
    retriever: [retriever, shape === 'child' ? parent : ''].filter(Boolean).join('\n'),
    rest: shape === 'whole' ? '' : windows,
  });
  const made = connection({
    manifest: manifestOf(keyed ? stream : stream.replace('primary_key: id', 'primary_key: []')),
    url: server.url,
  });
  const { summary } = await made.sync();
  expect(summary.problems).toEqual([]);
  const text = readFileSync(path.join(made.folder, 'out', 'rows.ndjson'), 'utf8').trim();
  const ids = text.split('\n').map((line) => /"id":\s*(\d+)/.exec(line)![1]);
  expect(ids.toSorted()).toEqual(Array.from({ length: ROWS }, (_, at) => String(BIG + BigInt(at))));
  expect(text.match(new RegExp(`"d":\\s*${DECIMAL.replace('.', '\\.')}[,}]`, 'g'))).toHaveLength(ROWS);
  if (shape === 'child') expect(server.asked.some((line) => line.startsWith(`GET /of/${BIG}`))).toBe(true);
});
