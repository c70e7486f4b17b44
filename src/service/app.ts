/** HTTP of `headrace serve`: the API, the dashboard, webhooks, metrics and health. */
import { createAdaptorServer } from '@hono/node-server';
import { OpenAPIHono } from '@hono/zod-openapi';
import { bodyLimit } from 'hono/body-limit';
import type { Context, Hono } from 'hono';
import type { AddressInfo } from 'node:net';
import type { Server } from 'node:http';
import { systemClock, type Clock } from '../base/clock.js';
import { ConfigError, codeOf } from '../base/errors.js';
import { LIMITS } from '../base/bounds.js';
import { callerOf, isEncrypted, isForgeable, isFromElsewhere } from './access.js';
import { allows } from './tokens.js';
import { alertRoutes } from './api/alerts.js';
import { catalogRoutes, scheduleRoute } from './api/catalog.js';
import { connectionRoutes } from './api/connections.js';
import { answerError, fault, newApi, otherOrigin, tooLarge, unauthorized, type ApiParts, type Env } from './api/kit.js';
import { runRoutes } from './api/runs.js';
import { schedulingRoutes } from './api/scheduling.js';
import { streamRoutes } from './api/streams.js';
import { systemRoutes } from './api/system.js';
import { Metrics } from './metrics.js';
import { secured, servePages } from './pages.js';
import { referencePage } from './reference.js';
import { signInPage } from './sign-in.js';
import { bodyOf } from './body.js';
import { verifySignature } from './signatures.js';
import type { WebhookSigning } from '../connections/webhooks.js';
import { eventOf, type WebhookEvent } from './webhook-event.js';

export interface ServerParts extends ApiParts {
  /** How a connection's webhooks are signed; undefined where it takes none. */
  webhookOf: (connection: string) => Promise<WebhookSigning | undefined>;
  /** Stores an event; false where it was there already. */
  store: (connection: string, event: WebhookEvent) => Promise<boolean>;
  /** Told once of a token that came over plain HTTP from elsewhere; undefined: bound to loopback. */
  onPlainHttp?: (() => void) | undefined;
  /** Folder of the built dashboard. */
  pages: string;
}

export const API = '/api/v1';

/** The operations of the API under their path, with their description. */
export function apiOf(parts: ApiParts): OpenAPIHono<Env> {
  const api = newApi();
  connectionRoutes(api, parts);
  catalogRoutes(api, parts);
  scheduleRoute(api, parts);
  streamRoutes(api, parts);
  alertRoutes(api, parts);
  runRoutes(api, parts);
  schedulingRoutes(api, parts);
  systemRoutes(api, parts);
  api.openAPIRegistry.registerComponent('securitySchemes', 'token', {
    type: 'http',
    scheme: 'bearer',
    description: 'One of headrace token create, of headrace token show, or HEADRACE_TOKEN.',
  });
  api.openAPIRegistry.registerComponent('securitySchemes', 'session', {
    type: 'apiKey',
    in: 'cookie',
    name: 'headrace_session',
    description: 'Of POST /session, for browsers. Its name ends with the port of the address, where that has one.',
  });
  return api;
}

type Description = ReturnType<OpenAPIHono['getOpenAPI31Document']>;

export function describeApi(parts: ApiParts): Description {
  const root = new OpenAPIHono<Env>();
  root.route(API, apiOf(parts));
  return root.getOpenAPI31Document({
    openapi: '3.1.0',
    security: [{ token: [] }, { session: [] }],
    info: {
      title: 'Headrace API',
      version: parts.version,
      description:
        'Connections, runs, tasks and limits of a Headrace service. Times are UTC; keys are snake_case; lists come in pages.',
    },
  });
}

