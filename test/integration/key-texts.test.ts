/** A row that comes again is the row that is stored, whatever its key is made of: none is marked deleted, none is added. */
import path from 'node:path';
import { expect, test } from 'vitest';
import { seededRandom } from '../../src/base/random.js';
import { stringifyJson } from '../../src/base/json.js';
import { jsonbText, plainNumber } from '../../src/destinations/postgres/stored-text.js';
import { textSql } from '../../src/duckdb/columns.js';
import { loadLibrary } from '../../src/duckdb/engine.js';
import type { RunSummary } from '../../src/engine/report/events.js';
import { openDestination } from '../../src/wiring/compose.js';
import { api, connection } from '../manifest-reading.js';
import { Reply, manifestOf, streamOf } from '../manifest-support.js';
import { query, scratch, testDatabase, uniqueName } from '../support.js';

const NUMBERS = [
  '0',
  '-0',
  '1',
  '1.5',
  '1.50',
  '1E2',
  '1e21',
  '1e-7',
  '-1e-9',
  '12345678901234567890',
  '0.10',
  '1.0',
  '1e3',
];
/** Keys of each kind, as an API may write them, and how many of them are distinct. */
const KEYS: Record<string, [type: string, keys: string[], distinct: number]> = {
  numbers: ['number', [...NUMBERS, '9007199254740993', '1e16', '1.2345e19', '1e-5'], 14],
  texts: [
    'string',
    [
      '"a"',
      '"A"',
      '" a"',
      '"a "',
      '"e\u0301"',
      '"\u00e9"',
      '"a\\u0000b"',
      '"\\ud800"',
      '"1"',
      '"{}"',
      '"\\\\"',
      '"\\t"',
    ],
    12,
  ],
  truths: ['boolean', ['true', 'false'], 2],
  lists: ['array', ['[]', '[1]', '[1, 2]', '["a","b"]', '[[1],{"a":null}]', '[1.50,1e2,1e-7]'], 6],
  objects: [
    'object',
    ['{}', '{"a":1}', '{"bb":1,"a":2}', '{"a":{"c":[1],"b":"x y"}}', '{"\u00e9":"\\u0000"}', '{"a":1e21}'],
    6,
  ],
  mixed: ['string', ['1', '"a"', 'true', '[1,2]', '{"b":1,"a":[true]}', '1.5', '"1e2"', '1e22'], 8],
  times: ['string, format: date-time', ['"2024-01-01"', '"2024-01-01T00:00:00Z"', '"2024-01-01T00:00:00+02:00"'], 3],
};
const names = Object.keys(KEYS);

const seen = ({ proofs }: RunSummary) =>
  Object.fromEntries(
    proofs.map(({ stream, tombstones, stored, quarantined, faults }) => [
      stream,
      { tombstones, stored, quarantined, faults },
    ]),
  );

const opened = (kind: string, name: string, folder: string) =>
  kind === 'postgres'
    ? testDatabase(name)
    : openDestination({
        name,
        dataDir: folder,
        destination: { type: kind, path: path.join(folder, 'x'), mode: 'upsert' },
      } as never);

const kinds = ['postgres', 'duckdb', 'parquet'];
test.each(kinds.flatMap((kind) => ['a stated', 'no stated'].map((types) => [kind, types] as const)))(
  '%s, keys of %s type',
  async (kind, types) => {
    const name = uniqueName();
    const { folder, drop } = scratch();
    const destination = await opened(kind, name, folder);
    const server = await api(({ path: at, query: asked }) => {
      const [, keys] = KEYS[at.slice(1)]!;
      // The last comes alone, so that the table may widen after it has rows.
      const isLast = asked['p'] === '2';
      const rows = (isLast ? keys.slice(-1) : keys.slice(0, -1)).map((key) => `{"id":${key}}`);
      return new Reply(200, `{"data":[${rows.join()}],"next":${isLast ? 'null' : '"2"'}}`);
    });
    const streams = names.map((of) =>
      streamOf(of, {
        retriever:
          'paginator: {type: DefaultPaginator, page_token_option: {type: RequestOption, inject_into: request_parameter, field_name: p}, pagination_strategy: {type: CursorPagination, cursor_value: "{{ response.next }}"}}',
      }).replace(
        '{id: {type: [integer, "null"]}}',
        types === 'a stated' ? `{id: {type: ${KEYS[of]![0]}}}` : '{id: {}}',
      ),
    );
    const own = connection({
      manifest: manifestOf(streams.join('')),
      url: server.url,
      into: { destination, connection: name },
    });
    try {
      const first = seen((await own.sync()).summary);
      for (const of of names) {
        expect(first[of], of).toMatchObject({ tombstones: 0, quarantined: 0, faults: [] });
        // Rows of files are counted as they were written.
        if (kind !== 'parquet') expect(first[of]!.stored, of).toBe(KEYS[of]![2]);
      }
      for (let again = 0; again < 2; again++) {
        const { summary } = await own.sync();
        if (kind !== 'parquet') expect(seen(summary)).toEqual(first);
        else for (const of of names) expect(seen(summary)[of], of).toMatchObject({ tombstones: 0, faults: [] });
      }
    } finally {
      await destination.close();
      drop();
    }
  },
);

