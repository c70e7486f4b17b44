/** HTTP of `headrace serve`: webhooks and health. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { createAdaptorServer } from '@hono/node-server';
import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import type { AddressInfo } from 'node:net';
import type { Server } from 'node:http';
import type { Clock } from '../clock.js';
import { ConfigError, codeOf, messageOf } from '../errors.js';
import { LIMITS } from '../limits.js';
import { redact } from '../log.js';
import { verifyStripeSignature } from './signatures.js';

export interface WebhookEvent {
  id: string;
  body: Record<string, unknown>;
}

export interface ServerParts {
  clock: Clock;
  /** Signing secret of a connection's webhook; undefined where it has none. */
  webhookSecret: (connection: string) => string | undefined;
  /** Stores an event; false where it was there already. */
  store: (connection: string, event: WebhookEvent) => Promise<boolean>;
  /** Rejects where the scheduler's database cannot be used. */
  ready: () => Promise<void>;
  onError: (error: unknown) => void;
  /** Wanted of every request but signed ones and `/healthz`; undefined on loopback. */
  token?: string | undefined;
}

/** Beyond loopback, a token is wanted. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

function isSame(given: string, wanted: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(wanted));
}

export function webApp({ clock, webhookSecret, store, ready, onError, token }: ServerParts): Hono {
  const app = new Hono();
  app.get('/healthz', (context) => context.json({ status: 'ok' }));
  app.use(async (context, next) => {
    const isOpen = token === undefined || context.req.path.startsWith('/webhooks/');
    if (!isOpen && !isSame(context.req.header('authorization') ?? '', `Bearer ${token}`)) return context.json({ error: 'a token is wanted: Authorization: Bearer …' }, 401);
    return next();
  });
  app.get('/readyz', async (context) => {
    try {
      await ready();
      return context.json({ status: 'ok' });
    } catch (error) {
      return context.json({ status: 'not ready', reason: redact(messageOf(error)) }, 503);
    }
  });
  app.post('/webhooks/:connection', bodyLimit({ maxSize: LIMITS.webhookBytes, onError: (context) => context.json({ error: 'the event is too large' }, 413) }), async (context) => {
    const connection = context.req.param('connection');
    const secret = webhookSecret(connection);
    // Whether a connection exists is nobody's business who cannot sign for it.
    const body = Buffer.from(await context.req.arrayBuffer());
    const verdict = secret === undefined ? 'wrong' : verifyStripeSignature(context.req.header('stripe-signature'), body, secret, clock.now());
    if (verdict !== 'good') return context.json({ error: `the signature is ${verdict}` }, 401);
    const event = eventOf(body);
    if (!event) return context.json({ error: 'the body is no event: expected a JSON object with an id' }, 400);
    const isNew = await store(connection, event);
    return context.json({ received: true, new: isNew });
  });
  app.notFound((context) => context.json({ error: 'there is nothing here' }, 404));
  app.onError((error, context) => {
    onError(error);
    return context.json({ error: 'it could not be stored; send it again' }, 503);
  });
  return app;
}

function eventOf(body: Buffer): WebhookEvent | undefined {
  try {
    const parsed: unknown = JSON.parse(body.toString('utf8'));
    if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return undefined;
    const { id } = parsed as { id?: unknown };
    return typeof id === 'string' && id.length > 0 && id.length <= 255 ? { id, body: parsed as Record<string, unknown> } : undefined;
  } catch {
    return undefined;
  }
}

export interface Listening {
  url: string;
  close(): Promise<void>;
}

export function listen(app: Hono, host: string, port: number): Promise<Listening> {
  if (port > 65_535) return Promise.reject(new ConfigError('there is no such port', { code: 'bad_port', place: '--port', expected: '0 to 65535', found: String(port) }));
  const server = createAdaptorServer({ fetch: app.fetch }) as Server;
  server.requestTimeout = 30_000;
  server.headersTimeout = 15_000;
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      if (codeOf(error) === 'EADDRNOTAVAIL' || codeOf(error) === 'ENOTFOUND') reject(new ConfigError(`this machine has no address ${host}`, { code: 'bad_host', place: '--host', expected: 'an address of this machine', found: host }));
      else reject(codeOf(error) === 'EADDRINUSE' ? new ConfigError(`port ${port} is taken`, { code: 'port_taken', place: '--port', expected: 'a free port', found: String(port), next: 'name another with --port, or 0 for any' }) : error);
    });
    server.listen(port, host, () => {
      const { address, port: actual, family } = server.address() as AddressInfo;
      resolve({
        url: `http://${family === 'IPv6' ? `[${address}]` : address}:${actual}`,
        close: () => new Promise((closed) => {
          server.close(() => closed());
          server.closeAllConnections();
        }),
      });
    });
  });
}
