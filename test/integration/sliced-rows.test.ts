/** Rows out of the bytes of a page leave the same in a database as the objects that JSON.parse makes of them. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { DataRecord, JsonSchema, WriteMode } from '../../src/base/catalog.js';
import { parseJson } from '../../src/base/json.js';
import { seededRandom, type Random } from '../../src/base/random.js';
import type { CommitReceipt, DestinationSession, PrepareInput, StateWrite } from '../../src/destinations/contract.js';
import type { PostgresDestination } from '../../src/destinations/postgres/destination.js';
import { slicedRows } from '../sliced-support.js';
import { query, testDatabase, uniqueName } from '../support.js';

const SCHEMA: JsonSchema = {
  properties: {
    id: { type: 'string' },
    created: { type: 'integer' },
    name: { type: ['string', 'null'] },
    price: { type: 'number' },
    live: { type: 'boolean' },
    at: { type: 'string', format: 'date-time' },
    day: { type: 'string', format: 'date' },
    tags: { type: 'object' },
    either: { type: ['string', 'integer'] },
    [`${'long'.repeat(20)}`]: { type: 'string' },
  },
};
const SOME_PAGES = 40;

/** One place for objects and one for slices. */
interface Side {
  schema: string;
  destination: PostgresDestination;
  session: DestinationSession;
}

let sides: Side[] = [];
beforeEach(() => {
  sides = [];
});
afterEach(async () => {
  for (const { session, destination } of sides) {
    await session.close();
    await destination.close();
  }
});

async function open(mode: WriteMode, schemaIsHint: boolean, primaryKey = ['id'], schema = SCHEMA): Promise<void> {
  for (let side = 0; side < 2; side++) {
    const name = uniqueName();
    const destination = await testDatabase(name);
    const session = await destination.open({
      connection: name,
      runId: 'run',
      streams: [{ name: 'things', schema, primaryKey, mode, schemaIsHint }],
      readOnly: false,
      startedMs: 1,
    });
    sides.push({ schema: name, destination, session });
  }
}

type Given = Omit<PrepareInput, 'stream' | 'records'> & { text: string };

/** Stores pages on both sides, as objects and as slices; their receipts must be the same. */
async function store(
  pages: Given[],
  more: { firstLoad?: boolean; state?: StateWrite[]; isBinary?: boolean } = {},
): Promise<void> {
  const receipts: CommitReceipt[] = [];
  for (const [index, { session }] of sides.entries()) {
    const rows = pages.map(({ text, ...input }) => {
      const records = index === 0 ? (parseJson(text) as DataRecord[]) : slicedRows(text, ['id'])!;
      return session.prepare({ ...input, stream: 'things', records });
    });
    const isBinary = rows.some((part) => (part as { types?: unknown }).types !== undefined);
    expect(isBinary).toBe(index === 1 && more.isBinary !== false);
    receipts.push(await session.commit({ rows, state: more.state ?? [], firstLoad: more.firstLoad ?? false }));
  }
  expect(receipts[1]).toEqual(receipts[0]);
}

/** All that is stored, with the columns that it is stored in. */
async function stored({ schema, destination }: Side, order: string): Promise<Record<string, unknown>> {
  const columns = await query(
    destination,
    `select column_name as name, data_type as type from information_schema.columns
     where table_schema = '${schema}' and table_name like 'things%' order by column_name`,
  );
  const [{ table } = { table: 'things' }] = await query(
    destination,
    `select table_name as table from information_schema.tables where table_schema = '${schema}' and table_name like 'things%'`,
  );
  // Numbers within JSON keep the digits that they came with: they are compared by value.
  const cells = columns.map(({ name, type }) => {
    const column = `"${String(name).replaceAll('"', '""')}"`;
    return type === 'jsonb' ? `${column} as ${column}` : `${column}::text as ${column}`;
  });
  const rows = await query(destination, `select ${cells.join(', ')} from "${schema}"."${table}" order by ${order}`);
  const quarantine = await query(
    destination,
    `select key, reason, raw::text as raw, digest, page from "${schema}"._headrace_quarantine order by digest`,
  ).catch(() => []);
  const [counter] = await query(
    destination,
    `select read, inserted, updated, unchanged, quarantined, deleted from _headrace.counter where connection = '${schema}'`,
  );
  const state = await query(
    destination,
    `select stream, key, version, value from _headrace.state where connection = '${schema}' order by key`,
  );
  const seen = await query(destination, `select key from _headrace.seen where connection = '${schema}' order by key`);
  return { columns, rows, quarantine, counter, state, seen };
}

