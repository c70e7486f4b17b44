/** Streams in parts (lists, children of a parent), of which the API refuses some: the others come, and the next run asks again. */
import { describe, expect, test } from 'vitest';
import { LIMITS } from '../../src/base/bounds.js';
import { manifestOf, Reply, streamOf, type Answer, type Row } from '../manifest-support.js';
import { api, connection, data, ids, range } from '../manifest-reading.js';

const PARTS = 60;
/** Fewer than there are parts between two refused ones: more pages of parents have one than may be open. */
const PARENTS_A_PAGE = 5;
const paged = `paginator:
  type: DefaultPaginator
  page_token_option: {type: RequestOption, inject_into: request_parameter, field_name: after}
  pagination_strategy: {type: CursorPagination, cursor_value: "{{ response.next }}"}`;
const listed = streamOf('items', {
  path: '{{ stream_partition.part }}/items',
  retriever: `${paged}
partition_router: {type: ListPartitionRouter, cursor_field: part, values: "{{ config.parts }}"}`,
});
const children =
  streamOf('parents', { retriever: paged }) +
  streamOf('items', {
    path: '{{ stream_partition.part }}/items',
    retriever: `${paged}
partition_router:
  - type: SubstreamPartitionRouter
    parent_stream_configs: [{stream: "#/streams/0", parent_key: id, partition_field: part}]`,
  });

/** Of each part two pages of a row each; `refuses`: what is answered in place of a page. */
function partsOf(refuses: (part: number, page: number) => Reply | undefined): Answer {
  return ({ path, query }) => {
    if (path === '/parents') {
      const from = Number(query['after'] ?? 0);
      const to = from + PARENTS_A_PAGE;
      return data(range(from, to), to < PARTS ? { next: String(to) } : {});
    }
    const part = Number(path.split('/')[1]);
    const page = query['after'] === undefined ? 0 : 1;
    return refuses(part, page) ?? data([part * 2 + page], page === 0 ? { next: 'b' } : {});
  };
}

const once = (rows: Row[] | undefined) => [...new Set(ids(rows))];

describe.each([
  ['a list', listed],
  ['children', children],
])('%s', (_, streams) => {
  const config = { parts: range(0, PARTS).map(String) };
  test.each([
    ['the first', (part: number) => part === 0, 0],
    ['every seventh', (part: number) => part % 7 === 3, 0],
    ['every seventh, at its second page', (part: number) => part % 7 === 3, 1],
    ['the last', (part: number) => part === PARTS - 1, 0],
  ])('%s is refused: all others come, and the next run brings it', async (_name, isRefused, atPage) => {
    let heals = false;
    const server = await api(
      partsOf((part, page) =>
        !heals && page === atPage && isRefused(part) ? new Reply(404, { error: 'none' }) : undefined,
      ),
    );
    const { sync } = connection({ manifest: manifestOf(streams), url: server.url, config });
    const { rows, summary } = await sync();
    const whole = range(0, PARTS * 2);
    const lost = (id: number) => isRefused(Math.floor(id / 2)) && id % 2 >= atPage;
    // Files keep what is asked for again: a refused page whose cursor may be lost is walked to once more.
    expect(once(rows['items'])).toEqual(whole.filter((id) => !lost(id)));
    expect(summary.outcome).not.toBe('complete');
    expect(summary.problems).toMatchObject([{ stream: 'items', code: 'api_refused' }]);
    heals = true;
    const before = server.asked.length;
    const again = await sync();
    expect(once(again.rows['items'])).toEqual(whole);
    expect(again.summary.outcome).toBe('complete');
    // Parents that were read whole are read again by each run, and with them their children.
    const asked = server.asked.slice(before).filter((line) => line.includes('/items'));
    const left = range(0, PARTS).filter((part) => isRefused(part)).length;
    if (streams === listed) expect(asked.length).toBeLessThanOrEqual(left * 2 + 2);
  });

  test('all are refused: not all are asked for', async () => {
    const server = await api(partsOf(() => new Reply(404, { error: 'none' })));
    const { sync } = connection({ manifest: manifestOf(streams), url: server.url, config });
    const { summary } = await sync();
    expect(summary.problems).toMatchObject([{ stream: 'items', code: 'api_refused' }]);
    const asked = server.asked.filter((line) => line.includes('/items'));
    expect(asked.length).toBeLessThanOrEqual(LIMITS.refusedInTurn + LIMITS.unlimitedSlices + 1);
  });
});
