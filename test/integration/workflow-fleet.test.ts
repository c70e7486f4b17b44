/** Slots that engines' work holds; and fleets of workflows whose processes and server are killed. */
import { spawn, type ChildProcess } from 'node:child_process';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { canRun, dbosFolder, runWorkflowFleet } from '../../bench/lib/workflow-fleet.js';
import { seededRandom } from '../../src/base/random.js';
import { systemClock } from '../../src/base/clock.js';
import { RetriableError } from '../../src/base/errors.js';
import { pageSlots } from '../../src/fleet/scheduler/overview.js';
import { Scheduler } from '../../src/fleet/scheduler/scheduler.js';
import type { ClaimedTask } from '../../src/fleet/scheduler/task.js';
import { workflowHandler } from '../../src/fleet/workflow/built-in.js';
import type { Durable } from '../../src/fleet/workflow/durable.js';
import { taskWorkflow, type InSlot, type TaskSteps } from '../../src/fleet/workflow/task-workflow.js';
import { patience, until } from '../patience.js';
import { freshDatabase, headrace, scratch, urlOf } from '../support.js';

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

const HOUR_MS = 3_600_000;
const join = (id: string) => scheduler.join({ id, host: 'h', pid: 1, version: 'v', slots: 10 }, HOUR_MS);
const query = (sql: string, values: unknown[] = []) => scheduler.pool.query(sql, values);
const take = async (holder: string, worker: string, connection: string, exclusive = false) =>
  (await query('select _headrace.take_slot($1, $2, $3, $4) as took', [holder, worker, connection, exclusive]))[0]![
    'took'
  ] as boolean;
const give = async (holder: string, worker: string) =>
  (await query('select _headrace.give_slot($1, $2) as gave', [holder, worker]))[0]!['gave'] as boolean;
async function define(id: string, partition: string, cap: number, maxConcurrent: number): Promise<void> {
  await scheduler.define({
    id,
    partition,
    app: partition,
    limit: { requests: 2 * cap, frequencySeconds: 1 },
    maxConcurrent,
  });
}

