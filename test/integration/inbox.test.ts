/** Events of webhooks between their arrival and the task that reads what they name. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../src/base/clock.js';
import { seededRandom } from '../../src/base/random.js';
import { WebhookInbox } from '../../src/fleet/scheduler/inbox.js';
import { Scheduler } from '../../src/fleet/scheduler/scheduler.js';
import type { ClaimedTask } from '../../src/fleet/scheduler/task.js';
import { taskOf } from '../../src/fleet/tasks/kinds.js';
import { freshDatabase } from '../support.js';

let database: Awaited<ReturnType<typeof freshDatabase>>;
let scheduler: Scheduler;
const CONNECTIONS = ['a', 'b', 'c'];

beforeAll(async () => {
  database = await freshDatabase();
  scheduler = await Scheduler.open(database.target, 12);
});
afterAll(async () => {
  await scheduler?.close();
  await database?.drop();
});
beforeEach(async () => {
  await scheduler.pool.query(
    `truncate _headrace.task, _headrace.connection, _headrace.partition, _headrace.app, _headrace.worker,
      _headrace.webhook_event cascade`,
  );
  // Two of them share a partition.
  for (const id of CONNECTIONS)
    await scheduler.define({
      id,
      app: 'app',
      partition: id === 'c' ? 'own' : 'shared',
      limit: { requests: 100, frequencySeconds: 1 },
      maxConcurrent: 20,
    });
  await scheduler.join({ id: 'w', host: 'here', pid: 1, version: 'test', slots: 1000 }, 3_600_000);
});

const store = (inbox: WebhookInbox, connection: string, id: string, body: Record<string, unknown> = {}) =>
  inbox.store(connection, { id, body }, taskOf(connection, 'changes'));

/** What is delayed is due: looked at under the locks that any change of a task wants. */
const itIsTime = () =>
  scheduler.pool.transaction(async (client) => {
    await client.query(`select _headrace.lock_partitions('{own,shared}')`);
    await client.query(`update _headrace.task set run_at = now() where state = 'delayed'`);
    await client.query('update _headrace.partition set delayed_at = now() where delayed_at is not null');
  });

test('one task at a time handles them, and an event is never without one that will see it (15 histories)', async () => {
  const inboxes = [new WebhookInbox(scheduler), new WebhookInbox(scheduler)];
  for (let seed = 1; seed <= 15; seed++) {
    await scheduler.pool.query('truncate _headrace.task, _headrace.webhook_event');
    await scheduler.pool.query('update _headrace.connection set running = 0, exclusive_running = 0, head = null');
    await scheduler.pool.query('update _headrace.partition set running = 0, ready = false, delayed_at = null');
    const random = seededRandom(seed);
    const running: { task: ClaimedTask; hasLooked: boolean }[] = [];
    let last = 0;
    for (let step = 0; step < 25; step++) {
      const dice = random.next();
      if (dice < 0.4) {
        const sent = Array.from({ length: 1 + random.integer(5) }, () => {
          const isAgain = last > 0 && random.next() < 0.3;
          return { id: `e${isAgain ? 1 + random.integer(last) : ++last}`, inbox: inboxes[random.integer(2)]! };
        });
        await Promise.all(sent.map(({ id, inbox }) => store(inbox, CONNECTIONS[Number(id.slice(1)) % 3]!, id)));
      } else if (dice < 0.65) {
        for (const task of await scheduler.claim('w', 1 + random.integer(3))) {
          if (await inboxes[0]!.isHandled(task.connection, task.id))
            await scheduler.settle([{ ...task, settlement: { state: 'again', runAt: new Date(Date.now() + 1000) } }]);
          else running.push({ task, hasLooked: false });
        }
        const owners = running.map(({ task }) => task.connection);
        expect(new Set(owners).size, `two at once in history ${seed}`).toBe(owners.length);
      } else if (dice < 0.85 && running.length > 0) {
        const at = random.integer(running.length);
        const { task, hasLooked } = running[at]!;
        if (hasLooked) {
          await scheduler.complete([task]);
          running.splice(at, 1);
        } else {
          const seen = await inboxes[0]!.waiting(task.connection, 1000);
          await inboxes[0]!.handled(
            task.connection,
            seen.map(({ id }) => id),
          );
          running[at]!.hasLooked = true;
        }
      } else await itIsTime();
      const behind = await scheduler.pool.query(
        `select distinct e.connection_id as connection from _headrace.webhook_event e where handled_at is null
          and not exists (
           select 1 from _headrace.task t where t.connection_id = e.connection_id
             and t.state in ('queued', 'delayed'))`,
      );
      for (const { connection } of behind)
        expect(
          running.some(({ task, hasLooked }) => task.connection === connection && !hasLooked),
          `an event without a task to come, history ${seed}, step ${step}`,
        ).toBe(true);
    }
    const [{ n }] = (await scheduler.pool.query('select count(*)::int as n from _headrace.webhook_event')) as [
      { n: number },
    ];
    expect(n).toBe(last);
  }
});

