/** Columns for moments and dates, and what a schema says of its columns. */
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { isDate, parseInstant } from '../../src/base/instant.js';
import type { JsonSchema } from '../../src/base/catalog.js';
import type { DestinationSession } from '../../src/destinations/contract.js';
import type { PostgresDestination } from '../../src/destinations/postgres/destination.js';
import { differingFields } from '../../src/engine/run/same-value.js';
import { query, testDatabase, uniqueName } from '../support.js';

let destination: PostgresDestination;
let schema: string;
let sessions: DestinationSession[] = [];
beforeEach(async () => {
  schema = uniqueName();
  destination = await testDatabase(schema);
});
afterEach(async () => {
  for (const session of sessions) await session.close();
  sessions = [];
  await destination.close();
});

const SCHEMA: JsonSchema = {
  title: 'Things',
  description: 'What there is.',
  properties: {
    id: { type: 'string', format: 'date-time' },
    made: { type: ['null', 'string'], format: 'date-time', description: "When it was made; the API's clock" },
    due: { type: 'string', format: 'date' },
    xmin: { type: 'string', description: 'a name of the system' },
  },
};

async function open(given = SCHEMA, schemaIsHint = false): Promise<DestinationSession> {
  const session = await destination.open({
    connection: schema,
    runId: uniqueName(),
    streams: [{ name: 'things', schema: given, primaryKey: ['id'], mode: 'upsert', schemaIsHint }],
    readOnly: false,
    startedMs: Date.now(),
  });
  sessions.push(session);
  return session;
}

let page = 0;
async function store(session: DestinationSession, records: Record<string, unknown>[]): Promise<void> {
  const rows = session.prepare({ stream: 'things', records, page: `0.${page++}`, version: page });
  await session.commit({ rows: [rows], state: [], firstLoad: true });
}

const types = async () =>
  Object.fromEntries(
    (
      await query(
        destination,
        `select column_name as name, data_type as type from information_schema.columns where table_schema = '${schema}'
          and table_name = 'things'`,
      )
    ).map(({ name, type }) => [name, type]),
  );

test('formats become columns of their type; a key stays text', async () => {
  const session = await open();
  await store(session, [
    { id: '2026-01-01T00:00:00Z', made: '2026-01-01T02:00:00.5+02:00', due: '2026-02-28', xmin: 'x' },
  ]);
  expect(await types()).toMatchObject({ id: 'text', made: 'timestamp with time zone', due: 'date' });
  const [row] = await query(
    destination,
    `select made = '2026-01-01T00:00:00.5Z' as made, due = '2026-02-28' as due from "${schema}".things`,
  );
  expect(row).toEqual({ made: true, due: true });
  const [stored] = await session.lookup('things', [{ id: '2026-01-01T00:00:00Z' }]);
  expect(
    differingFields(
      { id: '2026-01-01T00:00:00Z', made: '2026-01-01T00:00:00.5Z', due: '2026-02-28', xmin: 'x' },
      stored!,
    ),
  ).toEqual([]);
});

test.each([false, true])('what does not parse widens its column to text and is said (hint: %s)', async (hint) => {
  const session = await open(SCHEMA, hint);
  await store(session, [{ id: 'a', made: '2026-01-01T00:00:00Z', due: '2026-01-31' }]);
  await store(session, [
    { id: 'b', made: 'last week', due: '31.01.2026' },
    { id: 'c', made: '2026-03-01T00:00:00+01:00' },
  ]);
  expect(await types()).toMatchObject({ made: 'text', due: 'text' });
  expect(session.notes!()).toEqual([
    'things: column made is text now: "last week" is no date with a time and a zone',
    'things: column due is text now: "31.01.2026" is no date',
  ]);
  const rows = await query(destination, `select id, made, due from "${schema}".things order by id`);
  expect(rows[1]).toMatchObject({ made: 'last week', due: '31.01.2026' });
  expect(rows[2]).toMatchObject({ made: '2026-03-01T00:00:00+01:00' });
  expect(parseInstant(rows[0]!['made'] as string)).toBe(parseInstant('2026-01-01T00:00:00Z'));
  expect(rows[0]!['due']).toBe('2026-01-31');
  expect(await session.quarantined('things')).toBe(0);
});

test('a table that exists keeps its columns, and one that was widened is not made narrow', async () => {
  const text: JsonSchema = { properties: { id: { type: 'string' }, made: { type: 'string' } } };
  const first = await open(text);
  await store(first, [{ id: 'a', made: '2026-01-01T00:00:00Z' }]);
  await first.close();
  const second = await open();
  await store(second, [{ id: 'b', made: '2026-01-02T00:00:00Z' }]);
  expect(await types()).toMatchObject({ made: 'text', due: 'date' });
  expect(second.notes!()).toEqual([]);
});

