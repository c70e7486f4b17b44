/** DuckDB as a destination: what it promises beside the conformance suite, and real processes that are killed. */
import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { DuckDBConnection } from '@duckdb/node-api';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { JsonType } from '../../src/base/catalog.js';
import { duckdbDestination } from '../../src/destinations/duckdb/destination.js';
import type { DestinationSession, OpenOptions } from '../../src/destinations/contract.js';
import { Engine } from '../../src/duckdb/engine.js';
import { startStripeTestbed, TESTBED_LIVE_KEY, type StripeTestbed } from '../../src/testbed/index.js';
import { headrace, scratch, syncStripe } from '../support.js';

let folder: string;
let drop: () => void;
let file: string;
beforeEach(() => {
  ({ folder, drop } = scratch());
  file = path.join(folder, 'shop.duckdb');
});
afterEach(() => drop());

async function rows(sql: string): Promise<Record<string, unknown>[]> {
  return (await duckdbDestination(file, 'shop').query!(sql, { write: true })).rows;
}

const options = (more: Partial<OpenOptions> = {}): OpenOptions => ({
  connection: 'shop',
  runId: 'run1',
  streams: [{ name: 'things', schema: { properties: { id: { type: 'string' } } }, primaryKey: ['id'], mode: 'upsert' }],
  readOnly: false,
  startedMs: 1_700_000_000_000,
  ...more,
});

async function within<T>(
  work: (session: DestinationSession) => Promise<T>,
  more: Partial<OpenOptions> = {},
): Promise<T> {
  const session = await duckdbDestination(file, 'shop').open(options(more));
  try {
    return await work(session);
  } finally {
    await session.close();
  }
}

const page = (session: DestinationSession, records: Record<string, unknown>[], version = 1, more = {}) =>
  session.commit({
    rows: [session.prepare({ stream: 'things', records, page: '1.1.1', version, ...more })],
    state: [],
    firstLoad: false,
  });

describe('a table', () => {
  test('keeps its columns, their fields and what is in them from session to session', async () => {
    const odd = { id: 'a', 'x"y': 1, Xy: 'up', xY: 'down', ['n'.repeat(80)]: true };
    await within((session) => page(session, [odd]));
    await within(async (session) => {
      await page(session, [{ ...odd, id: 'b', later: [1] }], 2);
      const found = await session.lookup('things', [{ id: 'a' }, { id: 'b' }]);
      expect(found).toEqual([
        { ...odd, later: null },
        { ...odd, id: 'b', later: [1] },
      ]);
    });
  });

  test.each([
    ['integers that become fractions', [1, 2.5], 'DOUBLE', [1, 2.5]],
    ['integers past 2^53 beside fractions', [2n ** 60n + 1n, 2.5], 'JSON', [2n ** 60n + 1n, 2.5]],
    ['fractions beside integers past 2^53', [2.5, 2n ** 60n + 1n], 'JSON', [2.5, 2n ** 60n + 1n]],
    ['integers past 64 bits', [1, 2n ** 70n], 'JSON', [1, 2n ** 70n]],
    ['numbers that become text', [1, 'x'], 'VARCHAR', ['1', 'x']],
    ['whole doubles that become text', [1.5, 2, 'x'], 'VARCHAR', ['1.5', '2', 'x']],
    ['truth that becomes text', [true, 'x'], 'VARCHAR', ['true', 'x']],
    ['objects beside text', ['x', { a: 1 }], 'VARCHAR', ['x', '{"a":1}']],
  ])('widens for %s, in one page and over sessions, without the loss of a digit', async (_, values, type, stored) => {
    const records = values.map((value, at) => ({ id: `one${at}`, value }));
    await within((session) => page(session, records));
    expect(
      await rows("select data_type from duckdb_columns() where schema_name = 'shop' and column_name = 'value'"),
    ).toEqual([{ data_type: type }]);
    await within((session) => page(session, records));
    await rows('drop schema shop cascade');
    for (const [at, value] of values.entries()) await within((session) => page(session, [{ id: `two${at}`, value }]));
    await within(async (session) => {
      const found = await session.lookup(
        'things',
        values.map((__, at) => ({ id: `two${at}` })),
      );
      expect(found.map((row) => row?.['value'])).toEqual(stored);
    });
  });

  test('widens its key', async () => {
    const keyed = options({
      streams: [{ name: 'things', schema: {}, schemaIsHint: true, primaryKey: ['id'], mode: 'upsert' }],
    });
    await within((session) => page(session, [{ id: 1 }, { id: 2 }]), keyed);
    await within((session) => page(session, [{ id: 'x' }, { id: 1, note: 'n' }], 2), keyed);
    expect(await rows('select id, note from shop.things order by id')).toEqual([
      { id: '1', note: 'n' },
      { id: '2', note: null },
      { id: 'x', note: null },
    ]);
  });

  test("leaves a user's column alone, and quarantines what a user's constraint refuses", async () => {
    await within((session) => page(session, [{ id: 'a', n: 1 }]));
    await rows("alter table shop.things add column mine varchar default 'm'");
    await rows('create unique index one_n on shop.things (n)');
    await within(async (session) => {
      const { counts } = await page(
        session,
        [
          { id: 'b', n: 1 },
          { id: 'c', n: 2 },
          { id: 'd', n: 2, mine: 'x' },
          { id: 'e', n: 3 },
        ],
        2,
      );
      expect(counts['things']).toMatchObject({ read: 4, inserted: 2, quarantined: 2 });
      expect(await session.quarantined('things')).toBe(2);
    });
    expect(await rows('select id, mine from shop.things order by id')).toEqual(
      ['a', 'c', 'e'].map((id) => ({ id, mine: 'm' })),
    );
    const set = await rows('select key, reason from shop._headrace_quarantine order by key');
    expect(set.map(({ key }) => key)).toEqual(['b', 'd']);
    expect(String(set[0]!['reason'])).toMatch(/database refused it: .*onstraint/);
  });

  test('is refused where somebody else made it', async () => {
    const engine = await Engine.open(file);
    await engine.rows('create schema shop');
    await engine.rows('create table shop.things (id varchar)');
    await engine.close();
    await expect(within(async () => {})).rejects.toMatchObject({ code: 'foreign_table' });
  });

  test('in mode replace is swapped in, and is read by another mode later', async () => {
    const replace = { ...options().streams[0]!, mode: 'replace' as const };
    await within((session) => page(session, [{ id: 'old' }]));
    await within(
      async (session) => {
        await session.restart('things');
        await page(session, [{ id: 'new', x: 1 }]);
        await session.publish('things');
      },
      { streams: [replace], runId: 'run2' },
    );
    expect(await rows('select id from shop.things')).toEqual([{ id: 'new' }]);
    await within(async (session) => {
      expect(await page(session, [{ id: 'new', x: 1 }], 2)).toMatchObject({ counts: { things: { unchanged: 1 } } });
    });
  });
});