test('sent twice, to two servers, beside workers: each is new once, seen once, and none is left', async () => {
  const inboxes = [new WebhookInbox(scheduler), new WebhookInbox(scheduler)];
  const random = seededRandom(5);
  const fresh = new Map<string, number>();
  const seen = new Map<string, number>();
  const EVENTS = 400;
  let arriving = true;
  const sent = (async () => {
    for (let n = 0; n < EVENTS;) {
      const burst = Array.from({ length: Math.min(EVENTS - n, 1 + random.integer(20)) }, () => `e${n++}`);
      const twice = inboxes.flatMap((inbox) => burst.toSorted(() => random.next() - 0.5).map((id) => ({ inbox, id })));
      await Promise.all(
        twice.map(async ({ inbox, id }) => {
          if (await store(inbox, CONNECTIONS[Number(id.slice(1)) % 3]!, id)) fresh.set(id, (fresh.get(id) ?? 0) + 1);
        }),
      );
    }
    arriving = false;
  })();
  const worker = async () => {
    const [inbox] = inboxes as [WebhookInbox, WebhookInbox];
    for (;;) {
      const isOver = !arriving;
      const [task] = await scheduler.claim('w', 1);
      if (!task) {
        if (
          isOver &&
          (await scheduler.pool.query('select 1 as x from _headrace.webhook_event where handled_at is null limit 1'))
            .length === 0
        )
          return;
        await itIsTime();
        await systemClock.sleep(2);
        continue;
      }
      if (await inbox.isHandled(task.connection, task.id)) {
        await scheduler.settle([{ ...task, settlement: { state: 'again', runAt: new Date(Date.now() + 1000) } }]);
        continue;
      }
      for (;;) {
        const waiting = await inbox.waiting(task.connection, 7);
        if (waiting.length === 0) break;
        for (const { id } of waiting) seen.set(id, (seen.get(id) ?? 0) + 1);
        await inbox.handled(
          task.connection,
          waiting.map(({ id }) => id),
        );
      }
      await scheduler.complete([task]);
    }
  };
  await Promise.all([sent, worker(), worker(), worker()]);
  expect([...fresh.values()].filter((times) => times !== 1)).toEqual([]);
  expect(fresh.size).toBe(EVENTS);
  expect([...seen.values()].filter((times) => times !== 1)).toEqual([]);
  expect(seen.size).toBe(EVENTS);
  expect(await scheduler.upkeep.reconcile()).toBe(0);
});

test('one that cannot be stored is refused by itself, whatever arrives with it', async () => {
  const inbox = new WebhookInbox(scheduler);
  const answers = await Promise.allSettled([
    store(inbox, 'a', 'first'),
    store(inbox, 'a', 'one'),
    store(inbox, 'gone', 'two'),
    store(inbox, 'b', 'nul', { text: '\u0000' }),
    store(inbox, 'b', 'three'),
  ]);
  expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'rejected', 'fulfilled']);
  const stored = await scheduler.pool.query('select event_id from _headrace.webhook_event order by 1');
  expect(stored.map((row) => row['event_id'])).toEqual(['first', 'one', 'three']);
});

test('a task that failed is not hurried by each event, and one that waits is not put off', async () => {
  const inbox = new WebhookInbox(scheduler);
  await store(inbox, 'a', 'one');
  const [task] = await scheduler.claim('w', 1);
  await scheduler.fail(task!, { code: 'x', message: 'm' }, new Date(Date.now() + 600_000));
  await store(inbox, 'a', 'two');
  const due = async () =>
    (
      await scheduler.pool.query<{ s: number }>(
        `select extract(epoch from run_at - now())::float8 as s from _headrace.task`,
      )
    )[0]!.s;
  const first = await due();
  expect(first).toBeGreaterThan(1);
  expect(first).toBeLessThanOrEqual(30);
  await store(inbox, 'a', 'three');
  expect(await due()).toBeLessThanOrEqual(first);
  expect(await scheduler.claim('w', 1)).toEqual([]);
});
