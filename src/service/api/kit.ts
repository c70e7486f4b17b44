/** What all operations of the API share: who may call them, how faults are answered, and how they are described. */
import { createRoute, OpenAPIHono, type RouteConfig, type z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { HTTPException } from 'hono/http-exception';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import type { Alerts } from '../../alerts/alerts.js';
import type { Clock } from '../../base/clock.js';
import type { Definition, DefinitionDetail } from '../../connections/definitions.js';
import type { Description } from '../../connections/describe.js';
import type { ConnectionStore } from '../../connections/connection-store.js';
import type { IsSecret, Settings } from '../../connections/secrets.js';
import { bearerOf } from '../access.js';
import type { SessionStore } from '../sessions.js';
import { allows, type Role, type TokenStore } from '../tokens.js';
import { codeOf, ConfigError, HeadraceError, messageOf, RetriableError } from '../../base/errors.js';
import { redact } from '../../base/log.js';
import type { RunStore } from '../../runs/run-store.js';
import { schemaFault } from '../../base/schema-fault.js';
import type { Cadence } from '../../fleet/scheduler/cadence.js';
import type { Scheduler } from '../../fleet/scheduler/scheduler.js';
import type { ConnectionSetup } from '../../fleet/scheduler/task.js';
import type { ConnectionAccess } from '../../fleet/tasks/access.js';
import type { Feed } from '../feed.js';
import { errorSchema, wire, type Answer } from './schemas.js';

export interface Env {
  Variables: { role: Role };
}
export type Api = OpenAPIHono<Env>;

/** What the wiring knows of connections, and the API does not. */
export interface ConnectionDesk {
  /** Checks settings as the API was given them. Throws ConfigError that names the setting. */
  storable: (
    name: string,
    settings: Settings,
  ) => Promise<{
    setup: ConnectionSetup & { cadence: Cadence | undefined; priority: number };
    access: ConnectionAccess;
    isSecret: IsSecret;
  }>;
  access: (name: string) => Promise<ConnectionAccess>;
  connectors: () => Promise<Description[]>;
  destinations: () => Promise<Description[]>;
  /** Definitions that connections of the API may name. */
  definitions: () => Definition[];
  definition: (name: string) => Promise<DefinitionDetail>;
}

export interface ApiParts {
  clock: Clock;
  version: string;
  /** An admin's: of the environment, or of the data folder. */
  token: string;
  scheduler: Scheduler;
  runs: RunStore;
  connections: ConnectionStore;
  tokens: TokenStore;
  sessions: SessionStore;
  feed: Feed;
  desk: ConnectionDesk;
  alerts: Alerts;
  onError: (error: unknown) => void;
}

export interface Fault {
  code: string;
  message: string;
  place?: string | undefined;
  expected?: string | undefined;
  found?: string | undefined;
  next?: string | undefined;
}

export function faultOf(error: HeadraceError): Fault {
  const { code, message, place, expected, found, next } = error;
  return JSON.parse(redact(JSON.stringify({ code, message, place, expected, found, next }))) as Fault;
}

export function fault(context: Context, status: ContentfulStatusCode, error: Fault): Answer {
  return context.json({ error }, status);
}

/** What is left of the body is not read: the connection ends with the answer. */
export function tooLarge(context: Context, most: number): Answer {
  context.header('Connection', 'close');
  return fault(context, 413, {
    code: 'too_large',
    message: 'the body is too large',
    expected: `at most ${most} bytes`,
  });
}

/** A page of elsewhere must not act through somebody's browser. */
export const otherOrigin = (context: Context) =>
  fault(context, 403, {
    code: 'other_origin',
    message: 'requests from pages of elsewhere are refused',
    expected: `the origin of ${context.req.header('host')?.slice(0, 200) ?? 'this service'}`,
    found: context.req.header('origin')?.slice(0, 200) ?? 'none',
    next: 'behind a proxy, let it pass on the Host header',
  });

export const unauthorized = (context: Context) => {
  context.header('WWW-Authenticate', 'Bearer');
  return fault(context, 401, {
    code: 'token_wanted',
    message: 'a token is required',
    expected: 'Authorization: Bearer TOKEN',
    found: bearerOf(context) === undefined ? 'none' : 'one that is unknown or expired',
    next: 'on the machine of the service: headrace token show, or headrace token create NAME --role read',
  });
};

export const unknownConnection = (id: string) =>
  new ConfigError(`there is no connection ${id}`, {
    code: 'unknown_connection',
    place: 'connection',
    found: id,
    next: 'list them: GET /api/v1/connections',
  });

/** Codes of errors that say: somebody or something else stands in the way now. */
const CONFLICTS = new Set([
  'connection_locked',
  'connection_busy',
  'version_conflict',
  'connection_exists',
  'managed_by_file',
  'stream_open',
]);

function statusOf(error: HeadraceError): ContentfulStatusCode {
  if (/^unknown_(?:connection|task|partition|run|token|app|definition)$/.test(error.code)) return 404;
  if (CONFLICTS.has(error.code)) return 409;
  if (error.code === 'database_unreachable' || error instanceof RetriableError) return 503;
  if (error instanceof ConfigError) return 422;
  return 502;
}

/** Errors become answers: where, what was expected, what was found, what to do next. */
export function answerError(error: unknown, context: Context, onError: (error: unknown) => void): Answer {
  if (error instanceof HTTPException) {
    const text =
      error.status === 400
        ? 'the body is no JSON'
        : error.status === 415
          ? 'the body is not said to be JSON'
          : error.message;
    return fault(context, error.status as ContentfulStatusCode, {
      code: error.status === 400 ? 'bad_json' : 'bad_request',
      message: redact(text),
      next: 'see /api/v1/docs',
    });
  }
  // PostgreSQL's class 22: a value that no column takes, such as a text with a NUL.
  const sqlState = codeOf((error as { cause?: unknown }).cause) ?? codeOf(error);
  if (sqlState !== undefined && /^22[0-9A-Z]{3}$/.test(sqlState))
    return fault(context, 422, {
      code: 'bad_value',
      message: 'a value cannot be stored',
      expected: 'text without NUL characters, and numbers within their range',
      next: 'see /api/v1/docs',
    });
  if (error instanceof HeadraceError) return fault(context, statusOf(error), faultOf(error));
  onError(error);
  return fault(context, 500, {
    code: 'unexpected',
    message: redact(messageOf(error)).slice(0, 300),
    next: 'look at the log of this server',
  });
}

export function newApi(): Api {
  return new OpenAPIHono<Env>({
    defaultHook: (result, context) => {
      if (result.success) return undefined;
      // The validator hands on what it was given; its types do not say so.
      const { path, unknown, expected, found } = schemaFault(result.error, (result as { data?: unknown }).data);
      const within = [result.target === 'json' ? '' : result.target, ...path.map(String), unknown?.[0] ?? '']
        .filter(Boolean)
        .join('.');
      return fault(context, 400, {
        code: 'bad_request',
        message: redact(unknown ? `there is no setting ${found}` : `${within || 'the body'} is wrong`),
        place: redact(within) || undefined,
        expected,
        found: redact(found),
        next: 'see /api/v1/docs',
      });
    },
  });
}

export const jsonOf = <Schema extends z.ZodType>(schema: Schema, description: string) => ({
  description,
  content: { 'application/json': { schema } },
});
export const bodyOf = <Schema extends z.ZodType>(schema: Schema) => ({
  required: true,
  content: { 'application/json': { schema } },
});
/** May be left out; what the validator then hands on lacks the defaults of the schema. */
export const optionalBodyOf = <Schema extends z.ZodType>(schema: Schema) => ({ ...bodyOf(schema), required: false });

const FAULTS = {
  400: jsonOf(errorSchema, 'The request is no such request.'),
  401: jsonOf(errorSchema, 'A token is required.'),
  403: jsonOf(errorSchema, "The token's role does not allow it."),
  404: jsonOf(errorSchema, 'There is no such thing.'),
  409: jsonOf(errorSchema, 'Something else stands in the way now.'),
  413: jsonOf(errorSchema, 'The body is too large.'),
  415: jsonOf(errorSchema, 'The body is not said to be JSON.'),
  422: jsonOf(errorSchema, 'It is understood, and cannot be done.'),
  502: jsonOf(errorSchema, 'The API or the destination of the connection refused.'),
  503: jsonOf(errorSchema, 'Try again later.'),
};

type Described = Omit<RouteConfig, 'responses' | 'operationId'> & {
  operationId: string;
  role: Role;
  responses: RouteConfig['responses'];
};

/** An operation: its role is part of its description and of its doing. */
export function operation<R extends Described>({ role, ...route }: R): Omit<R, 'role'> & { getRoutingPath(): string } {
  const wants = async (context: Context<Env>, next: () => Promise<void>) => {
    if (allows(context.get('role'), role)) return next();
    return fault(context, 403, {
      code: 'role_too_weak',
      message: `this takes the role ${role}`,
      expected: role,
      found: context.get('role'),
      next: 'use another token',
    });
  };
  // With an optional body the validator passes over what is not said to be JSON.
  const isJson = async (context: Context<Env>, next: () => Promise<void>) => {
    const type = context.req.header('content-type');
    if (type !== undefined && !/^application\/([a-z-.]+\+)?json(;|$)/i.test(type)) throw new HTTPException(415);
    return next();
  };
  // `createRoute` keeps the type of what it is given; with what is added here, that is still R's.
  return createRoute({
    ...route,
    'x-role': role,
    middleware: route.request?.body?.required === false ? [wants, isJson] : [wants],
    responses: { ...route.responses, ...FAULTS },
  } as unknown as RouteConfig) as never;
}

/** Pages of a list: its items, and what to ask for the next ones. */
export function page<Item>(
  items: Item[],
  limit: number,
  key: (item: Item) => string | number,
): { items: Answer[]; next: string | null } {
  return { items: items.map(wire), next: items.length < limit ? null : String(key(items.at(-1)!)) };
}
