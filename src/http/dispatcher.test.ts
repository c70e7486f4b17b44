import dns from 'node:dns';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
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
