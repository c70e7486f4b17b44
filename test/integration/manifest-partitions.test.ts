/** Manifests over real HTTP: partition routers and substreams. */
import { statSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Answer, manifestOf, streamOf } from '../manifest-support.js';
import { api, connection, data, ids, range, read } from '../manifest-reading.js';

describe('partitions', () => {
  test('lists, and their combinations, in address and parameters', async () => {
    const { rows, asked } = await read(
      ({ path: at, query }) => ({ data: [{ id: `${at}-${query['kind']}` }] }),
      streamOf('reports', {
        path: '{{ stream_partition.region }}/reports',
        retriever: `partition_router:
  - {type: ListPartitionRouter, cursor_field: region, values: "{{ config.regions }}"}
  - {type: ListPartitionRouter, cursor_field: kind, values: [x, z], request_option: {type: RequestOption, inject_into: request_parameter, field_name: kind}}`,
      }),
      { config: { regions: ['eu', 'us'] } },
    );
    expect(rows['reports']!.map((row) => row['id']).toSorted()).toEqual([
      '/eu/reports-x',
      '/eu/reports-z',
      '/us/reports-x',
      '/us/reports-z',
    ]);
    expect(asked.filter((line) => line.includes('reports'))).toHaveLength(5); // one of them is the check
  });

  test('a parent that is listed after its child is stored like any stream', async () => {
    const child = streamOf('users', {
      path: '{{ stream_partition.team }}/users',
      retriever: `partition_router:\n  - type: SubstreamPartitionRouter\n    parent_stream_configs:\n      - stream: "#/streams/1"\n        parent_key: id\n        partition_field: team`,
    });
    const { rows } = await read(
      ({ path: at }) => data(at === '/teams' ? [1, 2] : [Number(at.split('/')[1]) * 10]),
      child + streamOf('teams'),
    );
    expect(ids(rows['teams'])).toEqual([1, 2]);
    expect(ids(rows['users'])).toEqual([10, 20]);
  });

  const parent = streamOf('teams');
  const child = (name: string, more: string, path = '{{ stream_partition.team }}/users') =>
    streamOf(name, {
      path,
      retriever: `partition_router:\n  - type: SubstreamPartitionRouter\n    parent_stream_configs:\n      - stream: "#/streams/0"\n        parent_key: id\n        partition_field: team\n${more}`,
    });
  const teams: Answer = ({ path: at, query }) => {
    if (at === '/teams') return { data: range(1, 6).map((id) => ({ id, owner: { name: `o${id}` } })) };
    const [, team] = /^\/(\d+)\/users$/.exec(at) ?? [];
    return {
      data:
        team === undefined
          ? []
          : [
              { id: Number(team) * 10 + Number(query['level'] ?? 0) },
              { id: Number(team) * 10 + 5 + Number(query['level'] ?? 0) },
            ],
    };
  };

  test('children of a parent that is read once, whoever shares it', async () => {
    const { rows, asked, summary } = await read(teams, parent + child('users', '') + child('members', ''));
    expect(summary.outcome).toBe('complete');
    expect(ids(rows['users'])).toEqual([10, 15, 20, 25, 30, 35, 40, 45, 50, 55]);
    expect(ids(rows['members'])).toEqual(ids(rows['users']));
    expect(asked.filter((line) => line === 'GET /teams')).toHaveLength(2); // one of them is the check
  });

  test('a child alone reads its parent and does not store it; what it needs of the parent comes along', async () => {
    const { rows } = await read(
      teams,
      parent +
        child('users', '        extra_fields: [[owner, name]]\n').replace(
          '  primary_key: id\n',
          '  primary_key: id\n  transformations: [{type: AddFields, fields: [{path: [owner], value: "{{ stream_slice.extra_fields[\'owner.name\'] }}"}]}]\n',
        ),
      { streams: ['users'] },
    );
    expect(Object.keys(rows)).toEqual(['users']);
    expect(rows['users']!.find((row) => row['id'] === 35)).toEqual({ id: 35, owner: 'o3' });
  });

  test('a parent combined with a list, and children of children', async () => {
    const { rows } = await read(
      (request) =>
        request.path.startsWith('/badges/')
          ? { data: [{ id: Number(request.path.split('/')[2]) * 100 }] }
          : teams(request),
      parent +
        child('users', '') +
        streamOf('badges', {
          path: 'badges/{{ stream_partition.user }}',
          retriever:
            'partition_router: {type: SubstreamPartitionRouter, parent_stream_configs: [{stream: "#/streams/1", parent_key: id, partition_field: user}]}',
        }) +
        streamOf('levels', {
          path: '{{ stream_partition.team }}/users',
          retriever:
            'partition_router:\n  - {type: SubstreamPartitionRouter, parent_stream_configs: [{stream: "#/streams/0", parent_key: id, partition_field: team}]}\n  - {type: ListPartitionRouter, cursor_field: level, values: ["1", "2"], request_option: {type: RequestOption, inject_into: request_parameter, field_name: level}}',
        }),
    );
    expect(ids(rows['badges'])).toEqual(ids(rows['users']).map((id) => id * 100));
    expect(ids(rows['levels'])).toHaveLength(20);
  });

  test('children whose first page came with their parent: only what is missing is asked for', async () => {
    const LINES = 12;
    const lines = (invoice: number, after: number) => {
      const all = range(invoice * 100, invoice * 100 + (invoice % 2 === 0 ? LINES : 3)).filter((id) => id > after);
      return { data: all.slice(0, 5).map((id) => ({ id })), has_more: all.length > 5 };
    };
    const { rows, asked, summary } = await read(
      ({ path: at, query }) => {
        if (at === '/invoices')
          return { data: range(1, 9).map((id) => ({ id, ...(id === 8 ? {} : { lines: lines(id, -1) }) })) };
        return lines(Number(at.split('/')[2]), Number(query['after'] ?? -1));
      },
      streamOf('invoices') +
        streamOf('lines', {
          path: 'invoices/{{ stream_partition.invoice }}/lines',
          retriever: `partition_router:
  - {type: SubstreamPartitionRouter, parent_stream_configs: [{stream: "#/streams/0", parent_key: id, partition_field: invoice, lazy_read_pointer: [lines]}]}
paginator:
  type: DefaultPaginator
  page_token_option: {type: RequestOption, inject_into: request_parameter, field_name: after}
  pagination_strategy: {type: CursorPagination, cursor_value: "{{ last_record['id'] }}", stop_condition: "{{ not response['has_more'] }}"}`,
        }),
    );
    expect(summary.outcome).toBe('complete');
    expect(ids(rows['lines'])).toEqual(
      range(1, 9)
        .flatMap((invoice) => range(invoice * 100, invoice * 100 + (invoice % 2 === 0 ? LINES : 3)))
        .toSorted((a, b) => a - b),
    );
    // Two more pages of each even invoice, and the first of the one that brought none.
    expect(asked.filter((line) => line.includes('/lines'))).toHaveLength(4 * 2 + 1);
  });

  test('two parents in one stream, every pair of two, and groups', async () => {
    const config = (field: string) => `{stream: "#/streams/0", parent_key: id, partition_field: ${field}}`;
    const router = (field: string) => `{type: SubstreamPartitionRouter, parent_stream_configs: [${config(field)}]}`;
    const { rows } = await read(
      ({ path: at, query }) =>
        at === '/teams'
          ? data([1, 2, 3])
          : { data: [{ id: Number(query['a'] ?? 0) * 10 + Number(query['b'] ?? 0), all: query['all'] }] },
      parent +
        streamOf('both', {
          requester: 'request_parameters: {a: "{{ stream_partition.a or stream_partition.b }}"}',
          retriever: `partition_router: {type: SubstreamPartitionRouter, parent_stream_configs: [${config('a')}, ${config('b')}]}`,
        }) +
        streamOf('pairs', {
          requester: 'request_parameters: {a: "{{ stream_partition.a }}", b: "{{ stream_partition.b }}"}',
          retriever: `partition_router: [${router('a')}, ${router('b')}]`,
        }) +
        streamOf('united', {
          requester: 'request_parameters: {a: "{{ stream_partition.a }}"}',
          retriever: `partition_router: {type: UnionPartitionRouter, partition_field: a, partition_routers: [${router('a')}, {type: ListPartitionRouter, cursor_field: a, values: ["7"]}, {type: ListPartitionRouter, cursor_field: a, values: ["7", "8"]}]}`,
        }) +
        streamOf('groups', {
          requester: 'request_parameters: {all: "{{ stream_partition.a | join(\'-\') }}"}',
          retriever: `partition_router: {type: GroupingPartitionRouter, group_size: 2, underlying_partition_router: ${router('a')}}`,
        }),
    );
    expect(rows['both']).toHaveLength(6);
    expect(ids(rows['united'])).toEqual([10, 20, 30, 70, 80]);
    expect(ids(rows['pairs'])).toEqual([11, 12, 13, 21, 22, 23, 31, 32, 33]);
    expect(rows['groups']!.map((row) => row['all']).toSorted()).toEqual(['1-2', '3']);
  });

  test('pairs of long parents: paused again and again, each pair once, parents a page at a time, state within its bound', async () => {
    const PAGE = 15;
    const pager = `paginator: {type: DefaultPaginator, page_token_option: {type: RequestOption, inject_into: request_parameter, field_name: page}, pagination_strategy: {type: PageIncrement, page_size: ${PAGE}}}`;
    const config = (index: number, field: string) =>
      `{type: SubstreamPartitionRouter, parent_stream_configs: [{stream: "#/streams/${index}", parent_key: id, partition_field: ${field}}]}`;
    const answer: Answer = ({ path: at, query }) => {
      const page = Number(query['page'] ?? 0);
      if (at === '/teams') return data(range(page * PAGE, Math.min(35, (page + 1) * PAGE)));
      if (at === '/roles') return data(range(page * PAGE, Math.min(25, (page + 1) * PAGE)));
      return { data: [{ id: Number(query['a']) * 1000 + Number(query['b']) }] };
    };
    const server = await api(answer);
    const own = connection({
      url: server.url,
      streams: ['pairs'],
      manifest: manifestOf(
        streamOf('teams', { retriever: pager }) +
          streamOf('roles', { retriever: pager }) +
          streamOf('pairs', {
            requester: 'request_parameters: {a: "{{ stream_partition.a }}", b: "{{ stream_partition.b }}"}',
            retriever: `partition_router: [${config(0, 'a')}, ${config(1, 'b')}]`,
          }),
      ),
    });
    let most = 0;
    for (let runs = 1; ; runs++) {
      expect(runs).toBeLessThan(30);
      const stop = new AbortController();
      const asked = server.asked.length;
      const watch = setInterval(() => {
        if (server.asked.length - asked > 250) stop.abort();
      }, 5);
      const { summary, rows } = await own.sync(stop.signal);
      clearInterval(watch);
      most = Math.max(most, statSync(path.join(own.folder, 'out', '_headrace_state.json')).size);
      if (summary.outcome !== 'complete') continue;
      expect(ids(rows['pairs'])).toEqual(range(0, 35).flatMap((a) => range(0, 25).map((b) => a * 1000 + b)));
      expect(runs).toBeGreaterThan(2);
      const parents = server.asked.filter((line) => /teams|roles/.test(line)).length;
      expect(parents).toBeLessThan(runs * 8 + 1);
      expect(most).toBeLessThan(20_000);
      return;
    }
  });
});
