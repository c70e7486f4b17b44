/** Processes that share one credential's budget in PostgreSQL: real processes, real HTTP, a real SIGKILL. */
import { serialize } from 'node:v8';
import { deflateRawSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startFlood, tinyServer, type Flood } from '../../bench/lib/floods.js';
import { machineMs, SentClock } from '../../bench/lib/sent-times.js';
import { SharedGate } from '../../src/gate/shared/shared-gate.js';
import { BudgetStore } from '../../src/gate/shared/budget-store.js';
import { systemClock } from '../../src/base/clock.js';
import { CredentialGate } from '../../src/gate/credential-gate.js';
import type { PostgresDestination } from '../../src/destinations/postgres/destination.js';
import { connect } from '../../src/postgres/connect.js';
import { migrate } from '../../src/postgres/migrations.js';
import type { Testbed } from '../../src/testbed/server.js';
import { patience, until } from '../patience.js';
import { testDatabase, uniqueName } from '../support.js';

let destination: PostgresDestination;
let testbed: Testbed | undefined;

beforeAll(async () => {
  destination = await testDatabase();
  const client = await connect(destination.target, 'test');
  await migrate(client);
  await client.end();
});
afterAll(async () => {
  await testbed?.close();
  await destination.close();
});

const budgetClient = (name: string) => connect(destination.target, name, { pipeline: true });

/** Processes that send as fast as their budget lets them, until `enough`; the clock knows when each request left. */
async function flood(
  limit: string,
  options: Record<string, unknown>,
  enough: (sent: SentClock, floods: Flood[]) => Promise<unknown>,
) {
  const sent = new SentClock();
  testbed = await tinyServer(limit, 20, sent);
  const scope = uniqueName();
  const floods = Array.from({ length: 3 }, () =>
    startFlood({ url: testbed!.url, seconds: patience(600), target: destination.target, scope, ...options }),
  );
  await Promise.all(floods.map((each) => each.ready));
  await enough(sent, floods);
  for (const { child } of floods) child.kill('SIGTERM');
  const results = await Promise.all(floods.map((each) => each.done));
  const stats = testbed.stats();
  await testbed.close();
  sent.close();
  return { results, stats, sent };
}

test('a gate that another version of Headrace wrote is not gone on with', async () => {
  const scope = uniqueName();
  const [store, client] = [
    await BudgetStore.open(await budgetClient('test'), scope, 'one'),
    await connect(destination.target, 'test'),
  ];
  const read = async () => {
    const row = await store.lock(performance.now());
    await store.release();
    return row.read();
  };
  const state = { gate: new CredentialGate({}), open: new Map(), nextId: 7, askedAtMs: 0, bootMs: 0 };
  await store.lock(performance.now());
  await store.keep(null, state);
  expect((await read())?.nextId).toBe(7);
  for (const foreign of [state, { layout: 1, state }, { layout: 99, state }]) {
    await client.query('update _headrace.budget set state = $2 where scope = $1', [
      scope,
      deflateRawSync(serialize(foreign)),
    ]);
    expect(await read()).toBeUndefined();
  }
  await store.close();
  await client.end();
});

describe('a budget that processes share', () => {
  test('three together keep a window that headers state, and each has its part', async () => {
    const { results, stats } = await flood('ietf', { dialect: 'generic' }, (sent) =>
      // A hundred in ten seconds: these are more than one window.
      until(() => sent.requests > 120),
    );
    expect(stats.rejections).toBe(0);
    const parts = results.map((result) => result!.accepted);
    const jain = parts.reduce((a, b) => a + b, 0) ** 2 / (parts.length * parts.reduce((a, b) => a + b * b, 0));
    expect(jain).toBeGreaterThan(0.85);
  });

  test('together they never exceed max_rate, and who is killed leaves its part to the others', async () => {
    const options = {
      dialect: 'airtable',
      facts: [{ name: 'requests', scope: 'credential', usual: { requests: 60, windowMs: 1000 } }],
      ceilings: { maxRate: { requests: 300, windowMs: 10_000 } },
    };
    const { results, sent } = await flood('intercom', options, async (sent, floods) => {
      await until(() => sent.requests > 100);
      floods[0]!.child.kill('SIGKILL');
      const killedMs = machineMs();
      // With their own parts alone, the others would never send more than 200 in ten seconds.
      await until(() => sent.mostIn(10_000, { fromMs: killedMs }) > 225);
    });
    expect(sent.mostIn(10_000)).toBeLessThanOrEqual(300);
    expect(results.filter((result) => result === undefined)).toHaveLength(1);
  });
});

