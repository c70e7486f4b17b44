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

const GROWTHS = [PAGE - 1, PAGE, PAGE + 3, 7 * PAGE + 1];
const SHAPES = PAGERS.flatMap(([name, retriever]) =>
  [false, true].flatMap((child) =>
    GROWTHS.map((growth) => [name, child ? 'of a parent' : 'alone', growth, retriever] as const),
  ),
);

test.each(SHAPES)(
  '%s, %s: a list that grows by %i rows with each request ends unproven, within a bound',
  async (_, shape, growth, retriever) => {
    const isChild = shape !== 'alone';
    let made = 1_000;
    let asked = 0;
    let rows: Row[] = Array.from({ length: 34 }, (_row, id) => ({ id }));
    const server = await scripted(({ path, query }) => {
      if (path.includes('teams')) return { data: [{ id: 1 }] };
      if (++asked > 600) return { data: [] };
      rows = [...Array.from({ length: growth }, () => ({ id: made++ })), ...rows];
      const from = Number(query['offset'] ?? Number(query['page'] ?? 0) * PAGE);
      return { data: rows.slice(from, from + PAGE) };
    });
    const partition = `
partition_router: {type: SubstreamPartitionRouter, parent_stream_configs: [{parent_key: id, partition_field: team, stream: {type: DeclarativeStream, name: teams, primary_key: id, retriever: {type: SimpleRetriever, requester: {type: HttpRequester, url_base: "https://api.test", path: teams}, record_selector: {type: RecordSelector, extractor: {type: DpathExtractor, field_path: [data]}}}}}]}`;
    const own = manifestConnection({
      manifest: manifestOf(streamOf('users', { retriever: isChild ? retriever + partition : retriever })),
      url: server.url,
    });
    close.push(() => server.close(), own.drop);
    const { summary } = await own.sync();
    const isRepeating = growth <= PAGE && summary.problems.some(({ code }) => code === 'pages_repeat');
    if (!isRepeating) {
      expect([summary.problems, summary.outcome]).toEqual([[], 'complete']);
      const { doubt } = summary.proofs.find(({ stream }) => stream === 'users')!;
      expect(doubt).toMatch(/rows (?:that )?moved/);
    }
    expect(asked).toBeLessThan(500);
  },
);

test.each(PAGERS)('%s: a long list that stands still, or grows slowly, is read to its end', async (_, retriever) => {
  for (const growth of [0, 1]) {
    let made = 100_000;
    let rows: Row[] = Array.from({ length: 2_500 }, (_row, id) => ({ id }));
    const first = new Set(rows.map(({ id }) => id as number));
    const server = await scripted(({ query }) => {
      rows = [...Array.from({ length: growth }, () => ({ id: made++ })), ...rows];
      const from = Number(query['offset'] ?? Number(query['page'] ?? 0) * PAGE);
      return { data: rows.slice(from, from + PAGE) };
    });
    const own = manifestConnection({ manifest: manifestOf(streamOf('users', { retriever })), url: server.url });
    close.push(() => server.close(), own.drop);
    const { summary, rows: stored } = await own.sync();
    expect([summary.problems, summary.outcome]).toEqual([[], 'complete']);
    for (const row of stored['users'] ?? []) first.delete(row['id'] as number);
    // Page numbers lose rows that move past them, and that is said.
    if (growth === 0 || summary.proofs[0]!.doubt === undefined) expect(first.size).toBe(0);
    expect(first.size).toBeLessThan(500);
  }
});

test.each(PAGERS)('%s: a server that ignores what is asked for is an error', async (_, retriever) => {
  const rows = Array.from({ length: PAGE }, (_row, id) => ({ id }));
  const server = await scripted(() => ({ data: rows }));
  const own = manifestConnection({ manifest: manifestOf(streamOf('users', { retriever })), url: server.url });
  close.push(() => server.close(), own.drop);
  expect((await own.sync()).summary.problems[0]).toMatchObject({ code: 'pages_repeat' });
});
