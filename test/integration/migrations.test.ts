/** Layouts of Headrace's own tables: many at once, forward only, refused by a binary that is too old. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { FatalError } from '../../src/base/errors.js';
import { connect } from '../../src/postgres/connect.js';
import { layoutVersion, migrate } from '../../src/postgres/migrations.js';
import { Scheduler } from '../../src/fleet/scheduler/scheduler.js';
import { freshDatabase } from '../support.js';

let database: Awaited<ReturnType<typeof freshDatabase>>;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database?.drop());

test('many processes may begin at once: each layout is applied once, in order', async () => {
  const clients = await Promise.all(Array.from({ length: 6 }, (_, n) => connect(database.target, `test ${n}`)));
  expect(await layoutVersion(clients[0]!)).toBe(0);
  await Promise.all(clients.map((client) => migrate(client)));
  const { rows } = await clients[0]!.query('select version from _headrace.migration order by version');
  expect(rows.map((row) => row.version)).toEqual(rows.map((_, i) => i + 1));
  expect(await layoutVersion(clients[0]!)).toBe(rows.length);
  await Promise.all(clients.map((client) => client.end()));
});

test('an older binary refuses a newer layout, and says what to do', async () => {
  const client = await connect(database.target, 'test');
  await client.query('insert into _headrace.migration (version) values (999)');
  await client.end();
  const refused = Scheduler.open(database.target);
  await expect(refused).rejects.toThrow(FatalError);
  await expect(refused).rejects.toMatchObject({ code: 'layout_too_new', found: 'layout 999', next: 'update headrace' });
});
