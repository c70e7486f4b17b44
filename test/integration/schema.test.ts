/** headrace schema: what it prints is what a sync makes, and what other tools can read. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { startStripeTestbed, TESTBED_LIVE_KEY, type StripeTestbed } from '../../src/testbed/index.js';
import { freshDatabase, headrace, scratch, urlOf } from '../support.js';
import { connect } from '../../src/postgres/connect.js';

let testbed: StripeTestbed;
let work: { folder: string; drop: () => void };
beforeAll(async () => {
  testbed = await startStripeTestbed({ rows: 5 });
  work = scratch();
});
afterAll(async () => {
  await testbed.close();
  work.drop();
});

const run = (...args: string[]) =>
  headrace([...args, '--base-url', testbed.url], { cwd: work.folder, env: { STRIPE_API_KEY: TESTBED_LIVE_KEY } });

const SHAPE = `select c.relname as name, a.attname as "column", format_type(a.atttypid, a.atttypmod) as type,
  a.attnotnull as "notNull",
    col_description(c.oid, a.attnum) as comment
  from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
  where c.relnamespace = 'stripe'::regnamespace and c.relkind = 'r' and c.relname not like '\\_headrace%' order by 1,
    a.attnum`;

test('the SQL makes the tables that a sync makes', async () => {
  const [printed, synced] = [await freshDatabase(), await freshDatabase()];
  try {
    const streams = ['--streams', 'customers,invoices,charges'];
    const sql = await run('schema', 'stripe', ...streams);
    expect(sql.code, sql.stderr).toBe(0);
    const sync = await run('sync', 'stripe', ...streams, '--to', urlOf(synced.target), '-q');
    expect(sync.code, sync.stderr).toBe(0);
    const shapes = [];
    for (const { target } of [printed, synced]) {
      const client = await connect(target, 'test');
      if (target === printed.target) await client.query(sql.stdout);
      shapes.push((await client.query(SHAPE)).rows);
      await client.end();
    }
    expect(shapes[0]!.length).toBeGreaterThan(20);
    // Columns that only rows brought come after those of the schema.
    for (const column of shapes[0]!) expect(shapes[1]).toContainEqual(column);
  } finally {
    await printed.drop();
    await synced.drop();
  }
});

test('the sources file of dbt names every stream with its key', async () => {
  const printed = await run('schema', 'stripe', '--format', 'dbt', '--schema', 'shop');
  expect(printed.code, printed.stderr).toBe(0);
  const { sources } = parse(printed.stdout) as {
    sources: { name: string; schema: string; tables: { name: string; columns: unknown[] }[] }[];
  };
  expect(sources[0]).toMatchObject({ name: 'stripe', schema: 'shop' });
  const customers = sources[0]!.tables.find(({ name }) => name === 'customers')!;
  expect(customers.columns[0]).toMatchObject({ name: 'id', data_tests: ['unique', 'not_null'] });
});

test('the diagram has an entity a stream, and a line from parents to children', async () => {
  const printed = await run('schema', 'stripe', '--format', 'mermaid');
  expect(printed.stdout).toMatch(/^erDiagram\n {2}"/);
  expect(printed.stdout).toContain('"subscriptions" ||--o{ "subscription_items" : has');
  for (const line of printed.stdout.trimEnd().split('\n').slice(1))
    expect(line).toMatch(
      /^ {2}("[^"]+" \{|\}|"[^"]+" \|\|--o\{ "[^"]+" : has)$|^ {4}[a-z]+ [\p{L}_][\p{L}\p{N}_-]*( PK)?$/u,
    );
});

test('a destination without tables says so', async () => {
  const printed = await run('schema', 'stripe', '--to', 'ndjson:files');
  expect(printed.code).toBe(2);
  expect(printed.stderr).toContain('--format');
});