async function expectSame(
  order = '"id"::text, "_headrace_page", "created"::text, "name"',
): Promise<Record<string, any>> {
  const [objects, slices] = await Promise.all(sides.map((side) => stored(side, order)));
  expect(slices).toEqual(objects);
  return slices!;
}

describe.each<[WriteMode, boolean]>([
  ['upsert', true],
  ['upsert', false],
  ['append', true],
  ['replace', true],
])('mode %s, a schema that is a hint: %s', (mode, isHint) => {
  test('pages at random', async () => {
    const random = seededRandom(mode.length + (isHint ? 100 : 0));
    await open(mode, isHint);
    let page = 0;
    for (let batch = 0; page < SOME_PAGES; batch++) {
      const pages = Array.from({ length: 1 + random.integer(4) }, (): Given => {
        const isReread = batch > 6 && mode === 'upsert';
        return {
          text: pageText(random),
          page: `0.1.${++page}`,
          version: 1_700_000_000_000 + 1000 * page,
          ...(isReread ? { remember: 2 } : {}),
          ...(isReread && random.integer(3) === 0 ? { deleted: [{ id: `i${random.integer(30)}` }] } : {}),
        };
      });
      const key = `range/${random.integer(1000)}/${batch}`;
      const state = [{ stream: 'things', key, expect: 0, value: { top: page } }];
      await store(pages, { firstLoad: batch < 4, state });
    }
    const { rows, quarantine, columns } = await expectSame();
    expect(rows.length).toBeGreaterThan(20);
    expect(columns.length).toBeGreaterThan(18);
    if (mode !== 'append') expect(quarantine.length).toBeGreaterThan(0);
  });
});

const wide = (fields: number, at = 0) =>
  Object.fromEntries(Array.from({ length: fields }, (_, i) => [`f${at + i}`, i]));

test.each<[string, string[]]>([
  [
    'a column becomes wider in the middle of a page',
    ['[{"id":"a","n":1},{"id":"b","n":1.5},{"id":"c","n":"x"},{"id":"d","n":true}]'],
  ],
  [
    'a column becomes wider after pages were prepared',
    ['[{"id":"a","n":1,"m":72057594037927937}]', '[{"id":"b","n":"x","m":"y"}]', '[{"id":"c","n":{}}]'],
  ],
  [
    'one key twice in a page, with and without escapes',
    ['[{"id":"a","n":1},{"id":"a","n":null,"x":"\\u0000"},{"id":"a","n":3}]', '[{"id":"a","x":1}]'],
  ],
  ['a field twice in a row', ['[{"id":"a","id":"b","n":"x","n":1}]']],
  [
    'names that are none of a column',
    ['[{"id":"a","__proto__":1,"constructor":2,"":3,"xmin":4,"_headrace_page":5,"toString":"x"}]'],
  ],
  [
    'more fields than a table has columns',
    [
      JSON.stringify([
        { id: 'a', ...wide(300) },
        { id: 'b', ...wide(300, 200) },
      ]),
      JSON.stringify([{ id: 'c', f1: 1, f499: null }]),
    ],
  ],
  [
    'keys that are no texts',
    ['[{"id":1},{"id":1.0},{"id":true},{"id":{"a":1}},{"id":[]},{"id":12345678901234567890}]'],
  ],
  [
    'keys that are long',
    [JSON.stringify([{ id: 'k'.repeat(1500) }, { id: 'k'.repeat(2500) }, { id: '\\'.repeat(1500) }])],
  ],
  ['nothing but a key', ['[{"id":"a"},{"id":"\\u00e9"},{"id":"é"}]', '[]']],
  [
    'numbers that a column cannot hold',
    [
      '[{"id":"a","n":9223372036854775807},{"id":"b","n":9223372036854775808},{"id":"c","n":1e400},{"id":"d","price":-1E-320}]',
    ],
  ],
  [
    'digits',
    [
      '[{"id":"a","price":0.1234567890123456789012},{"id":"b","price":1.10},{"id":"c","price":100},{"id":"d","price":-0.000012340},{"id":"e","price":-0}]',
    ],
  ],
  [
    'moments',
    [
      '[{"id":"a","at":"0001-01-01T00:00:00Z"},{"id":"b","at":"9999-12-31T23:59:59.999999-15:59"},{"id":"c","at":"1969-12-31T23:59:59.5Z","day":"0001-01-01"},{"id":"d","at":"0001-01-01T00:00:00+15:59","day":"9999-12-31"}]',
    ],
  ],
  [
    'JSON that no database takes',
    [
      '[{"id":"a","tags":{"x":"\\u0000"}},{"id":"b","tags":["\\ud83d"]},{"id":"c","tags":{"x":1e999}},{"id":"d","tags":{"\\ud83d\\ude00":1}}]',
    ],
  ],
])('%s', async (_, texts) => {
  await open('upsert', true);
  const pages = texts.map((text, at): Given => ({ text, page: `0.1.${at}`, version: 1000 + at }));
  await store(pages, { firstLoad: true });
  await expectSame('"id"::text');
  await store(pages.map((page) => ({ ...page, version: 5000, page: 'again' })));
  await expectSame('"id"::text');
});

