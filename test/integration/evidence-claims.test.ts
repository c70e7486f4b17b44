/**
 * What answers say of rows that they do not hold, against the rows that came: a stream is proven only where both agree.
 */
import { describe, expect, test } from 'vitest';
import { Reply, streamOf, type Answer, type Row } from '../manifest-support.js';
import { data, ids, range, read } from '../manifest-reading.js';

const ROWS = range(1, 58);
const PAGE = 10;
const UNCOUNTED = 'the API says that there are more rows than came';
const PART = 'the API says that an answer of it is not all of what was asked for';

const paginator = (strategy: string, token = '{type: RequestOption, inject_into: request_parameter, field_name: p}') =>
  `paginator: {type: DefaultPaginator, page_token_option: ${token}, pagination_strategy: ${strategy}}`;
const CURSOR = paginator('{type: CursorPagination, cursor_value: "{{ response.next }}"}');
const LINK = paginator('{type: CursorPagination, cursor_value: "{{ response.next }}"}', '{type: RequestPath}');
const NUMBERS = paginator('{type: PageIncrement, page_size: 10}');
const OFFSETS = paginator('{type: OffsetIncrement, page_size: 10}');

/** Pages in a chain, of which there are `pages`; what each says beside its rows. */
const chain =
  (pages: number, beside: (page: number) => Row, link = (page: number) => String(page)): Answer =>
  ({ query }) => {
    const page = Number(query['p'] ?? 0);
    return data(ROWS.slice(page * PAGE, (page + 1) * PAGE), {
      next: page + 1 < pages ? link(page + 1) : null,
      ...beside(page),
    });
  };

async function ended(answer: Answer, retriever: string | undefined, rest?: string) {
  const { summary, rows, asked } = await read(answer, streamOf('a', { retriever, rest }));
  const [proof] = summary.proofs;
  return { outcome: summary.outcome, doubt: proof!.doubt, faults: proof!.faults, ids: ids(rows['a']), asked };
}

describe('a chain that ends before the rows do', () => {
  test.each<[string, (page: number) => Row]>([
    ['has_more on its last page', (page) => ({ has_more: page < 5 })],
    ['hasNextPage on its last page', (page) => ({ pageInfo: { hasNextPage: page < 5 } })],
    ['done: false on its last page', (page) => ({ done: page === 5 })],
    ['a total of more rows', () => ({ meta: { total_count: 57 } })],
    ['a total as text', () => ({ total: '57' })],
  ])('%s', async (_, beside) => {
    for (const [retriever, link] of [
      [CURSOR, String],
      [LINK, (page: number) => `/a?p=${page}`],
    ] as const)
      expect(await ended(chain(3, beside, link), retriever)).toMatchObject({
        outcome: 'complete',
        doubt: UNCOUNTED,
        ids: range(1, 31),
      });
  });

  test('one page that is all of a stream, and says that more follow', async () => {
    expect(await ended(() => data(range(1, 11), { has_more: true }), undefined)).toMatchObject({ doubt: UNCOUNTED });
    expect(await ended(() => data(range(1, 11), { total: 11 }), undefined)).toMatchObject({ doubt: UNCOUNTED });
  });

  test('a parent whose children are more than came', async () => {
    const children = streamOf('a', {
      path: 'a/{{ stream_partition.parent }}',
      retriever: `partition_router:
  type: SubstreamPartitionRouter
  parent_stream_configs: [{parent_key: id, partition_field: parent, stream: {$ref: "#/definitions/parents"}}]`,
    });
    const more = `definitions:\n  parents:\n${streamOf('parents').replace(/^- /, '  ').replaceAll(/^/gm, '  ')}`;
    const answer: Answer = ({ path }) =>
      path === '/parents' ? data([1, 2, 3]) : data([Number(path.slice(3))], { total: path === '/a/2' ? 2 : 1 });
    const { summary } = await read(answer, children, {}, more);
    expect(summary.proofs.find(({ stream }) => stream === 'a')!.doubt).toBe(UNCOUNTED);
  });
});

describe('an answer that says it is a part', () => {
  test.each<[string, (page: number) => Row]>([
    ['incomplete_results, on one page', (page) => ({ incomplete_results: page === 2 })],
    ['partial, on the first', (page) => ({ meta: { partial: page === 0 } })],
  ])('%s', async (_, beside) => {
    expect(await ended(chain(6, beside), CURSOR)).toMatchObject({ outcome: 'complete', doubt: PART, ids: ROWS });
    const numbered: Answer = ({ query }) => {
      const page = Number(query['p'] ?? 0);
      return data(ROWS.slice(page * PAGE, (page + 1) * PAGE), { total: 57, ...beside(page) });
    };
    expect(await ended(numbered, NUMBERS)).toMatchObject({ outcome: 'complete', doubt: PART });
  });

  test.each([202, 206, 207])('status %i', async (status) => {
    expect(await ended(() => new Reply(status, data(ROWS)), undefined)).toMatchObject({ doubt: PART, ids: ROWS });
  });
});

