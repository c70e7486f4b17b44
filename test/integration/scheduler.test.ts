/** The scheduler on a real PostgreSQL: caps, order, leases, fences, schedules. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/base/clock.js';
import { ConfigError } from '../../src/base/errors.js';
import { connect } from '../../src/postgres/connect.js';
import { Scheduler } from '../../src/fleet/scheduler/scheduler.js';
import type { NewTask } from '../../src/fleet/scheduler/task.js';
import { LeaseLostError } from '../../src/fleet/scheduler/scheduler-errors.js';
import { freshDatabase } from '../support.js';

let database: Awaited<ReturnType<typeof freshDatabase>>;
let scheduler: Scheduler;
const HOUR = 3_600_000;

beforeAll(async () => {
  database = await freshDatabase();
  scheduler = await Scheduler.open(database.target);
});
afterAll(async () => {
  await scheduler?.close();
  await database?.drop();
});
beforeEach(async () => {
  await scheduler.pool.query(
    `truncate _headrace.task, _headrace.connection, _headrace.partition, _headrace.app, _headrace.worker,
      _headrace.schedule, _headrace.setting cascade`,
  );
});

/** `requests` a second: a cap of half of it. */
async function connection(
  id: string,
  requests: number,
  options: { partition?: string; most?: number; app?: string } = {},
): Promise<void> {
  await scheduler.define({
    id,
    partition: options.partition ?? id,
    app: options.app ?? id,
    limit: { requests, frequencySeconds: 1 },
    maxConcurrent: options.most ?? 1000,
  });
}
async function worker(id = 'w', leaseMs = HOUR): Promise<string> {
  await scheduler.join({ id, host: 'here', pid: 1, version: 'test', slots: 10 }, leaseMs);
  return id;
}
const enqueue = (count: number, task: Partial<NewTask> & { connection: string }) =>
  scheduler.enqueue(Array.from({ length: count }, () => ({ kind: 'k', ...task })));
const claimed = async (count: number, by = 'w') => (await scheduler.claim(by, count)).map((task) => task.id);
/** Counters against what they count. */
async function audit(): Promise<void> {
  const faults = await scheduler.pool.query(`
    select p.id from _headrace.partition p
      where p.running <> (select count(*) from _headrace.task t where t.state = 'running'
      and t.concurrency_partition_id = p.id)
      or p.ready <> exists (select 1 from _headrace.connection k where k.partition_id = p.id and k.head is not null
        and k.running < k.cap and not k.paused)
      or (p.delayed_at is null) <> not exists (select 1 from _headrace.task t where t.state = 'delayed'
        and t.concurrency_partition_id = p.id)
      or p.delayed_at > (select min(run_at) from _headrace.task t where t.state = 'delayed'
        and t.concurrency_partition_id = p.id)
    union all select c.id from _headrace.connection c
      where c.running <> (select count(*) from _headrace.task t where t.state = 'running' and t.connection_id = c.id)
      or c.head is distinct from (select min(rank) from _headrace.task t where t.state = 'queued'
        and t.connection_id = c.id and (not t.exclusive or c.exclusive_running = 0))`);
  expect(faults).toEqual([]);
}

