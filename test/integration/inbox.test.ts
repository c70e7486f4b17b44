/** Events of webhooks between their arrival and the task that reads what they name. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { LIMITS } from '../../src/base/bounds.js';
import { systemClock } from '../../src/base/clock.js';
import { ConfigError, FatalError, RetriableError } from '../../src/base/errors.js';
import { seededRandom } from '../../src/base/random.js';
import { failureOf } from '../../src/fleet/scheduler/ending.js';
import { WebhookInbox } from '../../src/fleet/scheduler/inbox.js';
import { Scheduler } from '../../src/fleet/scheduler/scheduler.js';
import type { ClaimedTask } from '../../src/fleet/scheduler/task.js';
import type { ConnectionAccess } from '../../src/fleet/tasks/access.js';
import { changesTask, patientMs } from '../../src/fleet/tasks/changes.js';
import { taskOf } from '../../src/fleet/tasks/kinds.js';
import { failureOf as wayOf } from '../../src/http/failures.js';
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

const onTheWay = (code: string) => wayOf(Object.assign(new Error('x'), { code }), 'https://api.example.com')!.error;

describe('what is away', () => {
  const error = { code: 'attempts_exhausted', message: 'the API did not answer usefully' };
  const due = async () =>
    scheduler.pool.query<{ state: string; failures: number; s: number }>(
      `select state, failures, extract(epoch from run_at - now())::float8 as s from _headrace.task order by id`,
    );

  test('makes no dead letter however often it is tried, and failures of another kind still do (12 histories)', async () => {
    for (let seed = 1; seed <= 12; seed++) {
      await scheduler.pool.query('truncate _headrace.task');
      await scheduler.pool.query('update _headrace.connection set running = 0, exclusive_running = 0, head = null');
      await scheduler.pool.query('update _headrace.partition set running = 0, ready = false, delayed_at = null');
      const random = seededRandom(seed);
      const id = (await scheduler.enqueue([taskOf('a', 'changes')]))[0]!.id;
      let expected = 0;
      for (let step = 0; step < 30; step++) {
        await itIsTime();
        const [task] = await scheduler.claim('w', 1);
        expect(task, `history ${seed}, step ${step}`).toMatchObject({ id, failures: expected });
        const isPatient = random.next() < 0.8;
        const runAt = new Date(Date.now() + 60_000);
        const [ended] = await scheduler.settle([
          { ...task!, settlement: { state: isPatient ? 'patient' : 'failed', error, runAt } },
        ]);
        // Eight make a dead letter; what passes by itself counts up to four.
        if (isPatient) expected = Math.max(expected, Math.min(expected + 1, 4));
        else expected++;
        expect(ended!.state, `history ${seed}, step ${step}`).toBe(!isPatient && expected >= 8 ? 'dead' : 'delayed');
        if (ended!.state === 'dead') break;
      }
      expect(await scheduler.upkeep.reconcile()).toBe(0);
    }
  });

  test('is not asked more often for events that come meanwhile, one by one or beside its task', async () => {
    const inbox = new WebhookInbox(scheduler);
    await store(inbox, 'a', 'one');
    let asked = 0;
    for (let round = 0; round < 12; round++) {
      const [task] = await scheduler.claim('w', 1);
      if (!task) break;
      asked++;
      await store(inbox, 'a', `beside ${round}`);
      // What waits beside it is due by now.
      await itIsTime();
      await scheduler.settle([
        { ...task, settlement: { state: 'patient', error, runAt: new Date(Date.now() + 600_000) } },
      ]);
      await store(inbox, 'a', `after ${round}`);
    }
    expect(asked).toBe(1);
    const [waits] = (await due()).filter(({ state }) => state === 'delayed');
    expect(waits!.failures).toBe(1);
    expect(waits!.s).toBeGreaterThan(20);
    expect(waits!.s).toBeLessThanOrEqual(30);
    expect(await scheduler.upkeep.reconcile()).toBe(0);
  });

  const away = (failure: Error): ConnectionAccess => ({
    name: 'a',
    mode: 'upsert',
    newRunId: () => 'run',
    openSource: () => Promise.reject(failure),
    openDestination: () => Promise.reject(failure),
  });
  const outcome = async (failure: Error) => {
    const handled = changesTask(undefined, away(failure), new WebhookInbox(scheduler), over.signal, systemClock);
    return handled.then(
      ({ state }) => state,
      (thrown: unknown) => failureOf(thrown, over.signal, 0).state,
    );
  };
  const over = new AbortController();
  test.each([
    ['an API that does not answer', new RetriableError('x', { code: 'attempts_exhausted' }), 'patient'],
    ['one that asks for hours', new RetriableError('x', { code: 'retry_after_too_long' }), 'patient'],
    ['a certificate that ran out', onTheWay('CERT_HAS_EXPIRED'), 'patient'],
    ['a proxy without the API', onTheWay('HPE_INVALID_CONSTANT'), 'patient'],
    ['a database that is away', new ConfigError('x', { code: 'database_unreachable' }), 'patient'],
    ['a database that was lost', new RetriableError('x', { code: 'database_lost' }), 'patient'],
    ['a key that the API refused', new ConfigError('x', { code: 'stripe_key_rejected' }), 'dead'],
    ['a setting that is wrong', new ConfigError('x', { code: 'config_invalid' }), 'dead'],
    ['a request that the API refused', new FatalError('x', { code: 'stripe_refused' }), 'failed'],
    ['a fault of our own', new Error('undefined is not a function'), 'failed'],
  ])('%s: %s is %s', async (_, failure, state) => {
    await store(new WebhookInbox(scheduler), 'a', 'one');
    expect(await outcome(failure)).toBe(state);
  });

  test('is waited for as long as events are worth it', async () => {
    await store(new WebhookInbox(scheduler), 'a', 'one');
    const failure = new RetriableError('x', { code: 'attempts_exhausted' });
    const old = (ms: number) =>
      scheduler.pool.query(`update _headrace.webhook_event set received_at = now() - make_interval(secs => $1)`, [
        ms / 1000,
      ]);
    await old(LIMITS.webhookPatienceMs - 60_000);
    expect(await outcome(failure)).toBe('patient');
    await old(LIMITS.webhookPatienceMs + 60_000);
    expect(await outcome(failure)).toBe('failed');
    expect([0, 60_000, 86_400_000].map(patientMs)).toEqual([5_000, 15_000, 900_000]);
  });
});
