/** Tables are the user's too: columns that they add, constraints that they set. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { DataRecord, WriteMode } from '../../src/base/catalog.js';
import type { PostgresDestination } from '../../src/destinations/postgres/destination.js';
import { query, testDatabase, uniqueName } from '../support.js';

const name = uniqueName();
let destination: PostgresDestination;

beforeAll(async () => {
  destination = await testDatabase(name);
});
afterAll(() => destination.close());

let version = 1_700_000_000_000;

const open = (mode: WriteMode) =>
  destination.open({
    connection: name,
    runId: uniqueName(),
    streams: [
      {
        name: 'things',
        schema: { type: 'object', properties: { id: { type: 'string' } } },
        schemaIsHint: true,
        primaryKey: ['id'],
        mode,
      },
    ],
    readOnly: false,
    startedMs: version,
  });

async function store(records: DataRecord[], firstLoad = false) {
  const session = await open('upsert');
  try {
    const rows = session.prepare({ stream: 'things', records, page: '1.1.1', version: ++version });
    return (await session.commit({ rows: [rows], state: [], firstLoad })).counts['things']!;
  } finally {
    await session.close();
  }
}

const table = `"${name}".things`;

test("the user's own columns are never written, generated ones do not stop a stream, and fields of their names go elsewhere", async () => {
  await store([{ id: 'a', amount: 1, gone: 'x' }], true);
  await query(
    destination,
    `alter table ${table} add column note text default 'mine',
      add column twice numeric generated always as (amount * 2) stored`,
  );
  await query(destination, `update ${table} set note = 'written by hand'`);
  await store([
    { id: 'a', amount: 2 },
    { id: 'b', amount: 3, note: 'from the API' },
  ]);
  await store([{ id: 'a', amount: 4, note: 'from the API' }]);
  const rows = await query(destination, `select to_jsonb(t) as row from ${table} t order by id`);
  expect(rows.map(({ row }) => [row.note, row.amount, row.twice, row.gone])).toEqual([
    ['written by hand', 4, 8, null],
    ['mine', 3, 6, null],
  ]);
  const api = Object.keys(rows[0]!['row']).find((key) => key.startsWith('note_'))!;
  expect(rows.map(({ row }) => row[api])).toEqual(['from the API', 'from the API']);
});

test("a constraint of the user's sets aside the rows that break it, with the database's words", async () => {
  await query(destination, `alter table ${table} add constraint small check (amount < 100)`);
  const counts = await store([
    { id: 'c', amount: 5 },
    { id: 'd', amount: 500 },
    { id: 'e', amount: 6 },
  ]);
  expect(counts).toMatchObject({ read: 3, inserted: 2, quarantined: 1 });
  const [row] = await query(destination, `select reason, key, raw from "${name}"._headrace_quarantine where key = 'd'`);
  expect(row).toMatchObject({
    reason: expect.stringContaining('check constraint "small"'),
    raw: expect.stringContaining('500'),
  });
});

test('a table that was dropped is made anew', async () => {
  await query(destination, `drop table ${table}`);
  expect(await store([{ id: 'a', amount: 1, more: true }])).toMatchObject({ inserted: 1, quarantined: 0 });
  expect(await query(destination, `select id, more from ${table}`)).toEqual([{ id: 'a', more: true }]);
});

test('mode replace keeps grants, and says before it begins that a view stands in its way', async () => {
  await query(destination, `grant select on ${table} to public`);
  const session = await open('replace');
  try {
    await session.restart('things');
    await session.commit({
      rows: [session.prepare({ stream: 'things', records: [{ id: 'new' }], page: '1.1.1', version })],
      state: [],
      firstLoad: true,
    });
    await session.publish('things');
  } finally {
    await session.close();
  }
  const [grant] = await query(
    destination,
    `select count(*)::int as n from information_schema.role_table_grants where table_schema = '${name}'
      and table_name = 'things' and grantee = 'PUBLIC'`,
  );
  expect(grant).toEqual({ n: 1 });
  await query(destination, `create view "${name}".watching as select id from ${table}`);
  const again = await open('replace');
  await expect(again.restart('things')).rejects.toMatchObject({
    code: 'views_depend',
    found: expect.stringContaining('watching'),
  });
  await again.close();
  expect(await query(destination, `select id from "${name}".watching`)).toEqual([{ id: 'new' }]);
});
