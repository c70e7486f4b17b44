/** How many statements the destination DuckDB needs: each takes a millisecond or more, whatever it does. */
import { rmSync } from 'node:fs';
import path from 'node:path';
import { DuckDBConnection } from '@duckdb/node-api';
import { expect, test, vi } from 'vitest';
import type { StreamTarget } from '../../src/destinations/contract.js';
import { duckdbDestination } from '../../src/destinations/duckdb/destination.js';
import { scratch } from '../support.js';

type Method = (this: DuckDBConnection, ...args: unknown[]) => Promise<never>;

/** What work gave, and the statements that it took. */
async function counted<T>(work: () => Promise<T>): Promise<[T, number]> {
  const { prototype } = DuckDBConnection;
  let statements = 0;
  const spies = (['run', 'runAndReadAll'] as const).map((name) => {
    const original = prototype[name] as Method;
    return vi.spyOn(prototype, name).mockImplementation(async function (this: DuckDBConnection, ...args: unknown[]) {
      statements++;
      return original.apply(this, args);
    });
  });
  try {
    return [await work(), statements];
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

test('what it takes to open a file does not grow with columns, nor a commit with parts of a table', async () => {
  const { folder, drop } = scratch();
  const file = path.join(folder, 'shop.duckdb');
  const statements = async (columns: number, parts: number) => {
    rmSync(file, { force: true });
    const fields = Array.from({ length: columns }, (_, at) => [`f${at}`, { type: 'string' as const }]);
    const schema = { properties: { id: { type: 'string' as const }, ...Object.fromEntries(fields) } };
    const streams = ['a', 'b', 'c'].map((name): StreamTarget => ({ name, schema, primaryKey: ['id'], mode: 'upsert' }));
    const options = { connection: 'shop', runId: 'run1', streams, readOnly: false, startedMs: 1_700_000_000_000 };
    const [session, toOpen] = await counted(() => duckdbDestination(file, 'shop').open(options));
    const rows = Array.from({ length: parts }, (_, at) =>
      session.prepare({ stream: 'a', records: [{ id: String(at) }], page: `1.1.${at}`, version: 1 }),
    );
    const [, toCommit] = await counted(() => session.commit({ rows, state: [], firstLoad: true }));
    await session.close();
    return { toOpen, toCommit };
  };
  try {
    expect(await statements(60, 8)).toEqual(await statements(1, 1));
  } finally {
    drop();
  }
});
