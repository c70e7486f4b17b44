/** The way to an API: proxies, certificate authorities, headers, and bodies that stop. */
import { createServer as createHttpServer, type IncomingMessage, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { connect as connectTcp, type AddressInfo } from 'node:net';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import selfsigned from 'selfsigned';
import { LIMITS } from '../../src/base/bounds.js';
import { startStripeTestbed, TESTBED_LIVE_KEY, type StripeTestbed } from '../../src/testbed/index.js';
import { headrace, query, scratch, syncStripe, testDatabase, uniqueName } from '../support.js';

let work: ReturnType<typeof scratch>;
let testbed: StripeTestbed | undefined;
const servers: Server[] = [];

beforeEach(() => {
  work = scratch();
});
afterEach(async () => {
  work.drop();
  await testbed?.close();
  testbed = undefined;
  for (const server of servers.splice(0)) server.close().closeAllConnections();
});

/** Listens on loopback; resolves to the port. */
async function listening(server: Server): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

const check = (url: string, env: Record<string, string> = {}) =>
  headrace(['check', 'stripe', '--base-url', url, '--to', `ndjson:${path.join(work.folder, 'out')}`], {
    env: { STRIPE_API_KEY: TESTBED_LIVE_KEY, ...env },
    cwd: work.folder,
  });

describe('the way to an API', () => {
  test('goes through the proxy that the environment names, and around it where NO_PROXY says so', async () => {
    testbed = await startStripeTestbed({ rows: 5 });
    const through: string[] = [];
    const proxy = createHttpServer();
    proxy.on('connect', (request: IncomingMessage, socket) => {
      through.push(request.url!);
      const [host, port] = request.url!.split(':');
      const upstream = connectTcp(Number(port), host, () => {
        socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
        upstream.pipe(socket).pipe(upstream);
      });
      upstream.on('error', () => socket.destroy());
      socket.on('error', () => upstream.destroy());
    });
    const proxyUrl = `http://127.0.0.1:${await listening(proxy)}`;
    expect((await check(testbed.url, { HTTP_PROXY: proxyUrl, NO_PROXY: '' })).code).toBe(0);
    expect(through).toContain(new URL(testbed.url).host);
    through.length = 0;
    expect((await check(testbed.url, { HTTP_PROXY: proxyUrl, NO_PROXY: '127.0.0.1' })).code).toBe(0);
    expect(through).toEqual([]);
  });

  test('wants a certificate that it can trust, and trusts the authorities of NODE_EXTRA_CA_CERTS', async () => {
    testbed = await startStripeTestbed({ rows: 5 });
    const { private: key, cert } = selfsigned.generate([{ name: 'commonName', value: '127.0.0.1' }], {
      keySize: 2048,
      extensions: [{ name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] }],
    });
    const { url } = testbed;
    const port = await listening(
      createHttpsServer({ key, cert }, (request, response) => {
        void fetch(url + request.url, { headers: { authorization: request.headers.authorization ?? '' } }).then(
          async (answer) => {
            response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text());
          },
        );
      }) as unknown as Server,
    );
    const refused = await check(`https://127.0.0.1:${port}`);
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain('NODE_EXTRA_CA_CERTS');
    const authority = path.join(work.folder, 'ca.pem');
    writeFileSync(authority, cert);
    expect(await check(`https://127.0.0.1:${port}`, { NODE_EXTRA_CA_CERTS: authority })).toMatchObject({ code: 0 });
  });

  test('names the connected account on every request', async () => {
    testbed = await startStripeTestbed({ rows: 5 });
    const accounts = new Set<string | undefined>();
    const { url } = testbed;
    const port = await listening(
      createHttpServer((request, response) => {
        accounts.add(request.headers['stripe-account'] as string | undefined);
        void fetch(url + request.url, { headers: { authorization: request.headers.authorization ?? '' } }).then(
          async (answer) => {
            response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text());
          },
        );
      }),
    );
    const destination = await testDatabase();
    await syncStripe({
      url: `http://127.0.0.1:${port}`,
      destination,
      connection: uniqueName(),
      source: { streams: ['customers'], account: 'acct_1Connected' },
    });
    await destination.close();
    expect([...accounts]).toEqual(['acct_1Connected']);
  });

  test('gives up on a body that stops half-way after half a minute, and asks again', async () => {
    expect(LIMITS.bodyTimeoutMs).toBe(30_000);
    // For this process alone, and as long as this test: to wait for all of it would show nothing more.
    const bounds: { bodyTimeoutMs: number } = LIMITS;
    const usual = bounds.bodyTimeoutMs;
    bounds.bodyTimeoutMs = 3000;
    onTestFinished(() => void (bounds.bodyTimeoutMs = usual));
    testbed = await startStripeTestbed({
      rows: 0,
      collections: { customers: { rows: 1500 } },
      faults: { stall: 0.08 },
      seed: 3,
    });
    const name = uniqueName();
    const destination = await testDatabase(name);
    const summary = await syncStripe({
      url: testbed.url,
      destination,
      connection: name,
      source: { streams: ['customers'] },
    });
    expect(testbed.stats().faults['stall']).toBeGreaterThan(0);
    expect(summary.outcome).toBe('complete');
    expect(await query(destination, `select count(distinct id) as n from ${name}.customers`)).toEqual([{ n: 1500 }]);
    await destination.close();
  });
});