describe('the row', () => {
  const open = async (scope: string, member: string, fence?: { task: string; attempt: number }) =>
    BudgetStore.open(await budgetClient(member), scope, member, fence);
  const gate = () =>
    new SharedGate(
      { facts: [{ name: 'requests', scope: 'credential', usual: { requests: 1000, windowMs: 1000 } }] },
      systemClock,
    );
  const request = { endpoint: 'a', cost: 1 };

  /** How long after `sinceMs` the gate lets a request go, and why it did not before; later is no fault when busy. */
  async function admitted(own: SharedGate, sinceMs: number): Promise<{ afterMs: number; reasons: Set<string> }> {
    const reasons = new Set<string>();
    const look = () => {
      const verdict = own.check(systemClock.monotonic(), request);
      if (!verdict.go) reasons.add(verdict.reason);
      return verdict.go;
    };
    await until(look, { everyMs: 5, what: 'a request that may go' });
    return { afterMs: systemClock.monotonic() - sinceMs, reasons };
  }

  test('an owner hands over when another one comes, and what it learned goes along', async () => {
    const scope = uniqueName();
    const [first, second] = [gate(), gate()];
    await first.attach(
      () => open(scope, 'first'),
      'first',
      () => {},
    );
    const ticket = first.sent(systemClock.monotonic(), request);
    const blockedMs = systemClock.monotonic();
    first.answered(blockedMs, ticket, {
      kind: 'rejected',
      signs: { readings: [], rejection: { limit: 'requests', reason: 'rate', retryAfterMs: 3000 } },
      serverTimeMs: undefined,
    });
    await second.attach(
      () => open(scope, 'second'),
      'second',
      () => {},
    );
    // The block that the first one met holds the second as well.
    expect((await admitted(second, blockedMs)).afterMs).toBeGreaterThan(2900);
    await first.close();
    await second.close();
  });

  test.each([
    ['left in good order', true],
    ['crashed', false],
  ])('a database that was started again after all %s', async (_, isClean) => {
    const scope = uniqueName();
    const first = gate();
    await first.attach(
      () => open(scope, 'first'),
      'first',
      () => {},
    );
    first.answered(systemClock.monotonic(), first.sent(systemClock.monotonic(), request), {
      kind: 'accepted',
      signs: { readings: [] },
      serverTimeMs: undefined,
    });
    await first.close();
    const store = await open(scope, 'between');
    const state = (await store.lock(performance.now())).read()!;
    expect(state.left).toBe(true);
    await store.keep(null, { ...state, bootMs: 1, left: isClean });
    await store.leave();
    await store.close();
    const second = gate();
    const attachedMs = systemClock.monotonic();
    await second.attach(
      () => open(scope, 'second'),
      'second',
      () => {},
    );
    // What was granted shortly before a crash may be forgotten: a second passes before anything is sent.
    const { afterMs, reasons } = await admitted(second, attachedMs);
    if (isClean) expect([...reasons].filter((reason) => reason !== 'shared budget')).toEqual([]);
    else expect(afterMs).toBeGreaterThan(900);
    await second.close();
  });

  test('who vanishes without a word is taken over from, within two seconds or so', async () => {
    const scope = uniqueName();
    const client = await budgetClient('first');
    const first = gate();
    await first.attach(
      () => BudgetStore.open(client, scope, 'first'),
      'first',
      () => {},
    );
    first.sent(systemClock.monotonic(), request);
    (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
    const second = gate();
    await second.attach(
      () => open(scope, 'second'),
      'second',
      () => {},
    );
    await admitted(second, systemClock.monotonic());
    await second.close();
    await first.close();
  });

  test('an attempt that a later one replaced is refused', async () => {
    const scope = uniqueName();
    const old = gate();
    await old.attach(
      () => open(scope, 'old', { task: 't', attempt: 1 }),
      'old',
      () => {},
    );
    await expect(open(scope, 'new', { task: 't', attempt: 2 }).then((store) => store.close())).resolves.toBeUndefined();
    const refusal = await until(() => {
      try {
        return void old.check(systemClock.monotonic(), request);
      } catch (error) {
        return error as Error;
      }
    });
    expect(refusal).toMatchObject({ code: 'stale_attempt' });
    await old.close();
    const late = gate();
    await expect(
      late.attach(
        () => open(scope, 'late', { task: 't', attempt: 1 }),
        'late',
        () => {},
      ),
    ).rejects.toMatchObject({ code: 'stale_attempt' });
    await late.close();
  });

  test('a connection that is lost is opened again, and the budget stays shared', async () => {
    const scope = uniqueName();
    const clients: Awaited<ReturnType<typeof connect>>[] = [];
    const own = gate();
    const errors: unknown[] = [];
    await own.attach(
      async () => {
        clients.push(await budgetClient('lossy'));
        return BudgetStore.open(clients.at(-1)!, scope, 'lossy');
      },
      'lossy',
      (error) => errors.push(error),
    );
    await clients[0]!.end();
    await until(() => clients.length > 1);
    await admitted(own, systemClock.monotonic());
    expect(clients).toHaveLength(2);
    expect(errors).toEqual([]);
    await own.close();
  });

  test('without the store a process waits for it, then goes on alone, and says so', async () => {
    const scope = uniqueName();
    const client = await budgetClient('lonely');
    const own = gate();
    const errors: unknown[] = [];
    await own.attach(
      () => BudgetStore.open(client, scope, 'lonely'),
      'lonely',
      (error) => errors.push(error),
      4000,
    );
    const lostMs = systemClock.monotonic();
    await client.end();
    const refusal = await until(() => {
      const verdict = own.check(systemClock.monotonic(), request);
      return !verdict.go && verdict.limit === 'the database is gone' && { verdict, told: errors.length };
    });
    expect(refusal).toMatchObject({ verdict: { reason: 'shared budget' }, told: 0 });
    expect((await admitted(own, lostMs)).afterMs).toBeGreaterThan(3000);
    expect(errors).toHaveLength(1);
    await own.close();
  });
});