/** The whole service: who asks is settled first, but for health and signed webhooks. */
export function webApp(parts: ServerParts): Hono {
  const app = new OpenAPIHono<Env>();
  const metrics = new Metrics(parts.scheduler.pool);
  const description = describeApi(parts);
  healthRoutes(app, parts);
  webhookRoute(app, parts);
  guard(app, parts, metrics);
  // Hono's type says which variables handlers find; who serves files and listens needs none.
  servePages(app as unknown as Hono, parts.pages);
  app.get(`${API}/openapi.json`, (context) => context.json(description));
  app.get(`${API}/docs`, (context) => {
    secured(context, true);
    return context.html(referencePage(description));
  });
  app.get('/metrics', async (context) => {
    if (!allows(context.get('role'), 'read')) return unauthorized(context);
    return context.text(await metrics.text(), 200, { 'content-type': metrics.contentType });
  });
  app.use(
    `${API}/*`,
    bodyLimit({ maxSize: LIMITS.apiBodyBytes, onError: (context) => tooLarge(context, LIMITS.apiBodyBytes) }),
  );
  app.use(`${API}/*`, async (context, next) => {
    context.header('Cache-Control', 'no-store');
    return next();
  });
  app.route(API, apiOf(parts));
  answerTheRest(app, description, parts);
  return app as unknown as Hono;
}

function healthRoutes(app: OpenAPIHono<Env>, { scheduler, onError }: ServerParts): void {
  app.get('/healthz', (context) => context.json({ status: 'ok' }));
  app.get('/readyz', async (context) => {
    try {
      await scheduler.pool.query('select 1');
      return context.json({ status: 'ok' });
    } catch (error) {
      onError(error);
      return context.json({ status: 'not ready' }, 503);
    }
  });
}

/** Webhooks are let in by their signature alone. */
function webhookRoute(app: OpenAPIHono<Env>, { clock, webhookOf, store }: ServerParts): void {
  app.post('/webhooks/:connection', async (context) => {
    const connection = context.req.param('connection');
    const signing = await webhookOf(connection);
    const body = await bodyOf(context, LIMITS.webhookBytes);
    if (body === undefined) return tooLarge(context, LIMITS.webhookBytes);
    // Whether a connection exists is nobody's business who cannot sign for it.
    const verdict =
      signing === undefined
        ? 'wrong'
        : verifySignature(context.req.header(signing.header), body, signing.secret, clock.now());
    if (verdict !== 'good')
      return fault(context, 401, { code: 'bad_signature', message: `the signature is ${verdict}` });
    const event = eventOf(body);
    if (!event)
      return fault(context, 400, {
        code: 'no_event',
        message: 'the body is no event, and sending it again does not help',
        expected: `a JSON object with an id, nested at most ${LIMITS.webhookDepth} deep`,
      });
    return context.json({ received: true, new: await store(connection, event) });
  });
}

/** What stands before every route that comes after. */
function guard(app: OpenAPIHono<Env>, parts: ServerParts, metrics: Metrics): void {
  const { clock } = parts;
  app.use(async (context, next) => (isFromElsewhere(context) ? otherOrigin(context) : next()));
  app.use(async (context, next) => {
    const startedMs = clock.monotonic();
    await next();
    if (!context.res.headers.get('content-type')?.startsWith('text/event-stream'))
      metrics.observe(
        context.req.method,
        context.req.routePath,
        context.res.status,
        (clock.monotonic() - startedMs) / 1000,
      );
  });
  app.use(async (context, next) => {
    const caller = await callerOf(context, parts);
    if (!caller) return isStartPage(context) ? signInPage(context) : unauthorized(context);
    if (isForgeable(context, caller)) return otherOrigin(context);
    if (!isEncrypted(context)) parts.onPlainHttp?.();
    context.set('role', caller.role);
    return next();
  });
}

