/** Tables change under other hands: what no longer agrees is said, and one re-read makes it whole. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { seededRandom } from '../../src/base/random.js';
import type { PostgresDestination } from '../../src/destinations/postgres/destination.js';
import { targetsOf } from '../../src/engine/read/context.js';
import { resetStream } from '../../src/engine/run/reset.js';
import { verifyAgainstApi, verifyLedger } from '../../src/engine/run/verify.js';
import type { Division, Follow, PageRequest, Source, Stream } from '../../src/sources/contract.js';
import { newRunId } from '../../src/wiring/compose.js';
import { liveIds, memoryStream, syncMemory, type MemoryRow, type MemorySync } from '../memory-support.js';
import { query, testDatabase, uniqueName } from '../support.js';

const T0 = 1_795_000_000;
const PAGE = 10;
const clock = { now: T0 };

let destination: PostgresDestination;
let name: string;
let all: MemoryRow[];
let table: string;
beforeEach(async () => {
  name = uniqueName();
  table = `"${name}".things`;
  destination = await testDatabase(name);
  all = Array.from({ length: 45 }, (_, i) => ({
    id: `r${String(i).padStart(3, '0')}`,
    at: T0 - 90_000 + i * 37,
    note: `n${i}`,
  }));
});
afterEach(() => destination.close());

const RANGE: Division = {
  kind: 'range',
  unit: 1,
  order: 'descending',
  pageRows: PAGE,
  position: (row) => Number(row['at']),
};

function listed({ gte, lt, cursor }: PageRequest) {
  const found = all
    .filter((row) => row.at >= (gte ?? -Infinity) && row.at < (lt ?? Infinity))
    .toSorted((a, b) => b.at - a.at);
  const start = cursor === null ? 0 : found.findIndex((row) => row.id === cursor) + 1;
  const records = found.slice(start, start + PAGE);
  return { records, hasMore: start + PAGE < found.length, next: records.at(-1)?.id ?? null };
}

const stream = (kind: Follow['kind'], more: Partial<Stream> = {}) =>
  memoryStream(clock, { division: RANGE, follow: { kind } as Follow, ...more }, listed);
const sync = (kind: Follow['kind'], more: MemorySync = {}) =>
  syncMemory(destination, name, clock, [stream(kind)], { createdMs: (T0 - 100_000) * 1000, ...more });
const faultsOf = async (kind: Follow['kind'], more: MemorySync = {}) => {
  const { outcome, proofs } = await sync(kind, more);
  return { outcome, faults: proofs.flatMap((proof) => proof.faults).join() };
};
const sourceOf = (one: Stream): Source => ({
  name: 'memory',
  streams: [one],
  changes: undefined,
  check: async () => ({ id: 'memory', createdMs: undefined, serverTimeMs: clock.now * 1000 }),
  close: async () => {},
});

async function inSession<T>(
  readOnly: boolean,
  work: (session: Awaited<ReturnType<PostgresDestination['open']>>) => Promise<T>,
): Promise<T> {
  const session = await destination.open({
    connection: name,
    runId: newRunId(),
    streams: targetsOf([stream('cursor')], 'upsert'),
    readOnly,
    startedMs: Date.now(),
  });
  try {
    return await work(session);
  } finally {
    await session.close();
  }
}

const again: [string, () => Promise<MemorySync>][] = [
  [
    'state reset',
    async () => {
      await inSession(false, (session) => resetStream(session, [stream('cursor')], 'things', undefined, undefined));
      return {};
    },
  ],
  ['one re-read', async () => ({ again: { request: uniqueName() } })],
];

const hands: [string, string, RegExp][] = [
  ['a row deleted', "delete from {t} where id = 'r007'", /45 rows are stored, the destination holds 44: 1 row/],
  ['all rows gone', 'truncate {t}', /holds \d+: 45 rows were removed/],
  ['the table dropped', 'drop table {t}', /holds \d+: 45 rows were removed/],
  ['a row added', "insert into {t} (id, at) values ('mine', 5)", /holds 46: 1 row was added .*mine/],
];

describe.each(again)('%s makes a stream whole', (_, ask) => {
  test.each(hands)('%s', async (_what, sql, said) => {
    expect(await faultsOf('cursor')).toEqual({ outcome: 'complete', faults: '' });
    await query(destination, sql.replace('{t}', table));
    for (let i = 0; i < 2; i++) {
      const { outcome, faults } = await faultsOf('cursor');
      expect([outcome, faults]).toEqual(['partial', expect.stringMatching(said)]);
      expect(faults).toContain('headrace state reset');
    }
    for (const more of [await ask(), {}, {}])
      expect(await faultsOf('cursor', more)).toEqual({ outcome: 'complete', faults: '' });
    expect((await liveIds(destination, name)).filter((id) => id !== 'mine')).toEqual(all.map(({ id }) => id));
    const proofs = await inSession(true, (session) => verifyLedger(session, sourceOf(stream('cursor')), 'upsert'));
    expect(proofs[0]!.faults).toEqual([]);
  });

  test('a row that the destination loses during the re-read is no less a fault', async () => {
    await sync('cursor');
    const more = await ask();
    let asked = 0;
    const losing: Stream = {
      ...stream('cursor'),
      page: async (request) => {
        if (++asked === 2) await query(destination, `delete from ${table} where id = 'r044'`);
        return stream('cursor').page(request);
      },
    };
    const summary = await syncMemory(destination, name, clock, [losing], { createdMs: (T0 - 100_000) * 1000, ...more });
    expect(summary.outcome).toBe('partial');
    expect(await faultsOf('cursor', await ask())).toEqual({ outcome: 'complete', faults: '' });
  });
});

test('a stream that is read again by every run heals by itself', async () => {
  await sync('reread');
  await query(destination, `delete from ${table} where id in ('r007', 'r008')`);
  expect(await faultsOf('reread')).toEqual({ outcome: 'complete', faults: '' });
  expect(await liveIds(destination, name)).toHaveLength(45);
});

test('rows of another connection stay apart from the account, however often the stream is read again', async () => {
  await sync('reread');
  await inSession(false, async (session) => {
    await query(destination, `delete from _headrace.counter where connection = '${name}'`);
    await session.writeState(
      (await session.loadState()).map(({ stream: of, key, version }) => ({
        stream: of,
        key,
        expect: version,
        value: null,
      })),
    );
  });
  for (let i = 0; i < 3; i++) expect(await faultsOf('reread')).toEqual({ outcome: 'complete', faults: '' });
});

describe('quarantine', () => {
  const spoil = (i: number, at: unknown = 'yesterday') => {
    all[i] = { ...all[i]!, at: at as number };
  };
  // A position that cannot be read is none: the list itself is asked by another field.
  const chained = (kind: Follow['kind']) =>
    memoryStream(clock, { division: { kind: 'chain', pageRows: PAGE }, follow: { kind } as Follow }, ({ cursor }) => {
      const start = Number(cursor ?? 0);
      return {
        records: all.slice(start, start + PAGE),
        next: String(start + PAGE),
        hasMore: start + PAGE < all.length,
      };
    });
  const syncChained = (more: MemorySync = {}) => syncMemory(destination, name, clock, [chained('reread')], more);
  const entries = () => query(destination, `select key from "${name}"._headrace_quarantine order by key`);

  test('a row leaves when it fits at a later read, and only that one', async () => {
    const good = all[3]!.at;
    spoil(3);
    spoil(4);
    expect((await syncChained()).outcome).toBe('partial');
    expect(await entries()).toEqual([{ key: 'r003' }, { key: 'r004' }]);
    spoil(3, good);
    expect((await syncChained()).outcome).toBe('partial');
    expect(await entries()).toEqual([{ key: 'r004' }]);
    spoil(4, good + 1);
    expect((await syncChained()).outcome).toBe('complete');
    expect(await entries()).toEqual([]);
    expect((await syncChained()).outcome).toBe('complete');
  });

  const schema: Stream['schema'] = {
    type: 'object',
    properties: { id: { type: 'string' }, at: { type: 'integer' }, flag: { type: 'boolean' } },
  };
  const following = async () =>
    (await syncMemory(destination, name, clock, [stream('cursor', { schema })], { createdMs: (T0 - 100_000) * 1000 }))
      .outcome;
  const late = (flag: unknown): MemoryRow => ({ id: 'r900', at: T0 - 50, flag });

  test('a row leaves when it fits in what a later run follows', async () => {
    await following();
    all.push(late('no boolean'));
    expect(await following()).toBe('partial');
    expect(await entries()).toEqual([{ key: 'r900' }]);
    all.pop();
    all.push(late(true));
    expect(await following()).toBe('complete');
    expect(await entries()).toEqual([]);
    expect(await liveIds(destination, name)).toContain('r900');
  });

  test('a run is complete once the entry is deleted by hand, and not before', async () => {
    await following();
    all.push(late('no boolean'));
    expect(await following()).toBe('partial');
    all.pop();
    expect(await following()).toBe('partial');
    await query(destination, `delete from "${name}"._headrace_quarantine`);
    expect(await following()).toBe('complete');
    all.push(late('no boolean'));
    expect(await following()).toBe('partial');
  });
});

describe('verify --api compares values, both ways', () => {
  const verify = (one = stream('reread')) =>
    inSession(true, (session) =>
      verifyAgainstApi(session, sourceOf(one), 8, seededRandom(1), new AbortController().signal),
    );
  const said = async (one?: Stream) => (await verify(one)).flatMap((sample) => sample.faults).join('\n');

  test.each([
    ['nothing altered', 'select 1', /^$/],
    ['a value altered', "update {t} set note = 'forged' where id = 'r043'", /r043 \(note\)/],
    ['a value emptied', "update {t} set note = null where id = 'r043'", /r043 \(note\)/],
    ['a row deleted', "delete from {t} where id = 'r042'", /r042/],
    ['a row added within', `insert into {t} (id, at) values ('forged', ${T0 - 90_000 + 44 * 37})`, /forged/],
    ['a row added anywhere', "insert into {t} (id) values ('forged')", /forged/],
    [
      'a row copied',
      `insert into {t} (id, at, _headrace_run_id) select 'forged', at, _headrace_run_id from {t} where id = 'r044'`,
      /forged/,
    ],
    ['a live row marked deleted', "update {t} set _headrace_deleted_at = now() where id = 'r044'", /r044/],
  ])('%s', async (_, sql, words) => {
    await sync('reread');
    await query(destination, sql.replaceAll('{t}', table));
    expect(await said()).toMatch(words);
  });

  test('values that a table writes otherwise are the same', async () => {
    Object.assign(all[44]!, {
      amount: 1.5,
      large: 2n ** 70n,
      nested: { b: [1, { c: null }], a: 'x\0' },
      mixed: 1,
      text: 'a\0b',
      none: null,
    });
    Object.assign(all[43]!, { amount: 2, large: 1, nested: {}, mixed: 'text', text: '' });
    Object.assign(all[42]!, { mixed: { b: 1, a: [2] }, large: 1e21 });
    await sync('reread');
    expect(await said()).toBe('');
  });
});