describe('admission', () => {
  test('a partition runs as many tasks as its cap, and the next when one ends', async () => {
    await connection('a', 6);
    await worker();
    await enqueue(5, { connection: 'a' });
    const first = await scheduler.claim('w', 10);
    expect(first).toHaveLength(3);
    expect(await scheduler.claim('w', 10)).toEqual([]);
    await audit();
    expect(await scheduler.complete([first[1]!])).toEqual([true]);
    expect(await scheduler.claim('w', 10)).toHaveLength(1);
    await audit();
  });

  test('a connection has a cap of its own, and one that is full does not stall its partition', async () => {
    await connection('a', 20, { partition: 'p', app: 'x', most: 1 });
    await connection('b', 20, { partition: 'p', app: 'x', most: 2 });
    await worker();
    await enqueue(200, { connection: 'a', priority: 50 });
    await enqueue(3, { connection: 'b' });
    const tasks = await scheduler.claim('w', 10);
    expect(tasks.map((task) => task.connection).toSorted()).toEqual(['a', 'b', 'b']);
    await audit();
  });

  test('partitions take turns, however full one is', async () => {
    await connection('big', 1000);
    for (const id of ['s1', 's2', 's3']) await connection(id, 1000);
    await worker();
    await enqueue(50, { connection: 'big' });
    for (const id of ['s1', 's2', 's3']) await enqueue(2, { connection: id });
    const order: string[] = [];
    for (let i = 0; i < 8; i++) order.push((await scheduler.claim('w', 1))[0]!.connection);
    expect(order.slice(0, 4).toSorted()).toEqual(['big', 's1', 's2', 's3']);
    expect(order.slice(4).toSorted()).toEqual(['big', 's1', 's2', 's3']);
    const batch = await scheduler.claim('w', 4);
    expect(batch.every((task) => task.connection === 'big')).toBe(true);
    await audit();
  });

  test('higher priority goes first, and waiting outweighs it in time', async () => {
    await connection('a', 1000);
    await worker();
    const [low] = await enqueue(1, { connection: 'a', runAt: new Date(Date.now() - 20 * 60_000) });
    const [high] = await enqueue(1, { connection: 'a', priority: 30 });
    const [middle] = await enqueue(1, { connection: 'a', priority: 10 });
    expect([(await claimed(1))[0], (await claimed(1))[0], (await claimed(1))[0]]).toEqual([
      high!.id,
      low!.id,
      middle!.id,
    ]);
  });

  test('an edited limit is obeyed by the next claim; what runs finishes; every row follows', async () => {
    await connection('a', 10);
    await worker();
    await enqueue(20, { connection: 'a' });
    const first = await scheduler.claim('w', 10);
    expect(first).toHaveLength(5);
    expect(await scheduler.setLimit('a', { requests: 4, frequencySeconds: 1 })).toEqual({
      cap: 2,
      partitions: 1,
      tasks: 20,
    });
    expect(
      await scheduler.pool.query(
        'select distinct max_concurrent_processes_per_concurrency_partition as cap from _headrace.task',
      ),
    ).toEqual([{ cap: 2 }]);
    await scheduler.complete(first.slice(0, 3));
    expect(await claimed(10)).toEqual([]);
    await scheduler.complete(first.slice(3, 4));
    expect(await claimed(10)).toHaveLength(1);
    await scheduler.setLimit('a', { requests: 16, frequencySeconds: 1 });
    expect(await claimed(10)).toHaveLength(6);
    await audit();
  });

  test('a floor raises stored caps, not the rule', async () => {
    await scheduler.setFloor(2);
    await connection('a', 1);
    expect(await scheduler.pool.query('select cap from _headrace.partition')).toEqual([{ cap: 2 }]);
    await scheduler.setFloor(1);
    expect((await scheduler.setLimit('a', { requests: 300_000, frequencySeconds: 86_400 })).cap).toBe(1);
  });

  test('exclusive tasks of a connection run one after the other, others beside them', async () => {
    await connection('a', 1000);
    await worker();
    await enqueue(2, { connection: 'a', exclusive: true, priority: 5 });
    await enqueue(2, { connection: 'a' });
    const tasks = await scheduler.claim('w', 10);
    expect(tasks).toHaveLength(3);
    await audit();
    expect(await claimed(10)).toEqual([]);
    await scheduler.complete(tasks);
    expect(await claimed(10)).toHaveLength(1);
    await audit();
  });

  test('one that waits under the same key is joined; one that runs is followed by another', async () => {
    await connection('a', 1000);
    await worker();
    const [first] = await scheduler.enqueue([{ connection: 'a', kind: 'k', key: 'x', priority: 1 }]);
    const again = await scheduler.enqueue([
      { connection: 'a', kind: 'k', key: 'x', priority: 9 },
      { connection: 'a', kind: 'k' },
      { connection: 'a', kind: 'k', key: 'x' },
      { connection: 'a', kind: 'k', key: 'y' },
    ]);
    expect(again.map(({ joined }) => joined)).toEqual([true, false, true, false]);
    expect([again[0]!.id, again[2]!.id]).toEqual([first!.id, first!.id]);
    expect(new Set(again.map(({ id }) => id)).size).toBe(3);
    const [running] = await scheduler.claim('w', 1);
    expect(running!.id).toBe(first!.id);
    const [next] = await scheduler.enqueue([{ connection: 'a', kind: 'k', key: 'x' }]);
    expect(next).toMatchObject({ joined: false });
    // What comes back joins the one that waits.
    expect(await scheduler.fail(running!, { code: 'e', message: 'm' })).toBe('cancelled');
    await audit();
  });
});