/** What no route answered, and what failed. */
function answerTheRest(app: OpenAPIHono<Env>, description: Description, { onError }: ServerParts): void {
  const methodsAt = methodsOf(description);
  app.notFound((context) => {
    const allowed = methodsAt(context.req.path);
    if (allowed.length === 0)
      return fault(context, 404, { code: 'not_found', message: 'there is nothing here', next: 'see /api/v1/docs' });
    context.header('Allow', allowed.join(', '));
    return fault(context, 405, {
      code: 'wrong_method',
      message: `${context.req.path.slice(0, 200)} knows no ${context.req.method}`,
      expected: allowed.join(', '),
      found: context.req.method,
      next: 'see /api/v1/docs',
    });
  });
  app.onError((error, context) =>
    context.req.path.startsWith('/webhooks/')
      ? (onError(error), fault(context, 503, { code: 'not_stored', message: 'it could not be stored; send it again' }))
      : answerError(error, context, onError),
  );
}

const METHODS = ['get', 'post', 'put', 'delete'] as const;

/** What may be asked of a path of the API. */
function methodsOf({ paths = {} }: Description): (path: string) => string[] {
  const patterns = Object.entries(paths).map(([path, item]) => ({
    pattern: new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`),
    methods: METHODS.filter((method) => item[method] !== undefined).flatMap((method) =>
      method === 'get' ? ['GET', 'HEAD'] : [method.toUpperCase()],
    ),
  }));
  return (path) => patterns.filter(({ pattern }) => pattern.test(path)).flatMap(({ methods }) => methods);
}

const isStartPage = (context: Context) => context.req.path === '/' && ['GET', 'HEAD'].includes(context.req.method);

export interface Listening {
  url: string;
  /** Takes nothing more, and gives what is being answered a while to let go of what it uses. */
  close(): Promise<void>;
}

/** Requests that are being answered. */
class Answering {
  private readonly all = new Set<Promise<unknown>>();

  constructor(private readonly clock: Clock) {}

  /** Counts what answers until it has. */
  of(fetch: Hono['fetch']): Hono['fetch'] {
    return (...request) => {
      const answer = Promise.resolve(fetch(...request));
      const done: Promise<unknown> = answer.catch(() => undefined).finally(() => this.all.delete(done));
      this.all.add(done);
      return answer;
    };
  }

  /** Resolves once all have answered, or after `ms`. */
  async ended(ms: number): Promise<void> {
    let cancel = () => {};
    const late = new Promise<void>((resolve) => {
      cancel = this.clock.after(ms, resolve);
    });
    await Promise.race([Promise.all(this.all), late]);
    cancel();
  }
}

export function listen(app: Hono, host: string, port: number): Promise<Listening> {
  if (port > 65_535)
    return Promise.reject(
      new ConfigError('there is no such port', {
        code: 'bad_port',
        place: '--port',
        expected: '0 to 65535',
        found: String(port),
      }),
    );
  const answering = new Answering(systemClock);
  const server = createAdaptorServer({ fetch: answering.of(app.fetch) }) as Server;
  server.requestTimeout = 30_000;
  server.headersTimeout = 15_000;
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      if (codeOf(error) === 'EADDRNOTAVAIL' || codeOf(error) === 'ENOTFOUND')
        reject(
          new ConfigError(`this machine has no address ${host}`, {
            code: 'bad_host',
            place: '--host',
            expected: 'an address of this machine',
            found: host,
          }),
        );
      else
        reject(
          codeOf(error) === 'EADDRINUSE'
            ? new ConfigError(`port ${port} is taken`, {
                code: 'port_taken',
                place: '--port',
                expected: 'a free port',
                found: String(port),
                next: 'name another with --port, or 0 for any',
              })
            : error,
        );
    });
    server.listen(port, host, () => {
      const { address, port: actual, family } = server.address() as AddressInfo;
      resolve({
        url: `http://${family === 'IPv6' ? `[${address}]` : address}:${actual}`,
        close: async () => {
          await new Promise<void>((closed) => {
            server.close(() => closed());
            server.closeAllConnections();
          });
          await answering.ended(LIMITS.answeringMs);
        },
      });
    });
  });
}