describe('a list that gives shorter pages than asked, and says that more follow', () => {
  test.each([
    ['page numbers', NUMBERS, (p: number) => p * PAGE],
    ['offsets', OFFSETS, (p: number) => p],
  ])('%s: is read to its end', async (_, retriever, at) => {
    // The third page is short: rows were filtered after they were counted.
    const kept = ROWS.filter((id) => id !== 24 && id !== 28);
    const answer: Answer = ({ query }) => {
      const from = at(Number(query['p'] ?? 0));
      const rows = ROWS.slice(from, from + PAGE).filter((id) => kept.includes(id));
      return data(rows, { has_more: from + PAGE < ROWS.length });
    };
    const { ids: came } = await ended(answer, retriever);
    expect([...new Set(came)]).toEqual(kept);
  });
});

describe('what agrees with the rows that came is proven', () => {
  test.each<[string, (page: number) => Row]>([
    ['has_more', (page) => ({ has_more: page < 5 })],
    ['a total', () => ({ total: 57 })],
    ['a total of fewer rows, as one of pages is', () => ({ pagination: { total: 6 } })],
    ['a total that begins on a later page', (page) => (page === 0 ? {} : { total: 57 })],
    ['all of them', (page) => ({ total_count: 57, done: page === 5, incomplete_results: false })],
  ])('%s', async (_, beside) => {
    const { doubt, faults, ids: came } = await ended(chain(6, beside), CURSOR);
    expect({ doubt, faults, came }).toEqual({ doubt: undefined, faults: [], came: ROWS });
  });
});

describe('windows without pages', () => {
  const HOUR = 3600_000;
  const T0 = Date.UTC(2024, 0, 1);
  const iso = (ms: number) => `${new Date(ms).toISOString().slice(0, 19)}Z`;
  const windows = (step: string) => `incremental_sync:
  type: DatetimeBasedCursor
  cursor_field: u
  datetime_format: "%Y-%m-%dT%H:%M:%SZ"
  start_datetime: "2024-01-01T00:00:00Z"
  end_datetime: "2024-01-15T00:00:00Z"
  step: ${step}
  cursor_granularity: PT1S
  start_time_option: {type: RequestOption, inject_into: request_parameter, field_name: from}
  end_time_option: {type: RequestOption, inject_into: request_parameter, field_name: to}`;
  const server =
    (all: { id: number; u: string }[], most: number, newestFirst = false): Answer =>
    ({ query }) => {
      const within = all.filter(({ u }) => u >= query['from']! && u <= query['to']!);
      return { data: (newestFirst ? within.toReversed() : within).slice(0, most) };
    };
  const hourly = range(1, 200).map((id) => ({ id, u: iso(T0 + id * HOUR) }));

  test.each([
    [10, false],
    [10, true],
    [15, false],
    [20, true],
  ])('that give %i rows at most (newest first: %s) are halved until all came', async (most, newestFirst) => {
    const { outcome, doubt, ids: came } = await ended(server(hourly, most, newestFirst), undefined, windows('P2D'));
    expect({ outcome, doubt, came: [...new Set(came)] }).toEqual({
      outcome: 'complete',
      doubt: undefined,
      came: range(1, 200),
    });
  });

  test('a moment of more rows than the API gives leaves the stream unproven', async () => {
    const flood = range(1, 60).map((id) => ({ id, u: iso(T0 + (id < 30 ? id * HOUR : 40 * HOUR)) }));
    expect(await ended(server(flood, 10), undefined, windows('P2D'))).toMatchObject({
      outcome: 'complete',
      doubt: 'the API gives no more rows of one moment at once than came',
    });
  });

  test('a round number of rows that are all there are costs one request, once', async () => {
    // Ten rows on each of fourteen days.
    const daily = range(0, 140).map((id) => ({ id, u: iso(T0 + Math.floor(id / 10) * 24 * HOUR + (id % 10) * HOUR) }));
    const { doubt, ids: came, asked } = await ended(server(daily, 1000), undefined, windows('P1D'));
    expect({ doubt, came: [...new Set(came)] }).toEqual({ doubt: undefined, came: range(0, 140) });
    expect(asked.length).toBeLessThanOrEqual(14 + 4 + 2);
  });
});
