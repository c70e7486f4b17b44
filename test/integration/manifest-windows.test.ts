/** Windows over real HTTP: which are asked for, in the first run and in the next. */
import { afterEach, describe, expect, test } from 'vitest';
import { manifestConnection, manifestOf, scripted, streamOf, type Row } from '../manifest-support.js';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

const OPTIONS = `start_time_option: {type: RequestOption, inject_into: request_parameter, field_name: from}
end_time_option: {type: RequestOption, inject_into: request_parameter, field_name: to}`;

async function windowsOf(cursor: string, rows: Row[] = [], config: Row = {}, retriever = '') {
  const server = await scripted(({ query }) => ({ data: query['from'] === undefined ? [] : rows }));
  ends.push(() => server.close());
  const rest = `incremental_sync:\n${`type: DatetimeBasedCursor\ncursor_field: u\n${cursor}\n${OPTIONS}`.replaceAll(/^/gm, '  ')}`;
  const manifest = manifestOf(streamOf('chk') + streamOf('things', { rest, retriever })).replace(
    'stream_names: []',
    'stream_names: [chk]',
  );
  const made = manifestConnection({ manifest, url: server.url, config });
  ends.push(made.drop);
  const run = await made.sync();
  const asked = server.asked
    .filter((line) => line.includes('from='))
    .map((line) => new URL(line.split(' ')[1]!, server.url).searchParams)
    .map((query) => `${query.get('from')}..${query.get('to')}${query.get('k') ?? ''}`)
    .toSorted();
  return { asked, run, again: made.sync, server };
}

const days = (more: string) => `datetime_format: "%Y-%m-%d"\ncursor_granularity: P1D\n${more}`;

/** What Airbyte's CDK asks for. */
describe('windows are asked for as they are declared', () => {
  test.each([
    [
      'steps of days, from the start',
      days('start_datetime: "2026-01-01"\nend_datetime: "2026-01-20"\nstep: P5D'),
      ['2026-01-01..2026-01-05', '2026-01-06..2026-01-10', '2026-01-11..2026-01-15', '2026-01-16..2026-01-20'],
    ],
    [
      'a rest of one unit is part of the last',
      days('start_datetime: "2026-01-01"\nend_datetime: "2026-01-15"\nstep: P7D'),
      ['2026-01-01..2026-01-07', '2026-01-08..2026-01-15'],
    ],
    [
      'months of the calendar',
      days('start_datetime: "2026-01-31"\nend_datetime: "2026-04-30"\nstep: P1M'),
      ['2026-01-31..2026-02-27', '2026-02-28..2026-03-27', '2026-03-28..2026-04-27', '2026-04-28..2026-04-30'],
    ],
    [
      'clamped to months',
      days('start_datetime: "2026-01-15"\nend_datetime: "2026-04-20"\nstep: P1M\nclamping: {target: MONTH}'),
      ['2026-02-01..2026-02-28', '2026-03-01..2026-03-31'],
    ],
    [
      'clamped to weeks',
      days(
        'start_datetime: "2026-01-01"\nend_datetime: "2026-01-20"\nstep: P1W\nclamping: {target: WEEK, target_details: {weekday: MONDAY}}',
      ),
      ['2026-01-05..2026-01-11', '2026-01-12..2026-01-18'],
    ],
    [
      'one window without a step',
      days('start_datetime: "2026-01-01"\nend_datetime: "2026-01-20"'),
      ['2026-01-01..2026-01-20'],
    ],
  ])('%s', async (_, cursor, expected) => {
    const { asked, run } = await windowsOf(cursor, [{ id: 1, u: '2026-01-03' }]);
    expect(asked).toEqual(expected);
    expect(run.summary.problems).toEqual([]);
  });

  test('of each partition', async () => {
    const { asked } = await windowsOf(
      days('start_datetime: "2026-01-31"\nend_datetime: "2026-03-30"\nstep: P1M'),
      [],
      {},
      'partition_router: {type: ListPartitionRouter, values: [a, b], cursor_field: k, request_option: {type: RequestOption, inject_into: request_parameter, field_name: k}}',
    );
    expect(asked).toEqual([
      '2026-01-31..2026-02-27a',
      '2026-01-31..2026-02-27b',
      '2026-02-28..2026-03-27a',
      '2026-02-28..2026-03-27b',
      '2026-03-28..2026-03-30a',
      '2026-03-28..2026-03-30b',
    ]);
  });
});

test('a granularity that is coarser than the dates leaves no hole, and that is said', async () => {
  const { asked, run } = await windowsOf(
    'datetime_format: "%Y-%m-%dT%H:%M:%SZ"\ncursor_granularity: P1D\nstart_datetime: "2026-01-01T00:00:00Z"\nend_datetime: "2026-01-21T00:00:00Z"\nstep: P10D',
  );
  expect(asked).toEqual(['2026-01-01T00:00:00Z..2026-01-11T00:00:00Z', '2026-01-11T00:00:00Z..2026-01-21T00:00:00Z']);
  expect(run.summary.notes.join()).toContain('without the holes');
});
