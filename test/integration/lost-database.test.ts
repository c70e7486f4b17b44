/**
 * A database that is lost in the middle of a run: restarted, crashed, cut off, taken by another run, or gone for good.
 */
import { createServer, connect as dial, type Server, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { RestartableServer } from '../../bench/lib/restartable-server.js';
import { systemClock } from '../../src/base/clock.js';
import { postgresDestination, type PostgresDestination } from '../../src/destinations/postgres/destination.js';
import { CONNECTION_LOCK } from '../../src/destinations/postgres/lock.js';
import { RetriableError } from '../../src/base/errors.js';
import type { Progress, RunEvent, RunSummary } from '../../src/engine/report/events.js';
import { runPart } from '../../src/engine/share/part.js';
import { connect } from '../../src/postgres/connect.js';
import { startStripeTestbed, type StripeTestbed } from '../../src/testbed/index.js';
import { openSource } from '../../src/wiring/compose.js';
import { stripeConfigSchema, type StripeConfig } from '../../src/sources/stripe/config.js';
import { TESTBED_LIVE_KEY } from '../../src/testbed/index.js';
import { borrow } from '../borrower-support.js';
import { query, scratch, syncStripe, uniqueName, urlOf } from '../support.js';

const work = scratch();
let server: RestartableServer;
let testbed: StripeTestbed;
let name: string;

beforeAll(async () => {
  server = await RestartableServer.open(work.folder);
});
afterAll(async () => {
  await server.stop();
  work.drop();
});
beforeEach(() => {
  name = uniqueName();
});
afterEach(() => testbed?.close());

const start = async (rows: number, medianMs = 40, shape: 'bulk' | 'uniform' = 'bulk') => {
  testbed = await startStripeTestbed({ collections: { customers: { rows, shape } }, latency: { medianMs } });
};
const target = (waitMs?: number) => postgresDestination(urlOf(server.target), name, undefined, { waitMs });
const sync = (destination: PostgresDestination, more: Partial<Parameters<typeof syncStripe>[0]> = {}) =>
  syncStripe({
    url: testbed.url,
    destination,
    connection: name,
    source: { streams: ['customers'], rate_limit: { global: 60, endpoint: 60 } },
    ...more,
  });

async function expectExact(destination: PostgresDestination, rows: number): Promise<void> {
  const [found] = await query(
    destination,
    `select count(*)::int as rows, count(distinct id)::int as keys from "${name}".customers`,
  );
  expect(found).toEqual({ rows, keys: rows });
}

/** Runs `act` once, when so many rows were committed. */
function after(rows: number, act: () => void): (event: RunEvent) => void {
  let seen = 0;
  return (event) => {
    if (event.type !== 'committed' || seen >= rows) return;
    seen += event.rows;
    if (seen >= rows) act();
  };
}

describe('a database that is lost', () => {
  test('restarted for three seconds: the wait is told, and the run goes on by itself', async () => {
    await start(5000);
    const events: RunEvent[] = [];
    const destination = target();
    let restarted: Promise<void> | undefined;
    const act = after(1000, () => (restarted = server.restart('fast', 3000)));
    const summary = await sync(destination, {
      emit: (event) => {
        events.push(event);
        act(event);
      },
    });
    await restarted;
    expect(summary).toMatchObject({ outcome: 'complete', proofs: [{ faults: [] }] });
    expect(events).toContainEqual(
      expect.objectContaining({ type: 'wait', reason: expect.stringContaining('the database is gone') }),
    );
    await expectExact(destination, 5000);
  });

  test('crashed, with the last commits forgotten: it reads on from what is stored', async () => {
    await start(4000);
    for (const at of [400, 900, 1700]) {
      let restarted: Promise<void> | undefined;
      name = uniqueName();
      const destination = target();
      const summary = await sync(destination, {
        emit: after(at, () => (restarted = server.restart('immediate', 200))),
      });
      await restarted;
      expect(summary).toMatchObject({ outcome: 'complete', proofs: [{ faults: [] }] });
      await expectExact(destination, 4000);
    }
  });

  test('begun anew after a crash, it is one run to who watches, and where another took it, it ends as paused', async () => {
    await start(3000);
    const destination = target();
    const told = { events: [] as RunEvent[], watched: 0, snapshot: undefined as (() => Progress) | undefined };
    const watch: Parameters<typeof sync>[1] = {
      emit: (event) => told.events.push(event),
      onProgress: (snapshot) => {
        told.watched++;
        told.snapshot = snapshot;
      },
    };
    expect((await sync(forgetful(destination), watch)).outcome).toBe('complete');
    expect(told.events.filter(({ type }) => type === 'started')).toHaveLength(1);
    expect(told.events).toContainEqual(
      expect.objectContaining({ type: 'note', message: expect.stringContaining('read on from what is stored') }),
    );
    expect(told.watched).toBe(1);
    expect(told.snapshot!().streams.filter(({ status }) => status !== 'complete')).toEqual([]);
    await expectExact(destination, 3000);

    name = uniqueName();
    const taken = target();
    const thief = await connect(server.target, 'thief');
    const steal = async () =>
      void thief.query(`select pg_advisory_lock(hashtextextended($1, ${CONNECTION_LOCK}))`, [name]);
    const ended = await sync(forgetful(taken, steal)).catch((error: unknown) => error);
    await thief.end();
    expect(ended).toMatchObject({ code: 'connection_taken', exitCode: 75 });
    expect((await sync(taken)).outcome).toBe('complete');
    await expectExact(taken, 3000);
  });

  test.each(['upsert', 'append'] as const)('cut off again and again, mode %s: every row once', async (mode) => {
    await start(4000);
    const proxy = await cuttingProxy(server);
    const destination = postgresDestination(proxy.url, name);
    const summary = await sync(destination, { mode });
    expect(summary).toMatchObject({ outcome: 'complete', proofs: [{ faults: [] }] });
    expect(proxy.cuts()).toBeGreaterThan(2);
    await proxy.close();
    await expectExact(target(), 4000);
  });

  test('cut off at any message, from the first on: the run waits, and goes on', async () => {
    await start(150, 0);
    const proxy = await cuttingProxy(server, () => false);
    expect((await sync(postgresDestination(proxy.url, name))).outcome).toBe('complete');
    await proxy.close();
    const all = proxy.messages();
    // All those while it opens, and some of the rest.
    for (let at = 1; at <= all; at += at < 20 ? 1 : 17) {
      name = uniqueName();
      const cutting = await cuttingProxy(server, () => false, at);
      const ended = await sync(postgresDestination(cutting.url, name)).catch((error: unknown) => error);
      await cutting.close();
      expect([at, ended]).toMatchObject([at, { outcome: 'complete', proofs: [{ faults: [] }] }]);
      await expectExact(target(), 150);
    }
  });

  test('a run whose connection was taken meanwhile ends as paused', async () => {
    await start(5000);
    const destination = target();
    const thief = await connect(server.target, 'thief');
    const steal = async () => {
      // It waits for the lock when the session is cut, and so gets it first.
      const locked = thief.query(`select pg_advisory_lock(hashtextextended($1, ${CONNECTION_LOCK}))`, [name]);
      await systemClock.sleep(100);
      await query(
        destination,
        `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'headrace ${name}'`,
      );
      await locked;
    };
    const ended = await sync(destination, { emit: after(500, () => void steal()) }).catch((error: unknown) => error);
    await thief.end();
    expect(ended).toMatchObject({ code: 'connection_taken', exitCode: 75 });
    expect((await sync(destination)).outcome).toBe('complete');
    await expectExact(destination, 5000);
  });

  test('gone for good: the run ends when the wait is over, and says what to do', async () => {
    await start(3000);
    const proxy = await cuttingProxy(server, () => false);
    let failure: unknown;
    const summary: RunSummary | undefined = await sync(
      postgresDestination(proxy.url, name, undefined, { waitMs: 1500 }),
      {
        emit: after(300, () => void proxy.close()),
      },
    ).catch((error: unknown) => {
      failure = error;
      return undefined;
    });
    expect(summary ? summary.problems[0]?.code : (failure as { code: string }).code).toBe('database_lost');
    const whole = target();
    expect((await sync(whole)).outcome).toBe('complete');
    await expectExact(whole, 3000);
  });

  test('a borrower that stands still says so, gives its part back, and the run goes on', async () => {
    await start(6000, 60, 'uniform');
    const destination = target();
    const told: RunEvent[] = [];
    let part: Promise<unknown> | undefined;
    const summary = await sync(destination, {
      emit: (event) => {
        if (event.type === 'started')
          part = borrow({
            url: testbed.url,
            connection: name,
            destination: target(),
            run: event.runId,
            told,
            page: () => new Promise<never>(() => {}),
          });
      },
    });
    expect(summary).toMatchObject({ outcome: 'complete', proofs: [{ faults: [] }] });
    expect(await part).toMatchObject({ code: 'stalled', exitCode: 75 });
    expect(told).toContainEqual(
      expect.objectContaining({ type: 'note', message: expect.stringContaining('customers: 1 pages asked for') }),
    );
    await expectExact(destination, 6000);
  });

  test('a read that two share goes on after a restart', async () => {
    // Rows that can be divided for long: there is something to lend whenever the second has joined.
    await start(20_000, 150, 'uniform');
    const destination = target();
    const events: RunEvent[] = [];
    const config = stripeConfigSchema.parse({
      connector: 'stripe',
      api_key: TESTBED_LIVE_KEY,
      base_url: testbed.url,
      streams: ['customers'],
      // Slow enough that who helps is there before the end, on a busy machine too.
      rate_limit: { global: 20, endpoint: 20 },
    }) as StripeConfig;
    let runId = '';
    let restarted: Promise<void> | undefined;
    let part: Promise<{ rows: number }> | undefined;
    const act = after(2500, () => (restarted = server.restart('fast', 2000)));
    const summary = await sync(destination, {
      emit: (event) => {
        events.push(event);
        act(event);
        if (event.type === 'started') {
          ({ runId } = event);
          part = openSource({
            name,
            source: config,
            destination: { type: 'embedded', mode: 'upsert' },
            dataDir: '',
          }).then(async ({ source, permits }) => {
            try {
              return await runPart({
                source,
                permits,
                destination: target(),
                connection: name,
                run: runId,
                borrower: 'helper',
                mode: 'upsert',
                clock: systemClock,
                signal: new AbortController().signal,
              });
            } finally {
              await source.close();
            }
          });
        }
      },
    });
    await restarted;
    expect(summary).toMatchObject({ outcome: 'complete', proofs: [{ faults: [] }] });
    expect((await part)!.rows).toBeGreaterThan(0);
    await expectExact(destination, 20_000);
  });
});

/** Its third commit finds that the database crashed and forgot the ones before. */
function forgetful(destination: PostgresDestination, meanwhile = async () => {}): PostgresDestination {
  let commits = 0;
  const forget = async () => {
    await meanwhile();
    throw new RetriableError('the database forgot the last commits when it crashed', { code: 'commits_forgotten' });
  };
  return {
    ...destination,
    open: async (options) => {
      const session = await destination.open(options);
      let forgot = false;
      return new Proxy(session, {
        get(of, key) {
          const value: unknown = Reflect.get(of, key, of);
          if (key === 'commit') forgot ||= ++commits === 3;
          if (forgot && (key === 'commit' || key === 'finishRun' || key === 'counts')) return forget;
          return typeof value === 'function' ? value.bind(of) : value;
        },
      });
    },
  };
}

interface CuttingProxy {
  url: string;
  cuts(): number;
  /** What the client sent so far. */
  messages(): number;
  close(): Promise<void>;
}

/**
 * Passes everything on; some commits reach the server and their answers do not come back, nor does the one to the
 * message `at`.
 */
async function cuttingProxy(
  to: RestartableServer,
  cut: (count: number) => boolean = (n) => n % 5 === 3,
  at = 0,
): Promise<CuttingProxy> {
  let commits = 0;
  let cuts = 0;
  let messages = 0;
  const sockets = new Set<Socket>();
  const proxy: Server = createServer((from) => {
    const there = dial(`${to.target.options.host}/.s.PGSQL.5432`);
    for (const socket of [from, there]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        from.destroy();
        if (socket === there) return;
        there.end();
      });
    }
    let open = true;
    from.on('data', (data) => {
      there.write(data);
      const isChosen = ++messages === at;
      if (!isChosen && (!data.includes('commit\0') || !cut(commits++))) return;
      cuts++;
      open = false;
      from.destroy();
    });
    there.on('data', (data) => open && from.write(data));
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const { port } = proxy.address() as { port: number };
  const { user, password, database } = to.target.options;
  return {
    url: `postgres://${user}:${String(password)}@127.0.0.1:${port}/${database}`,
    cuts: () => cuts,
    messages: () => messages,
    close: async () => {
      const closed = new Promise((resolve) => proxy.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
