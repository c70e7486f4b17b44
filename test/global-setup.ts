/** One database for all tests: the embedded one, or the server that HEADRACE_TEST_DATABASE_URL names. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { EmbeddedServer } from '../src/postgres/embedded/server.js';

export default async function setup(): Promise<() => Promise<void>> {
  if (process.env['HEADRACE_TEST_DATABASE_URL']) return async () => {};
  const folder = mkdtempSync(path.join(tmpdir(), 'headrace-test-'));
  chmodSync(folder, 0o755);
  const server = await EmbeddedServer.open(folder);
  process.env['HEADRACE_TEST_EMBEDDED'] = folder;
  return async () => {
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  };
}
