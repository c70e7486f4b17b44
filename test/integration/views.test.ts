/** Views over a stream's table: a column that cannot be widened, and a table that cannot be replaced. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { PostgresDestination } from '../../src/destinations/postgres/destination.js';
import type { RunSummary } from '../../src/engine/report/events.js';
import { memoryStream, syncMemory, type MemoryRow, type MemorySync } from '../memory-support.js';
import { query, testDatabase, uniqueName } from '../support.js';

const T0 = 1_795_000_000;
const clock = { now: T0 };

let destination: PostgresDestination;
let name: string;
let rows: MemoryRow[];
beforeEach(async () => {
  name = uniqueName();
  destination = await testDatabase(name);
  rows = [
    { id: 'a', at: T0 - 100, amount: 5 },
    { id: 'b', at: T0 - 90, amount: 6 },
  ];
});
afterEach(() => destination.close());

const sync = (more: MemorySync = {}, fails = false): Promise<RunSummary> =>
  syncMemory(
    destination,
    name,
    clock,
    [
      memoryStream(clock, { division: { kind: 'chain', pageRows: 2 }, follow: { kind: 'reread' } }, ({ cursor }) => {
        if (fails && cursor !== null) throw new Error('the API is gone');
        const at = Number(cursor ?? 0);
        return {
          records: structuredClone(rows.slice(at, at + 2)),
          next: String(at + 2),
          hasMore: at + 2 < rows.length,
        };
      }),
    ],
    more,
  );
const stored = async () =>
  (
    await query(
      destination,
      `select id, amount::text as amount, "_headrace_deleted_at" is not null as gone from "${name}"."things"
        order by id`,
    )
  ).map(({ id, amount, gone }) => `${id} ${amount}${gone ? ' gone' : ''}`);
const view = () =>
  query(destination, `create view "${name}"."report" as select id, amount + 1 as more from "${name}"."things"`);

test('a column under a view stays as it is: rows that do not fit are set aside with its name, and all others go on', async () => {
  await sync();
  await view();
  rows = [
    { id: 'a', at: T0 - 100, amount: 'many' },
    { id: 'b', at: T0 - 90, amount: 7 },
    { id: 'c', at: T0, amount: 8 },
  ];
  for (let run = 1; run <= 3; run++) {
    const summary = await sync();
    expect(summary.problems).toEqual([]);
    expect(summary.outcome).toBe('partial');
    // The row came, though it does not fit: what is stored of it is not gone.
    expect(await stored()).toEqual(['a 5', 'b 7', 'c 8']);
  }
  const aside = await query(destination, `select reason from "${name}"."_headrace_quarantine"`);
  expect(aside.map(({ reason }) => String(reason)).join()).toContain('report');
  await query(destination, `drop view "${name}"."report"`);
  expect((await sync()).outcome).toBe('complete');
  expect(await stored()).toEqual(['a many', 'b 7', 'c 8']);
});

test('a table is not replaced under a view: that is said before anything is read', async () => {
  await sync();
  await view();
  await expect(sync({ mode: 'replace' })).rejects.toMatchObject({
    code: 'views_depend',
    found: expect.stringContaining('report'),
  });
  await query(destination, `drop view "${name}"."report"`);
  expect((await sync({ mode: 'replace' })).outcome).toBe('complete');
  expect(await stored()).toEqual(['a 5', 'b 6']);
});

test('what was begun in one mode is no part of the other', async () => {
  rows.push({ id: 'c', at: T0, amount: 7 });
  expect((await sync({}, true)).outcome).not.toBe('complete');
  expect((await sync({ mode: 'replace' }, true)).outcome).not.toBe('complete');
  const whole = await sync({ mode: 'replace' });
  expect(whole.proofs[0]!.faults).toEqual([]);
  expect(await stored()).toEqual(['a 5', 'b 6', 'c 7']);
  rows[2]!['amount'] = 9;
  expect((await sync({ mode: 'replace' }, true)).outcome).not.toBe('complete');
  const after = await sync();
  expect(after.proofs[0]!.faults).toEqual([]);
  expect(await stored()).toEqual(['a 5', 'b 6', 'c 9']);
});
