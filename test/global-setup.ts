/**
 * One database for all tests: the embedded one, or the server that HEADRACE_TEST_DATABASE_URL names. At the end, no
 * test may have left a file or a process behind.
 */
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connect, type PostgresTarget } from '../src/postgres/connect.js';
import { EmbeddedServer } from '../src/postgres/embedded/server.js';
import { watchLeftovers } from './leftovers.js';

export default async function setup(): Promise<() => Promise<void>> {
  const leftovers = watchLeftovers();
  const close = await startDatabase();
  return async () => {
    await close();
    const left = await leftovers.collect();
    if (left.length === 0) return;
    // An error here is only printed by the runner.
    process.exitCode = 1;
    throw new Error(`the tests left behind:\n  ${left.join('\n  ')}`);
  };
}

async function startDatabase(): Promise<() => Promise<void>> {
  if (process.env['HEADRACE_TEST_DATABASE_URL']) return async () => {};
  const folder = path.join(tmpdir(), 'database');
  mkdirSync(folder);
  chmodSync(folder, 0o755);
  const server = await EmbeddedServer.open(folder);
  await leaveToTheSystem(server.target);
  process.env['HEADRACE_TEST_EMBEDDED'] = folder;
  return async () => {
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  };
}

/** Tests kill processes, not the machine: nothing has to reach the disk, which each dropped database would wait for. */
async function leaveToTheSystem(target: PostgresTarget): Promise<void> {
  const client = await connect(target, 'test setup');
  for (const setting of ['fsync', 'full_page_writes']) await client.query(`alter system set ${setting} = off`);
  await client.query('select pg_reload_conf()');
  await client.end();
}