test('a process that has not heard of the widening does it again without harm', async () => {
  const [one, two] = [
    await open(),
    await destination.open({
      connection: schema,
      runId: uniqueName(),
      streams: [{ name: 'things', schema: SCHEMA, primaryKey: ['id'], mode: 'upsert' }],
      readOnly: false,
      beside: true,
      startedMs: Date.now(),
    }),
  ];
  sessions.push(two);
  await store(one, [{ id: 'a', made: 'soon' }]);
  await store(two, [{ id: 'b', made: '2026-01-01T00:00:00Z' }]);
  await store(two, [{ id: 'c', made: 'later' }]);
  const rows = await query(destination, `select made from "${schema}".things order by id`);
  expect(rows.map(({ made }) => made)).toEqual(['soon', '2026-01-01T00:00:00Z', 'later']);
});

test('what is believed to be a moment or a date is one for PostgreSQL, and the same', async () => {
  const part = (most: number, width = 2) =>
    fc.integer({ min: 0, max: most }).map((n) => String(n).padStart(width, '0'));
  const moment = fc
    .tuple(
      part(9999, 4),
      part(13),
      part(32),
      part(25),
      part(61),
      part(61),
      fc.constantFrom('', '.5', '.000001', '.1234567', '.9999990'),
      fc.constantFrom('Z', 'z', '+00:00', '-11:30', '+15:59', '+1600', ''),
    )
    .map(([y, mo, d, h, mi, s, f, z]) => `${y}-${mo}-${d}T${h}:${mi}:${s}${f}${z}`);
  const texts = fc.sample(moment, { numRuns: 3000, seed: 7 });
  const days = fc.sample(
    fc.tuple(part(9999, 4), part(13), part(32)).map((parts) => parts.join('-')),
    { numRuns: 1000, seed: 7 },
  );
  const moments = texts.filter((text) => parseInstant(text) !== undefined);
  const dates = days.filter(isDate);
  expect(moments.length).toBeGreaterThan(100);
  expect(dates.length).toBeGreaterThan(100);
  const session = await open();
  await store(
    session,
    moments.map((made, at) => ({ id: `m${at}`, made })),
  );
  await store(
    session,
    dates.map((due, at) => ({ id: `d${at}`, due })),
  );
  expect(await session.quarantined('things')).toBe(0);
  const rows = await query(
    destination,
    `select id, to_jsonb(made) #>> '{}' as made, due::text from "${schema}".things`,
  );
  expect(rows).toHaveLength(moments.length + dates.length);
  for (const { id, made, due } of rows) {
    const at = Number((id as string).slice(1));
    if (made !== null) expect(parseInstant(made as string), moments[at]).toBe(parseInstant(moments[at]!));
    else expect(due).toBe(dates[at]);
  }
});

test('titles and descriptions become comments; a renamed column keeps its name beside them', async () => {
  const session = await open();
  await store(session, [{ id: 'a', xmin: 'kept' }]);
  const comments = await query(
    destination,
    `select coalesce(a.attname, '') as name, d.description as text from pg_description d
       left join pg_attribute a on a.attrelid = d.objoid and a.attnum = d.objsubid and d.objsubid > 0
       where d.objoid = '"${schema}".things'::regclass order by 1`,
  );
  expect(comments).toEqual([
    { name: '', text: 'Things: What there is.' },
    { name: 'made', text: "When it was made; the API's clock" },
    { name: expect.stringMatching(/^xmin./), text: 'headrace field: "xmin"\na name of the system' },
  ]);
  await session.close();
  const again = await open();
  expect((await again.lookup('things', [{ id: 'a' }]))[0]).toMatchObject({ xmin: 'kept' });
});

test('what a newer schema promises as something else is written as text into a column that is text', async () => {
  const of = (type: JsonSchema['type']): JsonSchema => ({
    properties: { id: { type: 'string' }, owner: { type: type! }, count: { type: type! } },
  });
  const first = await open(of('string'));
  await store(first, [{ id: 'a', owner: 'acct_1', count: 'none' }]);
  await first.close();
  const second = await open(of(['string', 'object']));
  await store(second, [
    { id: 'b', owner: { id: 'acct_2' }, count: 7 },
    { id: 'c', owner: 'acct_3', count: true },
  ]);
  const rows = await query(destination, `select id, owner, count from ${schema}.things order by id`);
  expect(rows).toEqual([
    { id: 'a', owner: 'acct_1', count: 'none' },
    { id: 'b', owner: '{"id":"acct_2"}', count: '7' },
    { id: 'c', owner: 'acct_3', count: 'true' },
  ]);
  expect(await second.quarantined('things')).toBe(0);
});
