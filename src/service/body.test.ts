/** Bodies over real sockets: in pieces, with and without their length, up to a bound. */
import { createAdaptorServer } from '@hono/node-server';
import { Hono } from 'hono';
import { request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bodyOf } from './body.js';

const MOST = 1000;
const app = new Hono();
let failed = 0;
app.post('/', async (context) => {
  const body = await bodyOf(context, MOST);
  return body === undefined ? context.text('too large', 413) : context.text(body.toString('utf8'));
});
app.onError((_, context) => {
  failed++;
  return context.text('failed', 503);
});
const server = createAdaptorServer({ fetch: app.fetch }) as Server;
let port = 0;
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
});
afterAll(() => new Promise((resolve) => server.close(resolve)));

/** What is answered to a body sent in these pieces. */
function sent(pieces: string[], headers: Record<string, string> = {}): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const asked = request({ port, method: 'POST', headers, agent: false }, (answer) => {
      let text = '';
      answer.on('data', (chunk: Buffer) => (text += chunk.toString()));
      answer.on('end', () => resolve({ status: answer.statusCode!, text }));
    });
    asked.on('error', reject);
    for (const piece of pieces) asked.write(piece);
    asked.end();
  });
}

const lengthOf = (pieces: string[]) => ({ 'content-length': String(Buffer.byteLength(pieces.join(''))) });

test.each([
  ['nothing', []],
  ['one piece', ['{"id": 1}']],
  ['pieces, cut within a letter', ['aä', 'ö', 'z'.repeat(MOST - 6)]],
])('%s comes whole', async (_, pieces) => {
  expect(await sent(pieces)).toEqual({ status: 200, text: pieces.join('') });
  expect(await sent(pieces, lengthOf(pieces))).toEqual({ status: 200, text: pieces.join('') });
});

test.each([
  ['in one piece', ['x'.repeat(MOST + 1)]],
  ['in pieces', Array.from({ length: 11 }, () => 'x'.repeat(100))],
])('a byte too many, %s, is refused', async (_, pieces) => {
  expect((await sent(pieces)).status).toBe(413);
  expect((await sent(pieces, lengthOf(pieces))).status).toBe(413);
});

test('without a socket behind it, it is the same', async () => {
  const post = (body: string) => app.request('/', { method: 'POST', body });
  expect(await (await post('{"id": 1}')).text()).toBe('{"id": 1}');
  expect((await post('x'.repeat(MOST + 1))).status).toBe(413);
});

test('a request that is cut off fails, and holds nobody up', async () => {
  const socket = connect(port, '127.0.0.1');
  socket.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc');
  await new Promise((resolve) => setTimeout(resolve, 50));
  socket.destroy();
  await expect.poll(() => failed).toBe(1);
});