describe('a slot', () => {
  test('is taken and given back once, however often it is asked for, and only by who holds it', async () => {
    await define('a', 'p', 2, 2);
    await join('one');
    await join('two');
    expect([await take('x', 'one', 'a'), await take('x', 'one', 'a')]).toEqual([true, true]);
    expect(await take('x', 'two', 'a'), 'of a process that lives').toBe(false);
    expect(await take('y', 'two', 'a')).toBe(true);
    expect(await take('z', 'two', 'a'), 'above the cap').toBe(false);
    expect([await give('x', 'two'), await give('x', 'one'), await give('x', 'one')]).toEqual([false, true, false]);
    expect(await take('z', 'two', 'a')).toBe(true);
    await scheduler.leave('two');
    expect(await take('y', 'one', 'a'), 'of a process that is gone').toBe(true);
    await scheduler.reap();
    expect((await query('select holder from _headrace.slot')).map((row) => row['holder'])).toEqual(['y']);
    await expect(take('z', 'two', 'a')).rejects.toThrow('no lease');
    expect(await scheduler.upkeep.reconcile()).toBe(0);
  });

  test('is listed beside tasks, for people and for machines, page by page', async () => {
    await define('a', 'p', 5, 5);
    await define('b', 'p', 5, 5);
    await join('w');
    const list = async (...args: string[]) =>
      (await headrace(['task', 'list', '--database', urlOf(database.target), ...args])).stdout;
    expect(await list()).not.toContain('workflow');
    for (const [n, id] of ['a', 'b', 'a'].entries()) await take(`${id}/sync/${n}`, 'w', id, false);
    const { pool } = scheduler;
    const first = await pageSlots(pool, { limit: 2 });
    const second = await pageSlots(pool, { limit: 2, after: first.at(-1)!.workflow });
    expect([...first, ...second].map(({ workflow }) => workflow)).toEqual(['a/sync/0', 'a/sync/2', 'b/sync/1']);
    expect(first[0]).toMatchObject({ connection: 'a', partition: 'p', cap: 5, worker: 'w', exclusive: false });
    expect(await pageSlots(pool, { connection: 'b', limit: 5 })).toHaveLength(1);
    expect(await list()).toMatch(/step of workflow[^]*a\/sync\/0 +a +w +for /);
    expect(await list('--connection', 'b')).not.toContain('a/sync');
    expect(await list('--state', 'dead')).not.toContain('workflow');
    expect(JSON.parse((await list('--connection', 'b', '--json')).trim())).toMatchObject({
      type: 'slot',
      workflow: 'b/sync/1',
    });
  });

  test('counts as a running task does, whatever is done in whatever order (12 histories)', async () => {
    const connections = ['a', 'b', 'c'];
    for (const [n, id] of connections.entries()) await define(id, n < 2 ? 'p' : 'q', 2 + n, 1 + n);
    for (let seed = 1; seed <= 12; seed++) {
      const random = seededRandom(seed);
      const running: ClaimedTask[] = [];
      const workers = [`${seed}/one`, `${seed}/two`];
      for (const id of workers) await join(id);
      for (let step = 0; step < 40; step++) {
        const worker = workers[random.integer(2)]!;
        const connection = connections[random.integer(3)]!;
        const holder = `h${random.integer(6)}`;
        switch (random.integer(6)) {
          case 0:
            await scheduler.enqueue([{ connection, kind: 'k', exclusive: random.next() < 0.5 }]);
            break;
          case 1:
            running.push(...(await scheduler.claim(worker, 1 + random.integer(2))));
            break;
          case 2: {
            const [task] = running.splice(0, 1);
            if (task) await scheduler.complete([task]);
            break;
          }
          case 3:
            await take(holder, worker, connection, random.next() < 0.5);
            break;
          case 4:
            await give(holder, worker);
            break;
          default:
            if (random.next() < 0.7) continue;
            await scheduler.leave(worker);
            await scheduler.reap();
            await join(worker);
        }
        const where = `history ${seed}, step ${step}`;
        expect(await scheduler.upkeep.reconcile(), where).toBe(0);
        const over = await query(
          `select id from _headrace.partition where running > cap union all select id from _headrace.connection where running > cap
           union all select connection_id from (select connection_id from _headrace.task where state = 'running' and exclusive
             union all select connection_id from _headrace.slot where exclusive) e group by 1 having count(*) > 1`,
        );
        expect(over, where).toEqual([]);
      }
      for (const id of workers) await scheduler.leave(id);
      await scheduler.reap();
    }
  });
});

test('what passes by itself is waited for, and counts for no dead letter', async () => {
  let away = 30;
  const waits: number[] = [];
  const durable: Durable = {
    id: 'w',
    step: async (_, work) => work(new AbortController().signal),
    sleep: async (_, ms) => void waits.push(ms),
  };
  const steps = {
    plan: async () => undefined,
    whole: async () =>
      away-- > 0
        ? { state: 'patient', error: { code: 'x', message: 'the API is away' }, runAt: new Date(0) }
        : { state: 'done', result: {} },
  } as unknown as TaskSteps;
  const task = { connection: 'a', kind: 'changes', payload: {}, exclusive: false };
  const held: InSlot = async (_, __, signal, work) => ({ value: await work(signal) });
  expect(await taskWorkflow(task, durable, steps, held)).toMatchObject({ state: 'done' });
  expect(waits).toHaveLength(30);
  expect(waits[0]).toBe(1_000);
  expect(Math.max(...waits)).toBe(900_000);
});

