/** Columns for moments and dates in a DuckDB file and in Parquet files. */
import path from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { JsonSchema } from '../../src/base/catalog.js';
import { parseInstant } from '../../src/base/instant.js';
import type { Destination, DestinationSession } from '../../src/destinations/contract.js';
import { duckdbDestination } from '../../src/destinations/duckdb/destination.js';
import { parquetDestination } from '../../src/destinations/parquet/destination.js';
import { FolderStore } from '../../src/destinations/parquet/store.js';
import { differingFields } from '../../src/engine/run/same-value.js';
import { scratch } from '../support.js';

let folder: string;
let drop: () => void;
let version = 0;
beforeEach(() => void ({ folder, drop } = scratch()));
afterEach(() => drop());

const SCHEMA: JsonSchema = {
  properties: {
    id: { type: 'string', format: 'date-time' },
    made: { type: ['null', 'string'], format: 'date-time' },
    due: { type: 'string', format: 'date' },
  },
};
const PLACES: [string, (name: string) => Destination][] = [
  ['DuckDB', (name) => duckdbDestination(path.join(folder, `${name}.db`), 'shop')],
  ['Parquet', (name) => parquetDestination(new FolderStore(path.join(folder, name)))],
];

/** A session of its own for each call. Returns what it noted. */
async function store(
  place: Destination,
  pages: Record<string, unknown>[][],
  schema = SCHEMA,
  look?: (session: DestinationSession) => Promise<void>,
): Promise<string[]> {
  const session = await place.open({
    connection: 'shop',
    runId: `run${version}`,
    streams: [{ name: 'things', schema, primaryKey: ['id'], mode: 'upsert' }],
    readOnly: false,
    startedMs: 1,
  });
  try {
    for (const records of pages) {
      const rows = session.prepare({ stream: 'things', records, page: '1.1.1', version: ++version });
      await session.commit({ rows: [rows], state: [], firstLoad: false });
    }
    expect(await session.quarantined('things')).toBe(0);
    await look?.(session);
    await session.finishRun('complete', {});
    return session.notes!();
  } finally {
    await session.close();
  }
}

const ask = async (place: Destination, sql: string) => (await place.query!(sql, { write: false })).rows;
const types = async (place: Destination) =>
  (await ask(place, 'select typeof(id) as id, typeof(made) as made, typeof(due) as due from shop.things limit 1'))[0];

describe.each(PLACES)('%s', (name, make) => {
  test('formats become columns of their type; a key stays text', async () => {
    const place = make('lake');
    const record = { id: '2026-01-01T00:00:00Z', made: '2026-01-01T02:00:00.5+02:00', due: '2026-02-28' };
    await store(place, [[record]], SCHEMA, async (session) => {
      if (!session.capabilities.keys) return;
      const [stored] = await session.lookup('things', [{ id: record.id }]);
      expect(differingFields(record, stored!)).toEqual([]);
    });
    expect(await types(place)).toEqual({ id: 'VARCHAR', made: 'TIMESTAMP WITH TIME ZONE', due: 'DATE' });
    const same = `select made = '2026-01-01T00:00:00.5Z'::timestamptz as made, due = '2026-02-28'::date as due`;
    expect(await ask(place, `${same} from shop.things`)).toEqual([{ made: true, due: true }]);
  });

  test('what does not parse widens its column to text and is said; no row is set aside', async () => {
    const place = make('lake');
    const notes = await store(place, [
      [{ id: 'a', made: '2026-01-01T00:00:00Z', due: '2026-01-31' }],
      [
        { id: 'b', made: 'last week', due: '0000-00-00' },
        { id: 'c', made: '2026-03-01T00:00:00+01:00' },
      ],
    ]);
    expect(notes).toEqual([
      'things: column made is text now: "last week" is no date with a time and a zone',
      'things: column due is text now: "0000-00-00" is no date',
    ]);
    expect(await types(place)).toEqual({ id: 'VARCHAR', made: 'VARCHAR', due: 'VARCHAR' });
    expect(await ask(place, 'select id, made, due from shop.things order by id')).toEqual([
      { id: 'a', made: '2026-01-01T00:00:00Z', due: '2026-01-31' },
      { id: 'b', made: 'last week', due: '0000-00-00' },
      { id: 'c', made: '2026-03-01T00:00:00+01:00', due: null },
    ]);
  });

  test('a column that exists stays as it is, and takes what comes', async () => {
    const place = make('lake');
    const text: JsonSchema = { properties: { id: { type: 'string' }, made: { type: 'string' } } };
    await store(place, [[{ id: 'a', made: '2026-01-01T00:00:00Z' }]], text);
    expect(await store(place, [[{ id: 'b', made: 17, due: '2026-01-01' }]])).toEqual([]);
    expect(await types(place)).toMatchObject({ made: 'VARCHAR', due: 'DATE' });
  });

  test('any moment is the same one in its column, and as text once the column was widened', async () => {
    const moment = fc
      .record({
        at: fc.date({
          min: new Date('0001-01-02T00:00:00Z'),
          max: new Date('9999-12-30T00:00:00Z'),
          noInvalidDate: true,
        }),
        micros: fc.nat(999),
        offset: fc.constantFrom('Z', '+05:45', '-09:30', '+14:00'),
      })
      .map(({ at, micros, offset }) => `${at.toISOString().slice(0, -1)}${String(micros).padStart(3, '0')}${offset}`);
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(moment, { minLength: 1, maxLength: 20 }), async (moments) => {
        const place = make(`${name}${run++}`);
        const rows = moments.map((made, at) => ({ id: String(at), made, due: made.slice(0, 10) }));
        const stored = async (sql: string) => await ask(place, `select ${sql} from shop.things order by id::int`);
        await store(place, [rows]);
        const typed = await stored('epoch_us(made)::varchar as made, due::varchar as due');
        expect(typed).toEqual(rows.map(({ made, due }) => ({ made: String(parseInstant(made)), due })));
        await store(place, [[{ id: String(rows.length), made: 'x', due: 'x' }]]);
        const texts = (await stored('made, due')).slice(0, -1);
        expect(texts.map(({ made, due }) => ({ made: String(parseInstant(made as string)), due }))).toEqual(typed);
      }),
      { numRuns: 6 },
    );
  });
});
