/** The connector against a Stripe simulator that others made: `emulate`, customers by cursor. */
import { spawn, type ChildProcess } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openSource } from '../../src/wiring/compose.js';
import { stripeConfigSchema } from '../../src/sources/stripe/config.js';

const CUSTOMERS = 25;
const key = ['sk', 'test', 'emulate'].join('_');
let child: ChildProcess;
let url: string;

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

beforeAll(async () => {
  const port = await freePort();
  const bin = path.join(import.meta.dirname, '../../node_modules/.bin/emulate');
  child = spawn(process.execPath, [realpathSync(bin), '--service', 'stripe', '--port', String(port)], {
    stdio: 'ignore',
  });
  url = `http://127.0.0.1:${port}`;
  for (let i = 0; i < 100; i++) {
    try {
      await fetch(`${url}/v1/customers`, { headers: { authorization: `Bearer ${key}` } });
      break;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  for (let i = 0; i < CUSTOMERS; i++) {
    const response = await fetch(`${url}/v1/customers`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ email: `c${i}@example.com`, name: `Customer ${i}` }),
    });
    expect(response.status).toBeLessThan(300);
  }
});
afterAll(() => void child.kill('SIGKILL'));

test('customers by cursor: every one once, in pages', async () => {
  const { source } = await openSource({
    name: 'stripe',
    source: stripeConfigSchema.parse({ connector: 'stripe', api_key: key, base_url: url }),
    destination: { type: 'embedded', mode: 'upsert' },
    dataDir: '',
  });
  const customers = source.streams.find((stream) => stream.name === 'customers')!;
  const found = new Set<string>();
  let cursor: string | null = null;
  do {
    const page = await customers.page({
      gte: null,
      lt: null,
      cursor,
      signal: new AbortController().signal,
      weight: () => 0,
    });
    for (const record of page.records) found.add(String(record['email']));
    cursor = page.hasMore ? page.next : null;
  } while (cursor !== null);
  for (let i = 0; i < CUSTOMERS; i++) expect(found).toContain(`c${i}@example.com`);
  await source.close();
});