test('without an engine a step that ended is not done again, and what waits is no running task', async () => {
  await define('a', 'p', 1, 1);
  await join('w');
  await scheduler.enqueue([{ connection: 'a', kind: 'sync' }]);
  let nowMs = systemClock.now();
  const clock = { ...systemClock, now: () => nowMs };
  const did: string[] = [];
  let broken = 2;
  const done = (name: string) => {
    did.push(name);
    return Promise.resolve({ state: 'done' as const, result: { name } });
  };
  const steps: TaskSteps = {
    plan: async () => {
      did.push('plan');
      return ['a', 'b'].map((name) => ({ name, streams: [name] }));
    },
    read: (_, __, { name }) => {
      if (name === 'b' && broken-- > 0) {
        did.push('b fails');
        if (broken === 1) return Promise.reject(new RetriableError('the process died', { code: 'died' }));
        return Promise.resolve({ state: 'failed', error: { code: 'x', message: 'the API is away' } });
      }
      return done(name);
    },
    changes: () => done('changes'),
    proof: () => done('proof'),
    whole: () => done('whole'),
  };
  const handle = workflowHandler(scheduler, steps, clock);
  const never = new AbortController().signal;
  const [task] = await scheduler.claim('w', 1);
  await expect(handle(task!, { signal: never })).rejects.toThrow('the process died');
  const second = await handle(task!, { signal: never });
  expect(second).toMatchObject({ state: 'again', runAt: expect.any(Date) });
  expect(await handle(task!, { signal: never }), 'before its time').toEqual(second);
  nowMs += 2_000;
  expect(await handle(task!, { signal: never })).toEqual({
    state: 'done',
    result: { name: 'changes', proof: { name: 'proof' } },
  });
  expect(did).toEqual(['plan', 'a', 'b fails', 'b fails', 'b', 'changes', 'proof']);
  expect(await query('select step from _headrace.journal')).toEqual([]);
});

describe.each(['restate', 'dbos'] as const)('on %s (skipped where npm has none to install)', (engine) => {
  let folder: ReturnType<typeof scratch>;
  beforeAll(() => {
    folder = scratch();
  });
  afterAll(() => folder?.drop());

  test.skipIf(!canRun(engine))('processes and server killed at random: all end, no cap is exceeded', async () => {
    const { lost, over, missing, wrong } = await runWorkflowFleet({
      engine,
      target: database.target,
      url: urlOf(database.target),
      folder: folder.folder,
      workflows: 24,
      partitions: 6,
      processes: 2,
      random: seededRandom(4),
      killEverySteps: 12,
      workMs: 30,
      peaceAt: 6,
      giveUpMs: patience(120_000),
    });
    expect({ lost, over, missing, wrong }).toEqual({ lost: 0, over: 0, missing: 0, wrong: 0 });
  });
});

test.skipIf(!canRun('dbos'))('a workflow of DBOS that is cancelled stops, and frees its slot', async () => {
  await define('a', 'p', 1, 1);
  await query('create table effect (n bigint generated always as identity, workflow text, step text, what text)');
  const script = path.join(import.meta.dirname, '..', '..', 'bench', 'lib', 'workflow-worker.mjs');
  const child: ChildProcess = spawn(
    process.execPath,
    [script, 'dbos', JSON.stringify(database.target), dbosFolder()!, 'one', urlOf(database.target)],
    { stdio: ['pipe', 'pipe', 'ignore'], env: { ...process.env, WORK_MS: '600000' } },
  );
  try {
    const task = { connection: 'a', kind: 'sync', payload: {}, exclusive: true };
    child.stdin!.write(`${JSON.stringify({ start: 'x', task })}\n`);
    await until(async () => (await query('select 1 as x from effect')).length === 1);
    expect(await query('select holder from _headrace.slot')).toEqual([{ holder: 'x' }]);
    child.stdin!.write(`${JSON.stringify({ cancel: 'x' })}\n`);
    await until(async () => (await query('select 1 as x from _headrace.slot')).length === 0);
    const status = async () => (await query(`select status from dbos.workflow_status where workflow_uuid = 'x'`))[0];
    await until(async () => (await status())?.['status'] === 'CANCELLED');
    expect(await query('select what from effect')).toEqual([{ what: 'begin' }]);
  } finally {
    child.kill('SIGKILL');
  }
});
