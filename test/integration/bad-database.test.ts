/** A database that is none, or whose URL says what nobody knows: told before anything is sent to it or to the API. */
import { writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { targetFromUrl } from '../../src/postgres/connect.js';
import { startStripeTestbed, TESTBED_LIVE_KEY, type StripeTestbed } from '../../src/testbed/index.js';
import { headrace, scratch } from '../support.js';

const { folder, drop } = scratch();
let testbed: StripeTestbed;
const check = () => headrace(['check'], { cwd: folder, env: { STRIPE_API_KEY: TESTBED_LIVE_KEY } });

beforeAll(async () => {
  testbed = await startStripeTestbed({ rows: 20 });
});
afterAll(async () => {
  await testbed?.close();
  drop();
});

const into = (url: string) =>
  writeFileSync(
    path.join(folder, 'headrace.yaml'),
    `connections:\n  acme:\n    source: {connector: stripe, api_key: "\${STRIPE_API_KEY}", base_url: "${testbed.url}"}\n` +
      `    destination: {type: postgres, url: '${url}'}\n`,
  );

test.each([
  ['sslmode=requrie', 'sslmode=require'],
  ['sslmode=verify_full', 'sslmode=verify-full'],
  ['sslmode=', undefined],
  ['sslmod=require', 'sslmode'],
  ['SSLMODE=require', undefined],
])('%s, which would be a connection without TLS, is refused', (settings, meant) => {
  expect(() => targetFromUrl(`postgres://u:p@127.0.0.1:1/x?${settings}`)).toThrow(
    expect.objectContaining({ code: 'bad_sslmode', expected: expect.stringContaining('ssl') }),
  );
  if (meant !== undefined)
    expect(() => targetFromUrl(`postgres://u:p@127.0.0.1:1/x?${settings}`)).toThrow(
      expect.objectContaining({ next: expect.stringContaining(`did you mean ${meant}?`) }),
    );
});

test.each(['', '?sslmode=require', '?sslmode=no-verify&sslrootcert=x', '?host=/run/pg', '?application_name=ssl'])(
  'a URL with %s is taken',
  (settings) => {
    expect(targetFromUrl(`postgres://u:p@127.0.0.1:1/x${settings}`).description).toBe('postgres://u@127.0.0.1:1/x');
  },
);

test('a server that is no PostgreSQL is said to be none', async () => {
  const silent = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.destroy());
  });
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  try {
    into(`postgres://u:p@127.0.0.1:${(silent.address() as AddressInfo).port}/x`);
    const { code, stderr } = await check();
    expect(stderr).toMatch(
      /closed the connection before it answered\n {2}at: postgres:\/\/u@[\s\S]*check host and port/,
    );
    expect(code).toBe(1);
  } finally {
    silent.close();
  }
});

test('another kind of database is told at its line, before the API is asked', async () => {
  into('mysql://u:geheim@h/x');
  const before = testbed.stats().requests;
  const { code, stderr } = await check();
  expect(stderr).toMatch(/destination\.url is wrong\n {2}at: headrace\.yaml:4:\d+[\s\S]*postgres:\/\/user/);
  expect(stderr).not.toContain('geheim');
  expect([code, testbed.stats().requests - before]).toEqual([2, 0]);
});
