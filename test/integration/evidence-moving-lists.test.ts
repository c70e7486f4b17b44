/** Lists by offset or page number that grow as fast as they are read: no error, and no proof. */
import { afterAll, expect, test } from 'vitest';
import { manifestConnection, manifestOf, scripted, streamOf, type Row } from '../manifest-support.js';

const close: (() => Promise<void> | void)[] = [];
afterAll(async () => {
  for (const each of close.splice(0)) await each();
});

const PAGE = 10;
const pager = (strategy: string, field: string, size: boolean) => `paginator:
  type: DefaultPaginator
  page_token_option: {type: RequestOption, inject_into: request_parameter, field_name: ${field}}
${size ? '  page_size_option: {type: RequestOption, inject_into: request_parameter, field_name: limit}\n' : ''}  pagination_strategy: ${strategy}`;
const PAGERS: [string, string][] = [
  ['offsets', pager(`{type: OffsetIncrement, page_size: ${PAGE}}`, 'offset', true)],
  ['page numbers', pager(`{type: PageIncrement, page_size: ${PAGE}}`, 'page', true)],
  ['offsets without a size', pager('{type: OffsetIncrement}', 'offset', false)],
  ['page numbers without a size', pager('{type: PageIncrement}', 'page', false)],
];

test.each([
  ['offsets', PAGERS[0]![1], PAGE - 1],
  ['page numbers', PAGERS[1]![1], PAGE],
  ['page numbers without a size', PAGERS[3]![1], PAGE],
])('%s: a list that grows as fast as it is read ends unproven', async (_, retriever, growth) => {
  let made = 1_000;
  let asked = 0;
  let rows: Row[] = Array.from({ length: 34 }, (_row, id) => ({ id }));
  const server = await scripted(({ query }) => {
    asked++;
    rows = [...Array.from({ length: growth }, () => ({ id: made++ })), ...rows];
    const from = Number(query['offset'] ?? Number(query['page'] ?? 0) * PAGE);
    return { data: rows.slice(from, from + PAGE) };
  });
  const own = manifestConnection({ manifest: manifestOf(streamOf('users', { retriever })), url: server.url });
  close.push(() => server.close(), own.drop);
  const { summary } = await own.sync();
  expect([summary.problems, summary.outcome]).toEqual([[], 'complete']);
  expect(summary.proofs[0]!.doubt).toContain('rows moved');
  expect(asked).toBeLessThan(200);
});

test.each(PAGERS)('%s: a server that ignores what is asked for is an error', async (_, retriever) => {
  const rows = Array.from({ length: PAGE }, (_row, id) => ({ id }));
  const server = await scripted(() => ({ data: rows }));
  const own = manifestConnection({ manifest: manifestOf(streamOf('users', { retriever })), url: server.url });
  close.push(() => server.close(), own.drop);
  expect((await own.sync()).summary.problems[0]).toMatchObject({ code: 'pages_repeat' });
});