test('fields that are not wanted come to no column', async () => {
  await open('upsert', true, ['id'], { properties: { id: { type: 'string' } } });
  const text = '[{"id":"a","name":"x","secret":{"a":1},"n":1},{"id":"b","secret":1,"name":{}}]';
  const records = slicedRows(text, ['id'], new Set(['id', 'name']))!;
  const { session, schema, destination } = sides[1]!;
  const rows = session.prepare({ stream: 'things', records, page: 'p', version: 1 });
  await session.commit({ rows: [rows], state: [], firstLoad: true });
  expect(await query(destination, `select id, name from "${schema}".things order by id`)).toEqual([
    { id: 'a', name: 'x' },
    { id: 'b', name: '{}' },
  ]);
  const columns = await query(
    destination,
    `select count(*)::int as n from information_schema.columns where table_schema = '${schema}' and column_name in ('secret', 'n')`,
  );
  expect(columns).toEqual([{ n: 0 }]);
});

test('a column that another made wider meanwhile gets what is meant', async () => {
  await open('upsert', true);
  // Eight bytes of such an integer are a text, and the first of small ones are those of a number.
  const text = (id: string) => `[{"id":"${id}","n":3544668469065756977,"m":7,"created":5}]`;
  await store([{ text: text('a'), page: '1', version: 1 }], { firstLoad: true });
  for (const { destination, schema } of sides)
    await query(
      destination,
      `alter table "${schema}".things alter n type text, alter m type numeric, alter created type integer`,
    );
  for (const firstLoad of [true, false])
    await store([{ text: text(`b${firstLoad}`), page: '2', version: 2 }], { firstLoad, isBinary: firstLoad });
  const { rows } = await expectSame('"id"');
  expect(rows.map(({ n, m, created }: DataRecord) => [n, m, created])).toEqual(
    Array.from({ length: 3 }, () => ['3544668469065756977', '7', '5']),
  );
});

test('rows that wait while their columns become wider are stored as the text of what they were', async () => {
  await open('upsert', true);
  const texts = [
    '[{"id":"a","at":"2026-01-01T02:00:00.50+02:00","day":"2026-02-28","n":5,"d":-0.5,"b":true,"t":"\\t\\\\"}]',
    '[{"id":"b","at":"0001-01-01T00:00:00+15:59","n":-9007199254740993,"d":1000000},{"id":"c","at":"9999-12-31T23:59:59.999999-01:00"}]',
    '[{"id":"d","at":"soon","day":"later","n":"x","d":{},"b":1}]',
  ];
  const { session, schema, destination } = sides[1]!;
  const rows = texts.map((text, at) =>
    session.prepare({ stream: 'things', records: slicedRows(text, ['id'])!, page: String(at), version: at }),
  );
  await session.commit({ rows, state: [], firstLoad: true });
  expect(await query(destination, `select id, at, day, n, d, b, t from "${schema}".things order by id`)).toEqual([
    { id: 'a', at: '2026-01-01T00:00:00.5Z', day: '2026-02-28', n: '5', d: '-0.5', b: 'true', t: '\t\\' },
    { id: 'b', at: '0001-12-31T08:01:00Z BC', day: null, n: '-9007199254740993', d: '1000000', b: null, t: null },
    { id: 'c', at: '10000-01-01T00:59:59.999999Z', day: null, n: null, d: null, b: null, t: null },
    { id: 'd', at: 'soon', day: 'later', n: 'x', d: '{}', b: '1', t: null },
  ]);
});