describe('ends', () => {
  test('what always fails is a dead letter in the end, although others wait for the same each time', async () => {
    await connection('a', 1000);
    await worker();
    for (let failures = 1; failures <= 8; failures++) {
      await scheduler.enqueue([{ connection: 'a', kind: 'k', key: 'x' }]);
      const [task] = await scheduler.claim('w', 1);
      expect(task).toMatchObject({ failures: failures - 1 });
      await scheduler.enqueue([{ connection: 'a', kind: 'k', key: 'x' }]);
      expect(await scheduler.fail(task!, { code: 'e', message: 'm' })).toBe(failures < 8 ? 'cancelled' : 'dead');
      await audit();
    }
  });

  test('handled events and ended tasks are forgotten in time, dead letters and what waits are not', async () => {
    await connection('a', 1000);
    await worker();
    await enqueue(3, { connection: 'a' });
    const [done, dead] = await scheduler.claim('w', 2);
    await scheduler.settle([
      { ...done!, settlement: { state: 'done' } },
      { ...dead!, settlement: { state: 'dead', error: { code: 'e', message: 'm' } } },
    ]);
    await scheduler.pool.query(
      `update _headrace.task set ended_at = now() - interval '8 days' where ended_at is not null`,
    );
    await scheduler.pool.query(
      `insert into _headrace.webhook_event (connection_id, event_id, body, handled_at)
        values ('a', '1', '{}', now() - interval '41 days'), ('a', '2', '{}', now()), ('a', '3', '{}', null)`,
    );
    await scheduler.upkeep.prune(systemClock, new AbortController().signal);
    expect(
      (await scheduler.pool.query('select state from _headrace.task order by 1')).map((row) => row['state']),
    ).toEqual(['dead', 'queued']);
    expect(
      (await scheduler.pool.query('select event_id from _headrace.webhook_event order by 1')).map(
        (row) => row['event_id'],
      ),
    ).toEqual(['2', '3']);
  });

  test('failures are tried again later and later, then become dead letters; a retry begins anew', async () => {
    await connection('a', 1000);
    await worker();
    await enqueue(1, { connection: 'a', maxAttempts: 3 });
    const waits: number[] = [];
    for (let i = 0; i < 3; i++) {
      const [task] = await scheduler.claim('w', 1);
      const state = await scheduler.fail(task!, { code: 'boom', message: 'it broke' });
      expect(state).toBe(i < 2 ? 'delayed' : 'dead');
      const [row] = await scheduler.pool.query<{ wait: number }>(
        `select extract(epoch from run_at - clock_timestamp())::float8 as wait from _headrace.task`,
      );
      waits.push(row!.wait);
      await audit();
      await scheduler.pool.query(`update _headrace.task set run_at = now(); `);
      await scheduler.pool.query(`update _headrace.partition set delayed_at = now() where delayed_at is not null`);
    }
    expect(waits[0]).toBeGreaterThan(1.4);
    expect(waits[1]).toBeGreaterThan(waits[0]! * 1.5);
    expect(await claimed(1)).toEqual([]);
    const [{ id }] = (await scheduler.pool.query<{ id: number }>('select id from _headrace.task')) as [{ id: number }];
    expect(await scheduler.control('task', String(id), 'retry')).toBe(1);
    expect((await scheduler.claim('w', 1))[0]).toMatchObject({ id, attempt: 4, failures: 0 });
  });

  test('what an older attempt says is refused, and a transaction can hang on it', async () => {
    await connection('a', 1000);
    await worker('w', HOUR);
    await worker('z', 1);
    await enqueue(1, { connection: 'a' });
    await scheduler.pool.query(`update _headrace.worker set lease_until = now() + interval '1 hour' where id = 'z'`);
    const [old] = await scheduler.claim('z', 1);
    await scheduler.pool.query(`update _headrace.worker set lease_until = now() - interval '1 second' where id = 'z'`);
    expect(await scheduler.reap()).toBe(1);
    await audit();
    await scheduler.pool.query(`update _headrace.task set run_at = now(); `);
    await scheduler.pool.query(`update _headrace.partition set delayed_at = now()`);
    const [fresh] = await scheduler.claim('w', 1);
    expect(fresh).toMatchObject({ id: old!.id, attempt: 2, failures: 1 });
    expect(await scheduler.complete([old!])).toEqual([false]);
    expect(await scheduler.fail(old!, { code: 'e', message: '' })).toBeUndefined();
    await expect(scheduler.claim('z', 1)).rejects.toThrow(LeaseLostError);
    await expect(scheduler.heartbeat('z', 1000)).rejects.toThrow(LeaseLostError);
    expect(await scheduler.complete([fresh!])).toEqual([true]);
    expect(await scheduler.complete([fresh!])).toEqual([false]);
    await audit();
  });

  test('pause, resume and cancel: of a task, a connection, a partition', async () => {
    await connection('a', 1000);
    await worker();
    const [first, second] = await enqueue(2, { connection: 'a' });
    const [running] = await scheduler.claim('w', 1);
    expect(running!.id).toBe(first!.id);
    expect(await scheduler.control('task', String(second!.id), 'pause')).toBe(1);
    expect(await claimed(5)).toEqual([]);
    await audit();
    expect(await scheduler.control('task', String(second!.id), 'resume')).toBe(1);
    expect(await scheduler.control('connection', 'a', 'pause')).toBe(1);
    expect(await claimed(5)).toEqual([]);
    expect(await scheduler.heartbeat('w', HOUR)).toEqual([{ id: first!.id, attempt: 1, stop: 'yield' }]);
    expect(await scheduler.settle([{ ...running!, settlement: { state: 'again' } }])).toEqual([
      { id: first!.id, state: 'delayed' },
    ]);
    await scheduler.control('connection', 'a', 'resume');
    await scheduler.control('partition', 'a', 'pause');
    expect(await claimed(5)).toEqual([]);
    await scheduler.control('partition', 'a', 'resume');
    const both = await scheduler.claim('w', 5);
    expect(both).toHaveLength(2);
    expect(await scheduler.control('task', String(first!.id), 'cancel')).toBe(1);
    expect(
      await scheduler.settle([{ ...both.find(({ id }) => id === first!.id)!, settlement: { state: 'again' } }]),
    ).toEqual([{ id: first!.id, state: 'cancelled' }]);
    expect(await scheduler.control('task', '999999', 'cancel')).toBeUndefined();
    expect(await scheduler.control('connection', 'nobody', 'pause')).toBeUndefined();
    await audit();
  });

  test('a connection moves to another partition with its tasks, not while one runs', async () => {
    await connection('a', 10);
    await worker();
    await enqueue(3, { connection: 'a' });
    const [task] = await scheduler.claim('w', 1);
    await expect(connection('a', 4, { partition: 'q', app: 'y' })).rejects.toThrow(ConfigError);
    await scheduler.complete([task!]);
    await connection('a', 4, { partition: 'q', app: 'y' });
    expect(await claimed(10)).toHaveLength(2);
    await audit();
  });

  test('counters that are wrong are put right', async () => {
    await connection('a', 10);
    await worker();
    await enqueue(3, { connection: 'a' });
    await scheduler.pool.query('update _headrace.partition set running = 5, ready = false');
    await scheduler.pool.query('update _headrace.connection set running = 1, head = null');
    expect(await claimed(5)).toEqual([]);
    expect(await scheduler.upkeep.reconcile()).toBe(2);
    await audit();
    expect(await claimed(5)).toHaveLength(3);
    expect(await scheduler.upkeep.reconcile()).toBe(0);
  });

  test.each([1, 2])('a flag that promises what is not there hides nothing from a claim of %i', async (count) => {
    await connection('a', 10);
    await connection('b', 10);
    await worker();
    await enqueue(1, { connection: 'b' });
    await scheduler.pool.query(`update _headrace.partition set ready = true, served_at = '-infinity' where id = 'a'`);
    expect(await claimed(count)).toHaveLength(1);
    await audit();
  });
});