test("a key's column of DuckDB becomes wider, and what a user added stays", async () => {
  const name = uniqueName();
  const { folder, drop } = scratch();
  const { DuckDBInstance } = await loadLibrary();
  let keys = '1,2,3';
  const server = await api(
    () =>
      new Reply(
        200,
        `{"data":[${keys
          .split(',')
          .map((key) => `{"id":${key}}`)
          .join()}]}`,
      ),
  );
  const sync = async (given: string) => {
    keys = given;
    const destination = await opened('duckdb', name, folder);
    const run = connection({
      manifest: manifestOf(streamOf('a')),
      url: server.url,
      into: { destination, connection: name },
    });
    const { summary } = await run.sync();
    await destination.close();
    return summary;
  };
  const ask = async (...statements: string[]) => {
    const instance = await DuckDBInstance.create(path.join(folder, 'x'));
    const db = await instance.connect();
    let rows: unknown[][] = [];
    for (const sql of statements) rows = (await db.runAndReadAll(sql)).getRows() as unknown[][];
    db.closeSync();
    instance.closeSync();
    return rows;
  };
  try {
    expect(await sync('1,2,3')).toMatchObject({ outcome: 'complete' });
    const table = `"${name}"."a"`;
    await ask(
      `alter table ${table} add column mine integer default 7`,
      `update ${table} set mine = 9 where id = 2`,
      `create index of_mine on ${table} (mine)`,
      `create view seen as select id, mine from ${table}`,
    );
    for (const given of ['1,2,3,4.5', '1,2,3,4.5,"x"', '1,2,3,4.5,"x",[1]']) {
      const { outcome, proofs } = await sync(given);
      expect({ given, outcome, stored: proofs[0]!.stored, gone: proofs[0]!.tombstones }).toEqual({
        given,
        outcome: 'complete',
        stored: given.split(',').length,
        gone: 0,
      });
    }
    expect(await ask('select id::varchar, mine from seen order by id::varchar')).toEqual([
      ['1', 7],
      ['2', 9],
      ['3', 7],
      ['4.5', 7],
      ['[1]', 7],
      ['x', 7],
    ]);
    expect(await ask("select index_name from duckdb_indexes() where table_name = 'a'")).toEqual([['of_mine']]);
    await expect(ask(`insert into ${table} select * from ${table} limit 1`)).rejects.toThrow(
      /[Dd]uplicate key|Constraint/,
    );
  } finally {
    drop();
  }
});

const random = seededRandom(20_261_129);
const digits = (count: number) => Array.from({ length: count }, () => random.integer(10)).join('');
const double = () =>
  Number(`${random.next() < 0.5 ? '-' : ''}${digits(1 + random.integer(17))}e${random.integer(60) - 35}`);

test('doubles as DuckDB writes them are doubles as JSON writes them', async () => {
  const { DuckDBInstance } = await loadLibrary();
  const db = await (await DuckDBInstance.create(':memory:')).connect();
  const fixed = [
    0, -0, 1, -1.5, 1e15, 1e16, 123456789012345680000, 1e20, 1e21, 1.5e21, 1e-4, 1e-5, 1e-6, 1.25e-6, 1e-7, 5e-324,
    1.7976931348623157e308,
  ];
  const all = [...fixed, ...Array.from({ length: 5000 }, double)];
  const read = await db.runAndReadAll(
    `select ${textSql('x', 'double')} from (select unnest([${all.map((x) => `'${x}'::double`).join()}]) as x)`,
  );
  expect(read.getRows().map(([text]) => text)).toEqual(all.map((x) => String(x === 0 ? 0 : x)));
  db.closeSync();
});

function value(depth: number): unknown {
  const kind = random.integer(depth > 2 ? 4 : 6);
  if (kind === 0) return double();
  if (kind === 1) return random.integer(1000) - 500;
  if (kind === 2) return ['', 'a', 'é', '"', '\\', '\u0001', 'x y', '\u{1f600}', 'a\nb'][random.integer(9)];
  if (kind === 3) return [true, false, null][random.integer(3)];
  if (kind === 4) return Array.from({ length: random.integer(4) }, () => value(depth + 1));
  const fields = Array.from({ length: random.integer(5) }, () => [
    `${['b', 'é', 'aa', 'a', ''][random.integer(5)]}${digits(1)}`,
    value(depth + 1),
  ]);
  return Object.fromEntries(fields);
}

test('numbers and JSON as PostgreSQL writes them', async () => {
  const destination = await testDatabase();
  const numbers = [
    ...NUMBERS,
    '-0.0',
    '1.50e1',
    '1.5e-3',
    '-12.340E+2',
    ...Array.from({ length: 2000 }, () => String(double())),
  ];
  const rows = await query(
    destination,
    `select x::numeric::text as x from unnest(array[${numbers.map((x) => `'${x}'`).join()}]) with ordinality as n(x, i) order by i`,
  );
  expect(rows.map(({ x }) => x)).toEqual(numbers.map((x) => plainNumber({ toString: () => x } as never)));
  const values = Array.from({ length: 2000 }, () => value(0));
  const texts = values.map((each) => `'${stringifyJson(each).replaceAll("'", "''")}'`);
  const written = await query(
    destination,
    `select x::jsonb::text as x from unnest(array[${texts.join()}]) with ordinality as n(x, i) order by i`,
  );
  expect(written.map(({ x }) => x)).toEqual(values.map(jsonbText));
  await destination.close();
});