test('of rows that the database refuses, only those are set aside', async () => {
  await open('upsert', true);
  for (const { destination, schema } of sides)
    await query(destination, `alter table "${schema}".things add constraint not_five check (created <> 5)`);
  const text = `[${Array.from({ length: 20 }, (_, i) => `{"id":"i${i}","created":${i},"name":"a\\tb\\\\","tags":{"x":[${i}]},"price":-1.25,"live":true,"at":"2026-01-01T00:00:00.5Z","day":"2026-02-28","n":${i % 2 ? 0.001 : i * 1e9}}`).join(',')}]`;
  await store([{ text, page: '1', version: 1 }], { firstLoad: true });
  const { rows, quarantine } = await expectSame('"id"');
  expect(rows).toHaveLength(19);
  expect(quarantine).toHaveLength(1);
});

const NAMES = [
  'id',
  'created',
  'name',
  'price',
  'live',
  'at',
  'day',
  'tags',
  'either',
  'x1',
  'x2',
  'x3',
  'x4',
  'Ünï',
  'long'.repeat(20),
];
const TEXTS = [
  '',
  'plain',
  'tab\\t',
  'back\\\\slash',
  'quote\\"',
  'é😀',
  '\\u00e9',
  '\\ud83d\\ude00',
  '\\u0000',
  '\\ud800',
  '2026-01-01T10:00:00Z',
  '2026-02-30',
  '2026-02-28',
  '12',
  'true',
];
const NUMBERS = [
  '0',
  '1',
  '-7',
  '1700000000',
  '2.5',
  '2.50',
  '1e3',
  '-0',
  '9007199254740993',
  '12345678901234567890',
  '0.1000',
  '1e400',
];

function pageText(random: Random): string {
  const blank = random.integer(4) === 0 ? ' \n' : '';
  return `[${Array.from({ length: random.integer(25) }, () => rowText(random, blank)).join(`,${blank}`)}]`;
}

/** Most rows are as they should be; some have anything anywhere. */
function rowText(random: Random, blank: string): string {
  const members = [`"id":${random.integer(40) === 0 ? valueText(random, 1) : `"i${random.integer(60)}"`}`];
  const isOdd = random.integer(4) === 0;
  const usual: Record<string, string> = {
    created: String(1_600_000_000 + random.integer(1000)),
    name: `"name ${random.integer(5)}"`,
    price: `${random.integer(100)}.${random.integer(100)}`,
    live: random.integer(2) === 0 ? 'true' : 'false',
    at: '"2026-01-01T00:00:00.250Z"',
    day: '"2026-02-28"',
    tags: `{${blank}"a":${blank}[1,2.50,"x"]}`,
    either: random.integer(2) === 0 ? '5' : '"five"',
    x1: String(random.integer(1000)),
  };
  for (const name of NAMES.slice(1)) {
    if (random.integer(5) === 0) continue;
    const value =
      isOdd && random.integer(4) === 0
        ? valueText(random, 2)
        : (usual[name] ?? (isOdd ? valueText(random, 1) : 'null'));
    members.push(`"${name}"${blank}:${blank}${value}`);
  }
  return `{${blank}${members.join(`${blank},`)}}`;
}

function valueText(random: Random, depth: number): string {
  const pick = random.integer(depth > 0 ? 6 : 4);
  if (pick === 0) return 'null';
  if (pick === 1) return NUMBERS[random.integer(NUMBERS.length)]!;
  if (pick === 2) return `"${TEXTS[random.integer(TEXTS.length)]!}"`;
  if (pick === 3) return random.integer(2) === 0 ? 'true' : 'false';
  if (pick === 4) return `[${valueText(random, depth - 1)},${valueText(random, depth - 1)}]`;
  return `{"k":${valueText(random, depth - 1)},"\\u006b${random.integer(3)}":${valueText(random, depth - 1)}}`;
}
