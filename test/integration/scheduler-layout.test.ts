/** What the scheduler's tables cost: rows that change with each task are in no index that changes with them. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Scheduler } from '../../src/fleet/scheduler/scheduler.js';
import { connect } from '../../src/postgres/connect.js';
import { freshDatabase } from '../support.js';

let database: Awaited<ReturnType<typeof freshDatabase>>;
let scheduler: Scheduler;
beforeEach(async () => {
  database = await freshDatabase();
  scheduler = await Scheduler.open(database.target);
});
afterEach(async () => {
  await scheduler?.close();
  await database?.drop();
});

test.each([1, 5])('the end of %i tasks writes no index of partitions or connections', async (count) => {
  for (let n = 0; n < count; n++) {
    await scheduler.define({
      id: `c${n}`,
      partition: `c${n}`,
      app: 'x',
      limit: { requests: 10, frequencySeconds: 1 },
      maxConcurrent: 5,
    });
    await scheduler.enqueue(Array.from({ length: 4 }, () => ({ connection: `c${n}`, kind: 'k' })));
  }
  await scheduler.join({ id: 'w', host: 'here', pid: 1, version: 'test', slots: 10 }, 3_600_000);
  const tasks = await scheduler.claim('w', count);
  const none = tasks.map(() => null);
  const client = await connect(database.target, 'test');
  try {
    await client.query('begin');
    const { rows: ended } = await client.query('select * from _headrace.settle($1, $2, $3, $4, false, $5, $6)', [
      tasks.map(({ id }) => id),
      tasks.map(({ attempt }) => attempt),
      tasks.map(() => 'done'),
      none,
      none,
      none,
    ]);
    expect(ended).toHaveLength(count);
    for (const table of ['partition', 'connection']) {
      const { rows } = await client.query(
        `select pg_stat_get_xact_tuples_updated(t)::int as updated, pg_stat_get_xact_tuples_hot_updated(t)::int as alone
          from (select '_headrace.${table}'::regclass as t) x`,
      );
      expect(rows).toEqual([{ updated: count, alone: count }]);
    }
  } finally {
    await client.query('rollback');
    await client.end();
  }
});
