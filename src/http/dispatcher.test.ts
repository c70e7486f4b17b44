import dns from 'node:dns';
import { createServer, type Server } from 'node:http';
import { createServer as createSocketServer, type AddressInfo, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { Egress } from '../base/egress.js';
import { assertTarget, newDispatcher } from './dispatcher.js';

const strict = new Egress({ privateTargets: false, localFiles: false });
const wide = new Egress({ privateTargets: true, localFiles: false });
let server: Server;
let port: number;
let asked = 0;
beforeAll(async () => {
  server = createServer((_, response) => {
    asked++;
    response.end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ({ port } = server.address() as AddressInfo);
});
afterEach(() => vi.restoreAllMocks());
afterAll(() => server.close());

async function ask(egress: Egress, host: string): Promise<number> {
  const dispatcher = newDispatcher(egress);
  const { origin } = new URL(`http://${host}:${port}`);
  try {
    const { statusCode, body } = await dispatcher.request({ origin, path: '/', method: 'GET' });
    await body.dump();
    return statusCode;
  } finally {
    await dispatcher.destroy();
  }
}

test('no spelling of this machine is reached by what may reach the public alone', async () => {
  for (const host of [
    '127.0.0.1',
    'localhost',
    '2130706433',
    '0x7f.1',
    '017700000001',
    '127.1',
    '[::ffff:127.0.0.1]',
    '[::1]',
    '0.0.0.0',
  ])
    await expect(ask(strict, host), host).rejects.toMatchObject({ code: 'target_refused' });
  expect(asked).toBe(0);
  expect(await ask(wide, '127.0.0.1')).toBe(200);
  expect(await ask(wide, 'localhost')).toBe(200);
  await expect(ask(wide, '169.254.169.254')).rejects.toMatchObject({ code: 'target_refused' });
  await expect(ask(wide, '2852039166')).rejects.toMatchObject({ code: 'target_refused' });
});

test('a name that changes between two requests is judged again', async () => {
  const answers = ['127.0.0.1', '169.254.169.254'];
  vi.spyOn(dns, 'lookup').mockImplementation(((_: string, __: unknown, callback: (...args: unknown[]) => void) =>
    callback(null, [{ address: answers.shift(), family: 4 }])) as never);
  const dispatcher = newDispatcher(wide);
  const request = () =>
    dispatcher.request({ origin: `http://rebinds.example:${port}`, path: '/', method: 'GET', reset: true });
  await (await request()).body.dump();
  await expect(request()).rejects.toMatchObject({ code: 'target_refused', found: '169.254.169.254' });
  await dispatcher.destroy();
});

test('behind a proxy, a name is judged by what it resolves to here', async () => {
  vi.spyOn(dns.promises, 'lookup').mockResolvedValue([{ address: '10.0.0.1', family: 4 }] as never);
  const env = { HTTPS_PROXY: 'http://proxy:3128' };
  await expect(assertTarget(strict, 'https://inside.example/x', env)).rejects.toMatchObject({ code: 'target_refused' });
  await assertTarget(wide, 'https://inside.example/x', env);
  await assertTarget(strict, 'https://inside.example/x', {});
  await expect(assertTarget(wide, 'https://169.254.169.254/x', {})).rejects.toMatchObject({ code: 'target_refused' });
});

/** What it does with a connection, and how it ends for who asked. */
const BAD_PROXIES: [what: string, act: (socket: Socket) => void, ends: object][] = [
  ['hangs up at once', (socket) => socket.destroy(), { code: expect.stringMatching(/PROXY_HUNG_UP|ECONNRESET/) }],
  ['ends without an answer', (socket) => socket.once('data', () => socket.end()), { code: 'PROXY_HUNG_UP' }],
  ['cuts it off', (socket) => socket.once('data', () => socket.resetAndDestroy()), { code: expect.any(String) }],
  ['answers nonsense', (socket) => socket.once('data', () => socket.end('nonsense\r\n\r\n')), {}],
  [
    'refuses',
    (socket) => socket.once('data', () => socket.end('HTTP/1.1 403 No\r\ncontent-length: 0\r\n\r\n')),
    { message: expect.stringContaining('403') },
  ],
  [
    'lets through, and hangs up then',
    (socket) =>
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        socket.once('data', () => socket.destroy());
      }),
    {},
  ],
];

test.each(BAD_PROXIES)('a proxy that %s is an attempt that failed', async (_, act, ends) => {
  let connections = 0;
  const proxy = createSocketServer((socket) => {
    connections++;
    socket.on('error', () => {});
    act(socket);
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const address = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  for (const name of ['HTTPS_PROXY', 'HTTP_PROXY', 'https_proxy', 'http_proxy']) vi.stubEnv(name, address);
  for (const name of ['NO_PROXY', 'no_proxy']) vi.stubEnv(name, '');
  try {
    for (const egress of [undefined, wide]) {
      const dispatcher = newDispatcher(egress);
      for (const origin of ['https://api.example.com', 'http://api.example.com'])
        await expect(dispatcher.request({ origin, path: '/', method: 'GET' }), origin).rejects.toMatchObject(ends);
      await dispatcher.destroy();
    }
    expect(connections).toBeLessThanOrEqual(8);
  } finally {
    vi.unstubAllEnvs();
    proxy.close();
  }
});

test('a proxy without a proper address is named', () => {
  for (const value of ['nonsense', 'proxy:3128', 'ftp://proxy', '//proxy', 'http://', ' '])
    expect(() => newDispatcher(undefined, { HTTPS_PROXY: value }), value).toThrow(
      expect.objectContaining({ code: 'bad_proxy', place: 'HTTPS_PROXY' }),
    );
});