/**
 * Work in a process that dies at its n-th statement: what is not committed by then is lost. Returns whether it died.
 */
async function dyingAt(at: number, work: () => Promise<unknown>): Promise<boolean> {
  let statements = 0;
  const { prototype } = DuckDBConnection;
  const spies = (['run', 'runAndReadAll'] as const).map((name) => {
    const original = prototype[name] as (...args: unknown[]) => Promise<never>;
    return vi.spyOn(prototype, name).mockImplementation(async function (this: DuckDBConnection, ...args: unknown[]) {
      if (name === 'run' && ++statements >= at) throw new Error('killed');
      return original.apply(this, args);
    });
  });
  try {
    await work();
    return false;
  } catch (error) {
    expect(String(error)).toContain('killed');
    return true;
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

describe('columns', () => {
  const fieldNames = () =>
    rows(`select column_name as name from duckdb_columns() where schema_name = 'shop' and table_name = 'things'
      and not starts_with(column_name, '_headrace_') order by name`);

  test('that a run made before it was killed are those of the next, whatever statement it came at', async () => {
    const schema = { properties: { note: {}, id: { type: 'string' as const } } };
    const streams = [{ ...options().streams[0]!, schema }];
    let kills = 0;
    for (let died = true; died; kills++) {
      for (const name of [file, `${file}.wal`]) rmSync(name, { force: true });
      const first = { id: 'a', note: 'n', later: 1 };
      died = await dyingAt(kills + 1, () => within((session) => page(session, [first]), { streams }));
      const stored = await within(
        async (session) => {
          const second = { id: 'b', note: [1], later: 2, last: true };
          for (const record of [second, first]) await page(session, [record], 2);
          return session.lookup('things', [{ id: 'a' }, { id: 'b' }]);
        },
        { streams, runId: 'run2' },
      );
      const place = `killed at statement ${kills + 1}`;
      expect(stored, place).toEqual([
        { id: 'a', note: 'n', later: 1, last: null },
        { id: 'b', note: [1], later: 2, last: true },
      ]);
      expect(await fieldNames(), place).toEqual(['id', 'last', 'later', 'note'].map((name) => ({ name })));
    }
    expect(kills).toBeGreaterThan(10);
  });

  test('hold what was given, in whatever order they came, and however often the file is opened again', async () => {
    const values: Record<string, fc.Arbitrary<unknown>> = {
      a: fc.integer(),
      A: fc.string({ unit: 'grapheme' }),
      b: fc.boolean(),
      '\0b': fc.integer(),
      'b\0': fc.boolean(),
      _headrace_page: fc.string(),
      // Of one run's these are integers that the other's widen.
      rate: fc.oneof(
        fc.integer(),
        fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => n + 0),
      ),
      select: fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => n + 0),
      ['n'.repeat(70)]: fc.constantFrom('x', 'y'),
      ['n'.repeat(71)]: fc.array(fc.integer()),
    };
    const types: Record<string, JsonType> = {
      a: 'integer',
      A: 'string',
      b: 'boolean',
      select: 'number',
      rate: 'number',
    };
    const names = Object.keys(values);
    const step = fc.record({
      record: fc.record(values, { requiredKeys: [] }),
      declared: fc.shuffledSubarray(['id', ...names]),
      opensAgain: fc.boolean(),
      who: fc.constantFrom('shop', 'other'),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), async (steps) => {
        for (const name of [file, `${file}.wal`]) rmSync(name, { force: true });
        const open = new Map<string, DestinationSession>();
        const expected = steps.map(({ record }, id) => ({ ...record, id: String(id) }));
        try {
          for (const [at, { declared, opensAgain, who }] of steps.entries()) {
            if (opensAgain || !open.has(who)) {
              await open.get(who)?.close();
              const properties = Object.fromEntries(declared.map((name) => [name, { type: types[name] ?? [] }]));
              const streams = [{ ...options().streams[0]!, schema: { properties } }];
              const more = { streams, connection: who, runId: `run${at}` };
              open.set(who, await duckdbDestination(file, 'shop').open(options(more)));
            }
            const { counts } = await page(open.get(who)!, [expected[at]!], at + 1);
            expect(counts['things']).toMatchObject({ inserted: 1, quarantined: 0 });
          }
        } finally {
          for (const session of open.values()) await session.close();
        }
        const found = await within((session) =>
          session.lookup(
            'things',
            expected.map(({ id }) => ({ id })),
          ),
        );
        const given = found.map((row) =>
          Object.fromEntries(Object.entries(row!).filter(([, value]) => value !== null)),
        );
        const storable = (value: unknown) => (typeof value === 'string' ? value.replaceAll('\0', '\ufffd') : value);
        expect(given).toEqual(
          expected.map((row) => Object.fromEntries(Object.entries(row).map(([key, value]) => [key, storable(value)]))),
        );
      }),
      { numRuns: 20, endOnFailure: true },
    );
  });

  test('that a user made and that must not be null refuse rows, and stop nothing', async () => {
    await within((session) => page(session, [{ id: 'a' }]));
    await rows("alter table shop.things add column mine varchar default 'm'");
    await rows('alter table shop.things alter mine set not null');
    await rows('alter table shop.things alter mine drop default');
    await within(async (session) => {
      const { counts } = await session.commit({
        rows: [session.prepare({ stream: 'things', records: [{ id: 'b' }], page: 'x', version: 2 })],
        state: [],
        firstLoad: true,
      });
      expect(counts['things']).toMatchObject({ inserted: 0, quarantined: 1 });
    });
  });
});

