/** Manifests over real HTTP: cursors over time, and streams that delegate by their state. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Answer, manifestOf, streamOf } from '../manifest-support.js';
import { api, connection, data, ids, range, read } from '../manifest-reading.js';

describe('time', () => {
  const DAY = 86_400;
  const first = Date.parse('2024-01-01T00:00:00Z') / 1000;
  const events = range(0, 400).map((id) => ({ id, at: first + id * 40_000 }));
  const iso = (seconds: number) => new Date(seconds * 1000).toISOString().slice(0, 19) + 'Z';
  const CURSOR =
    'type: DatetimeBasedCursor\ncursor_field: at\ndatetime_format: "%s"\nstart_datetime: {datetime: "{{ config.start }}", datetime_format: "%Y-%m-%dT%H:%M:%SZ"}';
  const options = (both: boolean) =>
    `start_time_option: {type: RequestOption, inject_into: request_parameter, field_name: since}${both ? '\nend_time_option: {type: RequestOption, inject_into: request_parameter, field_name: until}' : ''}`;
  const sync = (lines: string) => `incremental_sync:\n${lines.replaceAll(/^/gm, '  ')}`;
  const within = (query: Record<string, string>, all = events) =>
    all.filter(({ at }) => at >= Number(query['since'] ?? 0) && at <= Number(query['until'] ?? Infinity));
  const config = { start: '2024-01-01T00:00:00Z' };

  test("windows of the manifest's step, rows in any order; the next run goes on", async () => {
    const all = [...events];
    const server = await api(({ query }) => ({
      data: within(query, all).toSorted((a, b) => ((a.id * 7) % 13) - ((b.id * 7) % 13)),
    }));
    const own = connection({
      manifest: manifestOf(
        streamOf('events', { rest: sync(`${CURSOR}\nstep: P30D\ncursor_granularity: PT1S\n${options(true)}`) }),
      ),
      config,
      url: server.url,
    });
    const one = await own.sync();
    expect(one.summary.outcome).toBe('complete');
    // A row on the bound of two windows comes with both: files keep both, a table one.
    expect([...new Set(ids(one.rows['events']))]).toEqual(range(0, 400));
    const windows = server.asked.filter((line) => line.includes('until'));
    expect(windows.length).toBeGreaterThan((Date.now() / 1000 - first) / (30 * DAY));
    server.asked.length = 0;
    all.push({ id: 400, at: Math.floor(Date.now() / 1000) });
    const two = await own.sync();
    expect([...new Set(ids(two.rows['events']))]).toEqual(range(0, 401));
    expect(server.asked.length).toBeLessThan(5);
  });

  test('rows without a key come once: on the bound of two windows, by page numbers, in any order', async () => {
    const bounds = range(0, 40).map((id) => ({ id, at: first + id * 30 * DAY }));
    const keyless = (text: string) => text.replace('  primary_key: id\n', '');
    const server = await api(({ path: at, query }) => {
      if (at === '/pages') {
        const page = Number(query['page'] ?? 0);
        return data(range(page * 10, Math.min(page * 10 + 10, 95)));
      }
      return { data: within(query, bounds).toReversed() };
    });
    const { rows, summary } = await connection({
      manifest: manifestOf(
        keyless(
          streamOf('windows', { rest: sync(`${CURSOR}\nstep: P30D\ncursor_granularity: PT1S\n${options(true)}`) }),
        ) +
          keyless(
            streamOf('sorted', {
              requester: 'request_parameters: {sort: at, order: desc}',
              rest: sync(`${CURSOR}\n${options(true)}`),
            }),
          ) +
          keyless(
            streamOf('pages', {
              retriever:
                'paginator: {type: DefaultPaginator, page_token_option: {type: RequestOption, inject_into: request_parameter, field_name: page}, pagination_strategy: {type: PageIncrement, page_size: 10}}',
            }),
          ),
      ),
      config,
      url: server.url,
    }).sync();
    expect(summary.outcome).toBe('complete');
    const now = Date.now() / 1000;
    const known = bounds.filter(({ at }) => at < now).map(({ id }) => id);
    expect(ids(rows['windows'])).toEqual(known);
    expect(ids(rows['sorted'])).toEqual(known);
    expect(ids(rows['pages'])).toEqual(range(0, 95));
  });

  test('days are not asked for twice, and none is left out', async () => {
    const server = await api(({ query }) => ({
      data: events.filter(
        ({ at }) => iso(at).slice(0, 10) >= (query['since'] ?? '') && iso(at).slice(0, 10) <= (query['until'] ?? '~'),
      ),
    }));
    const { rows } = await connection({
      manifest: manifestOf(
        streamOf('events', {
          rest: sync(
            `${CURSOR.replace('"%s"', '"%Y-%m-%d"\ncursor_datetime_formats: ["%s"]')}\nstep: P1M\ncursor_granularity: P1D\n${options(true)}`,
          ),
        }),
      ),
      config,
      url: server.url,
    }).sync();
    expect(ids(rows['events'])).toEqual(range(0, 400));
    const bounds = server.asked
      .slice(1)
      .map((line) => new URLSearchParams(line.split('?')[1]))
      .map((query) => [query.get('since')!, query.get('until')!])
      .toSorted();
    for (let i = 1; i < bounds.length; i++)
      expect(Date.parse(bounds[i]![0]!) - Date.parse(bounds[i - 1]![1]!)).toBe(DAY * 1000);
  });

  test('without a step, an order that the request asks for is divided by density', async () => {
    const server = await api(({ query }) => {
      const found = within(query);
      const at = Number(query['after'] ?? 0);
      return { data: found.slice(at, at + 20), next: at + 20 < found.length ? at + 20 : null };
    });
    const { rows, summary } = await connection({
      manifest: manifestOf(
        streamOf('events', {
          requester: 'request_parameters: {sort: at, order: asc}',
          retriever:
            'paginator: {type: DefaultPaginator, page_token_option: {type: RequestOption, inject_into: request_parameter, field_name: after}, pagination_strategy: {type: CursorPagination, page_size: 20, cursor_value: "{{ response.next }}"}}',
          rest: sync(`${CURSOR}\ncursor_granularity: PT1S\n${options(true)}`),
        }),
      ),
      config,
      url: server.url,
    }).sync();
    expect(summary.outcome).toBe('complete');
    expect(new Set(ids(rows['events']))).toEqual(new Set(range(0, 400)));
    expect(
      new Set(server.asked.map((line) => new URLSearchParams(line.split('?')[1]).get('since'))).size,
    ).toBeGreaterThan(1);
  });

  test('an order that is not kept is noticed, and nothing is lost', async () => {
    const shuffled = events.toSorted((a, b) => ((a.id * 17) % 101) - ((b.id * 17) % 101));
    const server = await api(({ query }) => {
      const found = within(query, shuffled);
      const at = Number(query['after'] ?? 0);
      return { data: found.slice(at, at + 20), next: at + 20 < found.length ? at + 20 : null };
    });
    const { rows, summary } = await connection({
      manifest: manifestOf(
        streamOf('events', {
          requester: 'request_parameters: {sort: at, order: desc}',
          retriever:
            'paginator: {type: DefaultPaginator, page_token_option: {type: RequestOption, inject_into: request_parameter, field_name: after}, pagination_strategy: {type: CursorPagination, page_size: 20, cursor_value: "{{ response.next }}"}}',
          rest: sync(`${CURSOR}\n${options(true)}`),
        }),
      ),
      config,
      url: server.url,
    }).sync();
    expect(summary.outcome).toBe('complete');
    expect(new Set(ids(rows['events']))).toEqual(new Set(range(0, 400)));
  });

  test('a start alone; a filter that only the manifest keeps; a feed', async () => {
    const answer: Answer = ({ path: at, query }) =>
      at === '/feed' ? { data: within(query).toReversed() } : { data: within(query) };
    const server = await api(answer);
    const own = connection({
      manifest: manifestOf(
        streamOf('start', { rest: sync(`${CURSOR}\n${options(false)}`) }) +
          streamOf('client', { rest: sync(`${CURSOR}\nis_client_side_incremental: true`) }) +
          streamOf('feed', { rest: sync(`${CURSOR}\nis_data_feed: true`) }),
      ),
      config: { start: iso(events[100]!.at) },
      url: server.url,
    });
    const { rows, summary } = await own.sync();
    expect(summary.outcome).toBe('complete');
    expect(ids(rows['start'])).toEqual(range(100, 400));
    expect(ids(rows['client'])).toEqual(range(100, 400));
  });

  test('windows within each partition', async () => {
    const { rows, summary } = await read(
      ({ query, path: at }) => {
        const [, shop] = at.split('/');
        return { data: within(query).map(({ id, at: when }) => ({ id: id + Number(shop) * 1000, at: when })) };
      },
      streamOf('sales', {
        path: '{{ stream_partition.shop }}/sales',
        retriever: 'partition_router: {type: ListPartitionRouter, cursor_field: shop, values: ["1", "2"]}',
        rest: sync(`${CURSOR}\nstep: P60D\ncursor_granularity: PT1S\n${options(true)}`),
      }),
      { config },
    );
    expect(summary.outcome).toBe('complete');
    expect(new Set(ids(rows['sales']))).toEqual(new Set([...range(1000, 1400), ...range(2000, 2400)]));
  });
});

test('a stream that delegates by its state is read whole once, then by what changed; again where the API forgets', async () => {
  const nested = (text: string) => text.replace(/^- /, '  ').replaceAll(/^/gm, '  ').replaceAll('\n', '\n');
  const manifest = (kept: string) =>
    manifestOf(`- type: StateDelegatingStream
  name: users
${kept}  full_refresh_stream:
${nested(streamOf('users', { path: 'all' }))}
  incremental_stream:
${nested(
  streamOf('users', {
    path: 'changes',
    rest: `incremental_sync:
  type: DatetimeBasedCursor
  cursor_field: at
  datetime_format: "%s"
  start_datetime: "0"
  start_time_option: {type: RequestOption, inject_into: request_parameter, field_name: since}`,
  }),
)}`);
  const asked: string[] = [];
  const since: number[] = [];
  const before = Math.floor(Date.now() / 1000);
  const server = await api(({ path, query }) => {
    asked.push(path);
    if (path === '/all')
      return {
        data: [
          { id: 1, at: 1 },
          { id: 2, at: before - 5 },
        ],
      };
    since.push(Number(query['since']));
    return { data: [{ id: 3, at: before + 1 }] };
  });
  const own = connection({ manifest: manifest(''), url: server.url });
  expect((await own.sync()).summary.outcome).toBe('complete');
  const two = await own.sync();
  expect(two.summary.outcome).toBe('complete');
  expect(two.rows['users']!.map((row) => row['id'])).toEqual([1, 2, 3]);
  // The check of a source asks for all of it, the sync only for what came since; files keep what is read twice.
  expect(since.at(-1)).toBeGreaterThan(before - 10);
  expect(since.at(-1)).toBeLessThanOrEqual(Math.ceil(Date.now() / 1000));
  await own.sync();
  expect(asked.filter((path) => path === '/all').length).toBeLessThanOrEqual(2);
  expect(asked.filter((path) => path === '/changes').length).toBeGreaterThanOrEqual(2);
  const wholes = asked.filter((path) => path === '/all').length;
  // The next one comes a second later than the API remembers.
  writeFileSync(path.join(own.folder, 'source-test.yaml'), manifest('  api_retention_period: PT1S\n'));
  await new Promise((resolve) => setTimeout(resolve, 2500));
  await own.sync();
  expect(asked.filter((path) => path === '/all').length).toBe(wholes + 1);
});