describe('repeated tasks', () => {
  test('each is due once, however many times were missed, and not beside one that waits', async () => {
    await connection('a', 10);
    await worker();
    expect(await scheduler.upkeep.dueInMs()).toBeUndefined();
    await scheduler.repeat('a', 'sync', { everySeconds: 60 });
    expect(await scheduler.upkeep.dueInMs()).toBe(0);
    expect(await scheduler.tick()).toBe(1);
    expect(await scheduler.tick()).toBe(0);
    expect(await scheduler.upkeep.dueInMs()).toSatisfy((ms: number) => ms > 0 && ms <= 60_000);
    await scheduler.pool.query(`update _headrace.schedule set next_at = now() - interval '10 hours'`);
    expect(await scheduler.tick()).toBe(1);
    expect(await scheduler.pool.query('select kind, key, exclusive from _headrace.task')).toEqual([
      { kind: 'sync', key: 'repeat/sync', exclusive: true },
    ]);
    const [{ due }] = (await scheduler.pool.query<{ due: number }>(
      `select extract(epoch from next_at - now())::float8 as due from _headrace.schedule`,
    )) as [{ due: number }];
    expect(due).toBeGreaterThan(0);
    expect(due).toBeLessThanOrEqual(60);
    await scheduler.repeat('a', 'sync', undefined);
    expect(await scheduler.pool.query('select 1 as x from _headrace.schedule')).toEqual([]);
  });

  test('a hint tells who listens that there is work', async () => {
    await connection('a', 10);
    const client = await connect(database.target, 'listener');
    await client.query('listen headrace_tasks');
    const heard = new Promise((resolve) => client.once('notification', resolve));
    await enqueue(1, { connection: 'a' });
    await heard;
    await client.end();
  });

  test.each([
    { everySeconds: 0 },
    { everySeconds: 1.5 },
    { cron: 'not a cron' },
    { cron: '0 0 30 2 *' },
    { cron: '0 0 * * *', timeZone: 'Mars/Base' },
  ])('%j is refused', async (cadence) => {
    await connection('a', 10);
    await expect(scheduler.repeat('a', 'sync', cadence)).rejects.toThrow(ConfigError);
  });

  test('a task of a connection that nobody knows is refused', async () => {
    await expect(enqueue(1, { connection: 'nobody' })).rejects.toThrow(/there is no connection nobody/);
  });
});