describe('what is wrong with the file is said', () => {
  test('no database, a folder that cannot be, nothing there yet, open elsewhere', async () => {
    writeFileSync(path.join(folder, 'text'), 'x'.repeat(20_000));
    await expect(duckdbDestination(path.join(folder, 'text'), 's').check()).rejects.toMatchObject({
      code: 'bad_database',
    });
    await expect(duckdbDestination(path.join(folder, 'text/x.duckdb'), 's').check()).rejects.toMatchObject({
      code: 'file_unreachable',
    });
    await expect(within(async () => {}, { readOnly: true })).rejects.toMatchObject({ code: 'no_state' });
    const session = await duckdbDestination(file, 'shop').open(options());
    const other = await headrace(['query', 'select 1', '--to', `duckdb:${file}`], { cwd: folder });
    expect(other.code).toBe(2);
    expect(other.stderr).toMatch(new RegExp(`open in another process[^]*process ${process.pid}`));
    await session.close();
  });
});

test('where the package is missing, one sentence says so, and the rest works', async () => {
  const hook = `export async function resolve(name, context, next) {
    if (name.startsWith('@duckdb/')) throw Object.assign(new Error("Cannot find package '" + name + "'"), { code: 'ERR_MODULE_NOT_FOUND' });
    return next(name, context);
  }`;
  const register = `import { register } from 'node:module'; register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(hook)}`)});`;
  writeFileSync(path.join(folder, 'without.mjs'), register);
  const env = { NODE_OPTIONS: `--import ${path.join(folder, 'without.mjs')}` };
  for (const to of ['duckdb:x.duckdb', 'parquet:lake']) {
    const ran = await headrace(['query', 'select 1', '--to', to, '--write'], { env, cwd: folder });
    expect(ran.code).toBe(2);
    expect(ran.stderr).toMatch(/DuckDB is not installed here[^]*npm install @duckdb\/node-api/);
  }
  expect((await headrace(['connectors', '--destinations'], { env, cwd: folder })).code).toBe(0);
});

describe('the command line', () => {
  let testbed: StripeTestbed;
  afterEach(() => testbed?.close());

  test('syncs, follows, verifies and queries; deletions become tombstones', async () => {
    testbed = await startStripeTestbed({ rows: 0, collections: { customers: { rows: 300 } } });
    const env = { STRIPE_API_KEY: TESTBED_LIVE_KEY, STRIPE_BASE_URL: testbed.url };
    const to = ['--to', `duckdb:${file}`, '--streams', 'customers'];
    const run = (args: string[]) => headrace(args, { env, cwd: folder });
    expect((await run(['check', 'stripe', ...to])).code).toBe(0);
    expect((await run(['sync', 'stripe', ...to, '-q'])).code).toBe(0);
    testbed.api.churn('deleted', 3);
    expect((await run(['sync', 'stripe', ...to, '-q'])).code).toBe(0);
    const verified = await run(['verify', 'stripe', ...to, '--api']);
    expect(verified.stdout).toMatch(/Proven: 1 stream/);
    const sql = 'select count(*) as n, count(_headrace_deleted_at) as gone from stripe.customers';
    expect((await run(['query', sql, '--json', '--to', `duckdb:${file}`])).stdout.trim()).toBe('{"n":300,"gone":1}');
    expect((await run(['query', 'delete from stripe.customers', '--to', `duckdb:${file}`])).code).toBe(2);
  });

  test('killed again and again, it resumes; nothing is missing, nothing double', async () => {
    testbed = await startStripeTestbed({
      rows: 0,
      collections: { customers: { rows: 6000, shape: 'growth' }, charges: { rows: 6000, shape: 'uniform' } },
      latency: { medianMs: 20, sigma: 0.3 },
    });
    const env = { STRIPE_API_KEY: TESTBED_LIVE_KEY, STRIPE_BASE_URL: testbed.url };
    const args = ['sync', 'stripe', '--to', `duckdb:${file}`, '--streams', 'customers,charges', '--json'];
    for (let kills = 1; kills <= 4; kills++) {
      // Each dies at its own number of requests, so that every run gets somewhere.
      const until = testbed.stats().requests + 12 + kills * 5;
      const killed = await headrace(args, {
        env,
        cwd: folder,
        signal: { name: 'SIGKILL', when: () => testbed.stats().requests >= until },
      });
      expect(killed.code).toBe(null);
    }
    const last = await headrace(args, { env, cwd: folder });
    expect(last.code).toBe(0);
    for (const stream of ['customers', 'charges']) {
      const account = testbed.api.rows.get(stream)!;
      const expected = Array.from({ length: account.size }, (_, i) => account.idOf(i)).toSorted();
      const stored = (await rows(`select id from stripe.${stream}`)).map(({ id }) => id as string).toSorted();
      expect(stored).toEqual(expected);
    }
    expect((await headrace(['verify', 'stripe', ...args.slice(2, 6)], { env, cwd: folder })).code).toBe(0);
  });

  test('a run in this process proves what it stored, in every mode', async () => {
    testbed = await startStripeTestbed({ rows: 40 });
    const inMode = async (mode: 'upsert' | 'append' | 'replace') => {
      const destination = duckdbDestination(path.join(folder, `${mode}.duckdb`), 'shop');
      const summary = await syncStripe({ url: testbed.url, destination, connection: 'shop', mode });
      expect(summary.problems, mode).toEqual([]);
      expect(summary.outcome, mode).toBe('complete');
    };
    await Promise.all([inMode('upsert'), inMode('append'), inMode('replace')]);
  });
});
