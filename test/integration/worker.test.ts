/** How a worker begins, loses answers and leaves. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/base/clock.js';
import { seededRandom } from '../../src/base/random.js';
import { Scheduler } from '../../src/fleet/scheduler/scheduler.js';
import type { NewTask } from '../../src/fleet/scheduler/task.js';
import { Worker } from '../../src/fleet/scheduler/worker.js';
import { until } from '../patience.js';
import { freshDatabase } from '../support.js';

let database: Awaited<ReturnType<typeof freshDatabase>>;
let scheduler: Scheduler;
/** Without a key: none joins another. */
const plain: NewTask = { connection: 'a', kind: 'bench' };

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
    `truncate _headrace.task, _headrace.connection, _headrace.partition, _headrace.app, _headrace.worker cascade`,
  );
});

const define = (id: string, app: string, requests: number): Promise<void> =>
  scheduler.define({ id, app, partition: id, limit: { requests, frequencySeconds: 1 }, maxConcurrent: 1000 });

describe('a worker', () => {
  test('that is stopped at any instant of its start ends', async () => {
    for (const afterMs of [0, 0, 1, 5, 20, 60]) {
      const worker = new Worker({
        scheduler,
        target: database.target,
        info: { host: 'here', pid: 1, version: 'test', slots: 1 },
        newId: () => `brief-${afterMs}`,
        handle: async () => ({ state: 'done' }),
        clock: systemClock,
        random: seededRandom(2),
      });
      worker.start();
      if (afterMs > 0) await systemClock.sleep(afterMs);
      await worker.drain(2_000);
    }
    expect(await scheduler.pool.query('select id from _headrace.worker')).toEqual([]);
  });

  test('whose claim comes after it was told to stop leaves as well', async () => {
    let asks = () => {};
    let isTold = () => {};
    const asked = new Promise<void>((resolve) => (asks = resolve));
    const told = new Promise<void>((resolve) => (isTold = resolve));
    const port: Partial<Scheduler> = {
      claim: async (id, count) => {
        asks();
        await told;
        return scheduler.claim(id, count);
      },
      drain: async (id) => {
        await scheduler.drain(id);
        isTold();
      },
    };
    const worker = new Worker({
      scheduler: Object.assign(Object.create(scheduler) as Scheduler, port),
      target: database.target,
      info: { host: 'here', pid: 1, version: 'test', slots: 1 },
      newId: () => 'late',
      handle: async () => ({ state: 'done' }),
      clock: systemClock,
      random: seededRandom(2),
    });
    worker.start();
    await asked;
    await worker.drain(2_000);
    expect(await scheduler.pool.query('select id from _headrace.worker')).toEqual([]);
  });

  /** One whose calls pass through `port`, which may lose answers. */
  async function working(port: Partial<Scheduler>, work: (done: number[]) => Promise<void>): Promise<void> {
    const done: number[] = [];
    const worker = new Worker({
      scheduler: Object.assign(Object.create(scheduler) as Scheduler, port),
      target: database.target,
      info: { host: 'here', pid: 1, version: 'test', slots: 3 },
      newId: () => 'lossy',
      handle: async ({ id }) => {
        done.push(id);
        return { state: 'done' };
      },
      clock: systemClock,
      random: seededRandom(3),
      pollMs: 20,
      leaseMs: 60_000,
    });
    worker.start();
    await work(done);
    await worker.drain(2_000);
  }
  const waiting = async () =>
    Number((await scheduler.pool.query(`select count(*) as n from _headrace.task where state <> 'done'`))[0]!['n']);

  test.each(['claim', 'exchange'] as const)('whose answer of %s was lost runs what it brought', async (name) => {
    await define('a', 'a', 100);
    const made = await scheduler.enqueue(Array.from({ length: 20 }, () => plain));
    let lost = 0;
    const lossy = async (...given: unknown[]) => {
      const answer = await (scheduler[name] as (...args: unknown[]) => Promise<any>)(...given);
      const taken = name === 'claim' ? answer : answer.taken;
      if (taken.length === 0 || lost++ > 0) return answer;
      throw new Error('Connection terminated unexpectedly');
    };
    await working({ [name]: lossy }, async (done) => {
      await until(async () => (await waiting()) === 0);
      expect(lost).toBeGreaterThan(0);
      expect([...new Set(done)].toSorted((a, b) => a - b)).toEqual(made.map(({ id }) => id).toSorted((a, b) => a - b));
    });
    expect(await scheduler.upkeep.reconcile()).toBe(0);
  });

  test('ends tasks although the database does not take the end of one', async () => {
    await define('a', 'a', 100);
    const made = await scheduler.enqueue(Array.from({ length: 12 }, () => plain));
    const bad = made[0]!.id;
    const exchange: Scheduler['exchange'] = (worker, tasks, count) => {
      if (tasks.some(({ id }) => id === bad)) throw new Error('it cannot be stored');
      return scheduler.exchange(worker, tasks, count);
    };
    await working({ exchange }, () => until(async () => (await waiting()) === 1).then(() => {}));
  });
});
