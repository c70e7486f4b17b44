/**
 * The model that simulations of a large fleet decide by, against the SQL that decides in truth.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SchedulerModel, type ModelTask } from '../../bench/lib/scheduler-model.js';
import { seededRandom } from '../../src/base/random.js';
import { Scheduler } from '../../src/fleet/scheduler/scheduler.js';
import type { ClaimedTask } from '../../src/fleet/scheduler/task.js';
import { freshDatabase } from '../support.js';

let database: Awaited<ReturnType<typeof freshDatabase>>;
let scheduler: Scheduler;
beforeAll(async () => {
  database = await freshDatabase();
  scheduler = await Scheduler.open(database.target);
  await scheduler.join({ id: 'w', host: 'h', pid: 1, version: 'v', slots: 100 }, 3_600_000);
});
afterAll(async () => {
  await scheduler?.close();
  await database?.drop();
});

const PARTITIONS = 4;
const CONNECTIONS = 9;

// Long because a history is told in one piece: each step is done to both.
test('claims, ends, caps and pauses: the same tasks in the same turns (8 histories)', async () => {
  const { pool } = scheduler;
  const base = Date.now() - 3_600_000;
  for (let seed = 1; seed <= 8; seed++) {
    await pool.query('truncate _headrace.task, _headrace.connection, _headrace.partition, _headrace.app cascade');
    const random = seededRandom(seed);
    const model = new SchedulerModel();
    for (let p = 0; p < PARTITIONS; p++) model.addPartition(1 + random.integer(4));
    for (let c = 0; c < CONNECTIONS; c++) {
      const partition = c < PARTITIONS ? c : random.integer(PARTITIONS);
      const cap = 1 + random.integer(3);
      model.addConnection(partition, cap);
      const limit = { requests: 2 * model.partitions[partition]!.cap, frequencySeconds: 1 };
      await scheduler.define({
        id: `c${c}`,
        partition: `p${partition}`,
        app: `p${partition}`,
        limit,
        maxConcurrent: cap,
      });
    }
    /** In which order partitions of one claim were served is the server's to choose: from here on it is the model's. */
    const sameTurns = () =>
      pool.query(
        `update _headrace.partition p set served_at = to_timestamp(x.served) from unnest($1::text[], $2::float8[]) x(id, served) where p.id = x.id`,
        [model.partitions.map((_, n) => `p${n}`), model.partitions.map(({ served }) => served)],
      );
    await sameTurns();
    const ids = new Map<number, ModelTask>();
    const running: { real: ClaimedTask; task: ModelTask }[] = [];
    for (let step = 0; step < 45; step++) {
      const where = `history ${seed}, step ${step}`;
      const dice = random.next();
      if (dice < 0.35) {
        const wanted = Array.from({ length: 1 + random.integer(4) }, (_, n) => ({
          connection: random.integer(CONNECTIONS),
          dueMs: base + step * 60_000 + n,
          exclusive: random.next() < 0.4,
          priority: random.integer(3),
        }));
        const made = await scheduler.enqueue(
          wanted.map(({ connection, dueMs, exclusive, priority }) => ({
            connection: `c${connection}`,
            kind: 'k',
            exclusive,
            priority,
            runAt: new Date(dueMs),
          })),
        );
        for (const [n, each] of wanted.entries()) ids.set(made[n]!.id, model.enqueue(each.connection, each));
      } else if (dice < 0.65) {
        const [{ n: open }] = (await pool.query(
          'select count(*)::int as n from _headrace.partition where ready and running < cap and not paused',
        )) as [{ n: number }];
        // Whose turn it is in a round that is cut short is the server's to choose as well.
        const count = random.next() < 0.3 ? 100 : Math.max(1, random.integer(open + 1));
        const real = await scheduler.claim('w', count);
        const expected = model.claim(count);
        expect(new Set(real.map(({ id }) => ids.get(id)!.id)), where).toEqual(new Set(expected.map(({ id }) => id)));
        for (const each of real) running.push({ real: each, task: ids.get(each.id)! });
        await sameTurns();
      } else if (dice < 0.85 && running.length > 0) {
        const [{ real, task }] = running.splice(random.integer(running.length), 1) as [(typeof running)[0]];
        const isAgain = random.next() < 0.3;
        const settlement = isAgain ? { state: 'again' as const, runAt: new Date(base) } : { state: 'done' as const };
        await scheduler.settle([{ ...real, settlement }]);
        model.end(task, isAgain);
        // What comes again at once is promoted by the next claim.
        if (isAgain) await pool.query('select _headrace.promote()');
      } else if (dice < 0.93) {
        const partition = random.integer(PARTITIONS);
        const cap = 1 + random.integer(4);
        await scheduler.setLimit(`p${partition}`, { requests: 2 * cap, frequencySeconds: 1 });
        model.setCap(partition, cap);
      } else {
        const connection = random.integer(CONNECTIONS);
        const paused = random.next() < 0.5;
        await scheduler.control('connection', `c${connection}`, paused ? 'pause' : 'resume');
        model.pause(connection, paused);
      }
      const counts = await pool.query<{ id: string; running: number }>('select id, running from _headrace.partition');
      for (const { id, running: n } of counts) expect(n, where).toBe(model.partitions[Number(id.slice(1))]!.running);
    }
  }
});
