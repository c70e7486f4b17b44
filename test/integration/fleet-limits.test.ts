/** What follows from limits in a fleet: shared partitions, edits, floors; counters in steps; parts. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/base/clock.js';
import { Scheduler } from '../../src/fleet/scheduler/scheduler.js';
import type { NewTask } from '../../src/fleet/scheduler/task.js';
import { Worker } from '../../src/fleet/scheduler/worker.js';
import { taskOf } from '../../src/fleet/tasks/kinds.js';
import { yieldTo } from '../../src/fleet/tasks/part.js';
import { seededRandom } from '../../src/base/random.js';
import { freshDatabase } from '../support.js';

let database: Awaited<ReturnType<typeof freshDatabase>>;
let scheduler: Scheduler;
const HOUR_MS = 3_600_000;
/** Without a key: none joins another. */
const plain: NewTask = { connection: 'a', kind: 'bench' };
const never = new AbortController().signal;

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
      _headrace.schedule, _headrace.setting, _headrace.webhook_event cascade`,
  );
});

const define = (id: string, app: string, requests: number, partition = id): Promise<void> =>
  scheduler.define({ id, app, partition, limit: { requests, frequencySeconds: 1 }, maxConcurrent: 1000 });
const join = (id: string, slots = 1000): Promise<void> =>
  scheduler.join({ id, host: 'here', pid: 1, version: 'test', slots }, HOUR_MS);
const perSecond = (requests: number) => ({ requests, frequencySeconds: 1 });
async function capOf(partition: string): Promise<number> {
  const [row] = await scheduler.pool.query('select cap from _headrace.partition where id = $1', [partition]);
  return row!['cap'] as number;
}

describe('a partition that several apps share', () => {
  test('has the smallest of their caps, and follows edits, and apps that come and go', async () => {
    await define('a', 'wide', 100, 'shared');
    expect(await capOf('shared')).toBe(50);
    await define('b', 'narrow', 10, 'shared');
    expect(await capOf('shared')).toBe(5);
    expect(await scheduler.setLimit('wide', perSecond(6))).toMatchObject({ cap: 3, partitions: 1 });
    expect(await capOf('shared')).toBe(3);
    await scheduler.setLimit('wide', perSecond(100));
    expect(await capOf('shared')).toBe(5);
    await scheduler.setLimit('narrow', perSecond(40));
    expect(await capOf('shared')).toBe(20);
    await scheduler.dropConnection('b');
    expect(await capOf('shared')).toBe(50);
    await define('c', 'narrow', 40, 'shared');
    await define('c', 'narrow', 40, 'own');
    expect([await capOf('shared'), await capOf('own')]).toEqual([50, 20]);
  });

  test('whatever is defined, moved, dropped and edited in whatever order, it is the smallest (200 histories)', async () => {
    const random = seededRandom(7);
    const apps = ['p', 'q', 'r'];
    const limits = new Map<string, number>();
    const homes = new Map<string, { app: string; partition: string }>();
    for (let step = 0; step < 200; step++) {
      const id = `c${random.integer(5)}`;
      const app = apps[random.integer(3)]!;
      const partition = `s${random.integer(2)}`;
      const turn = random.integer(4);
      if (turn < 2) {
        const limit = limits.get(app) ?? 2 * (1 + random.integer(50));
        limits.set(app, limit);
        await define(id, app, limit, partition);
        homes.set(id, { app, partition });
      } else if (turn === 2) {
        await scheduler.dropConnection(id);
        homes.delete(id);
      } else {
        const limit = 2 * (1 + random.integer(50));
        limits.set(app, limit);
        await scheduler.setLimit(app, perSecond(limit));
      }
      for (const shared of ['s0', 's1']) {
        const caps = [...homes.values()]
          .filter((home) => home.partition === shared)
          .map((home) => limits.get(home.app)! / 2);
        if (caps.length > 0) expect(await capOf(shared), `step ${step}`).toBe(Math.min(...caps));
      }
    }
  });
});

describe('limits', () => {
  test('rows that can still run follow an edit; those that ended keep what they ran under', async () => {
    await define('a', 'a', 20);
    await join('w');
    await scheduler.enqueue(Array.from({ length: 4 }, () => ({ connection: 'a', kind: 'k' })));
    const [first] = await scheduler.claim('w', 2);
    await scheduler.complete([first!]);
    expect(await scheduler.setLimit('a', perSecond(8))).toEqual({ cap: 4, partitions: 1, tasks: 3 });
    const rows = await scheduler.pool.query(
      'select state, max_concurrent_processes_per_concurrency_partition as cap from _headrace.task order by id',
    );
    expect(rows.map(({ state, cap }) => [state, cap])).toEqual([
      ['done', 10],
      ['running', 4],
      ['queued', 4],
      ['queued', 4],
    ]);
  });

  test('what a file declares is applied, until somebody sets it by hand', async () => {
    expect(await scheduler.declareLimit('a', perSecond(20))).toBe(true);
    await define('a', 'a', 999);
    expect(await capOf('a')).toBe(10);
    expect(await scheduler.declareLimit('a', perSecond(30))).toBe(true);
    expect(await capOf('a')).toBe(15);
    await scheduler.setLimit('a', perSecond(4));
    expect(await scheduler.declareLimit('a', perSecond(30))).toBe(false);
    expect(await scheduler.declareLimit('a', perSecond(4))).toBe(true);
    expect(await capOf('a')).toBe(2);
  });

  test('the floor of caps holds for those that are stored already, at once', async () => {
    await define('a', 'a', 1);
    await define('b', 'b', 100);
    await scheduler.setFloor(3);
    expect([await capOf('a'), await capOf('b')]).toEqual([3, 50]);
    await scheduler.setFloor(1);
    expect([await capOf('a'), await capOf('b')]).toEqual([1, 50]);
  });
});

describe('many tasks in one call', () => {
  test('each of 5,000 is answered in order with its own id; those with a key join', async () => {
    await define('a', 'a', 10);
    await define('b', 'b', 10);
    const tasks: NewTask[] = Array.from({ length: 5_000 }, (_, n) => ({
      connection: n % 3 === 0 ? 'b' : 'a',
      kind: `k${n}`,
      ...(n % 5 === 0 ? { key: `key${n % 50}` } : {}),
    }));
    const answers = await scheduler.enqueue(tasks);
    const stored = await scheduler.pool.query('select id, connection_id, kind, key from _headrace.task');
    const byId = new Map(stored.map((row) => [Number(row['id']), row]));
    expect(answers).toHaveLength(5_000);
    tasks.forEach((task, n) => {
      const row = byId.get(Number(answers[n]!.id))!;
      expect([row['connection_id'], row['key']]).toEqual([task.connection, task.key ?? null]);
      if (task.key === undefined) expect([row['kind'], answers[n]!.joined]).toEqual([task.kind, false]);
    });
    expect(answers.filter(({ joined }) => !joined)).toHaveLength(stored.length);
    expect((await scheduler.enqueue([tasks[0]!]))[0]!.joined).toBe(true);
  });
});

describe('upkeep', () => {
  test('counters and flags that are wrong are found in steps, by one worker a minute', async () => {
    for (let n = 0; n < 1_200; n++) if (n % 100 === 0) await define(`c${n}`, 'a', 10);
    await scheduler.pool.query(
      `insert into _headrace.partition (id, app, cap) select 'p' || n, 'a', 5 from generate_series(1, 1500) n`,
    );
    await join('w');
    await scheduler.enqueue([
      { connection: 'c0', kind: 'k' },
      { connection: 'c1100', kind: 'k' },
    ]);
    await scheduler.pool.query(`update _headrace.partition set ready = false, running = 4 where id in ('c0', 'c1100')`);
    await scheduler.upkeep.recount(systemClock, never);
    expect(await scheduler.claim('w', 10)).toHaveLength(2);
    await scheduler.pool.query(`update _headrace.partition set running = 4 where id = 'c0'`);
    await scheduler.upkeep.recount(systemClock, never);
    expect(await scheduler.upkeep.reconcile()).toBe(1);
  });

  test('ended tasks are kept for as long as was set', async () => {
    await define('a', 'a', 1000);
    await join('w');
    await scheduler.enqueue(Array.from({ length: 2_500 }, () => ({ connection: 'a', kind: 'k' })));
    await scheduler.complete(await scheduler.claim('w', 400));
    await scheduler.pool.query(
      `update _headrace.task set state = 'done', ended_at = now() - interval '2 hours' where state = 'queued'`,
    );
    await scheduler.upkeep.keepEnded(3_600);
    await scheduler.upkeep.prune(systemClock, never);
    const [left] = await scheduler.pool.query('select count(*)::int as n from _headrace.task');
    expect(left!['n']).toBe(400);
  });
});

describe('parts of a run', () => {
  test('never come to the process that leads the run, and go after all else', async () => {
    await define('a', 'a', 100);
    const began: string[] = [];
    const worker = (name: string) =>
      new Worker({
        scheduler,
        target: database.target,
        info: { host: name, pid: 1, version: 'test', slots: 4 },
        newId: () => name,
        handle: async (task, { signal }) => {
          began.push(`${name} ${task.kind}`);
          await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
          return { state: 'again' };
        },
        clock: systemClock,
        random: seededRandom(1),
        pollMs: 50,
      });
    const leader = worker('leader');
    const [sync] = await scheduler.enqueue([taskOf('a', 'sync')]);
    leader.start();
    await expect.poll(() => began).toEqual(['leader sync']);
    await scheduler.enqueue([{ ...taskOf('a', 'part', { run: 'r', number: 1 }), parent: Number(sync!.id) }]);
    await scheduler.enqueue([taskOf('a', 'check')]);
    await expect.poll(() => began).toEqual(['leader sync', 'leader check']);
    expect(await scheduler.othersAreFree(Number(sync!.id))).toBe(false);
    const other = worker('other');
    other.start();
    await expect.poll(() => began).toEqual(['leader sync', 'leader check', 'other part']);
    expect(await scheduler.othersAreFree(Number(sync!.id))).toBe(true);
    await Promise.all([leader.drain(2_000), other.drain(2_000)]);
  });

  test('that hold every slot there is give them back to what waits, in another partition and in their own', async () => {
    await define('a', 'a', 8);
    await define('b', 'b', 100);
    const began: string[] = [];
    const ended = new Map<string, number>();
    const workerOf = (name: string, slots: number) =>
      new Worker({
        scheduler,
        target: database.target,
        info: { host: name, pid: 1, version: 'test', slots },
        newId: () => name,
        async handle(task, { signal }) {
          began.push(`${name} ${task.kind} ${task.connection}`);
          const over = new AbortController();
          const stop = AbortSignal.any([signal, over.signal]);
          const isPart = task.kind === 'part';
          const watch = isPart
            ? yieldTo(() => scheduler.somethingWaits(task.partition), systemClock, over)
            : Promise.resolve();
          if (isPart || task.kind === 'sync')
            await new Promise((resolve) => stop.addEventListener('abort', resolve, { once: true }));
          over.abort();
          await watch;
          ended.set(task.kind, (ended.get(task.kind) ?? 0) + 1);
          // The run has ended by then; else it would be asked for again.
          return { state: isPart ? 'done' : signal.aborted ? 'again' : 'done' };
        },
        clock: systemClock,
        random: seededRandom(1),
        pollMs: 50,
      });
    const [leader, other] = [workerOf('leader', 1), workerOf('other', 3)];
    const [sync] = await scheduler.enqueue([taskOf('a', 'sync')]);
    leader.start();
    await expect.poll(() => began).toEqual(['leader sync a']);
    other.start();
    await scheduler.enqueue(
      [1, 2, 3].map((number) => ({ ...taskOf('a', 'part', { run: 'r', number }), parent: Number(sync!.id) })),
    );
    await expect.poll(() => began.filter((each) => each === 'other part a').length).toBe(3);
    // The partition's cap is full too: four run.
    await scheduler.enqueue([taskOf('b', 'check'), taskOf('a', 'check')]);
    await expect.poll(() => began.slice(4).toSorted()).toEqual(['other check a', 'other check b']);
    expect(ended.get('part')).toBeGreaterThan(0);
    expect(ended.get('sync')).toBeUndefined();
    await Promise.all([leader.drain(2_000), other.drain(2_000)]);
  });

  test('something waits: a task that could begin, not a part, nor one whose partition has no room but its own', async () => {
    await define('a', 'a', 4);
    await define('b', 'b', 2);
    await join('w');
    expect(await scheduler.somethingWaits()).toBe(false);
    await scheduler.enqueue([taskOf('a', 'part', { run: 'r', number: 1 })]);
    expect(await scheduler.somethingWaits()).toBe(false);
    await scheduler.enqueue([taskOf('b', 'check')]);
    expect(await scheduler.somethingWaits()).toBe(true);
    await scheduler.claim('w', 2);
    await scheduler.enqueue([taskOf('b', 'changes')]);
    expect(await scheduler.somethingWaits()).toBe(false);
    expect(await scheduler.somethingWaits('b')).toBe(true);
  });
});

describe('an exchange', () => {
  test('gives the slot that it frees to the next task, never beyond the cap', async () => {
    await define('a', 'a', 2);
    await join('w');
    await scheduler.enqueue(Array.from({ length: 5 }, () => plain));
    let [mine] = await scheduler.claim('w', 5);
    for (let left = 4; left >= 0; left--) {
      const ended = [{ ...mine!, settlement: { state: 'done' as const } }];
      const { ended: became, taken } = await scheduler.exchange('w', ended, 3);
      expect(became).toEqual(new Map([[mine!.id, 'done']]));
      expect(taken).toHaveLength(left > 0 ? 1 : 0);
      // What was ended once is not ended again, and frees nothing.
      const again = await scheduler.exchange('w', ended, 3);
      expect(again).toEqual({ ended: new Map(), taken: [] });
      mine = taken[0];
    }
    expect(await scheduler.upkeep.reconcile()).toBe(0);
  });

  test('without a lease ends what is still its own, and takes nothing', async () => {
    await define('a', 'a', 100);
    await join('w');
    await scheduler.enqueue([plain, plain]);
    const [mine] = await scheduler.claim('w', 1);
    await scheduler.drain('w');
    const ended = { ...mine!, settlement: { state: 'failed' as const, error: { code: 'x', message: 'm' } } };
    expect(await scheduler.exchange('w', [ended], 3)).toEqual({ ended: new Map([[mine!.id, 'delayed']]), taken: [] });
    const done = { ...mine!, settlement: { state: 'done' as const } };
    expect(await scheduler.exchange('w', [done], 3)).toEqual({ ended: new Map(), taken: [] });
  });
});
