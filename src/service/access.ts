/** Who asks: by a token in the request, or by the session that a browser exchanged its token for. */
import { timingSafeEqual } from 'node:crypto';
import type { Context } from 'hono';
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import { LIMITS } from '../base/bounds.js';
import type { SessionStore } from './sessions.js';
import { digestOf, type Role, type TokenStore } from './tokens.js';

export interface Access {
  /** An admin's: of the environment, or of the data folder. */
  token: string;
  tokens: Pick<TokenStore, 'roleOfDigest'>;
  sessions: SessionStore;
}

export interface Caller {
  role: Role;
  /** It came with a session's cookie, which a browser sends by itself. */
  bySession: boolean;
}

/** The token that a request carries; null: it carries something else. */
export function bearerOf(context: Context): string | null | undefined {
  const header = context.req.header('authorization');
  return header === undefined ? undefined : (/^Bearer +(\S.{0,499})$/i.exec(header)?.[1] ?? null);
}

/** Undefined: a token is required. Where a request comes from counts for nothing: a proxy makes everybody local. */
export async function callerOf(context: Context, access: Access): Promise<Caller | undefined> {
  const given = bearerOf(context);
  if (given === null) return undefined;
  const session = given === undefined ? getCookie(context, cookieName(context)) : undefined;
  const digest =
    given !== undefined ? digestOf(given) : session === undefined ? undefined : await access.sessions.tokenOf(session);
  if (digest === undefined) return undefined;
  const role = timingSafeEqual(digest, digestOf(access.token)) ? 'admin' : await access.tokens.roleOfDigest(digest);
  return role && { role, bySession: given === undefined };
}

/** Whether a browser's page of another place made the request. `origin` is the browser's word, as is sec-fetch-site. */
export function isFromElsewhere(context: Context): boolean {
  const origin = context.req.header('origin');
  if (origin === undefined || context.req.header('sec-fetch-site') === 'same-origin') return false;
  return !URL.canParse(origin) || new URL(origin).host !== context.req.header('host');
}

/** A session proves nothing of who wrote the request; a page's origin does. */
export function isForgeable(context: Context, { bySession }: Caller): boolean {
  if (!bySession || ['GET', 'HEAD'].includes(context.req.method)) return false;
  return context.req.header('origin') === undefined && context.req.header('sec-fetch-site') !== 'same-origin';
}

/** Behind a proxy with TLS, as it says itself. */
export function isEncrypted(context: Context): boolean {
  return context.req.header('x-forwarded-proto')?.split(',')[0]?.trim() === 'https';
}

/** Cookies know no ports: two services of one machine must not sign each other's browsers out. */
function cookieName(context: Context): string {
  const port = /:(\d+)$/.exec(context.req.header('host') ?? '')?.[1];
  return port === undefined ? 'headrace_session' : `headrace_session_${port}`;
}

export async function beginSession(context: Context, { sessions }: Access, token: string): Promise<void> {
  setCookie(context, cookieName(context), await sessions.open(token), {
    httpOnly: true,
    sameSite: 'Strict',
    path: '/',
    maxAge: Math.floor(LIMITS.sessionMs / 1000),
    secure: isEncrypted(context),
  });
}

export async function endSession(context: Context, { sessions }: Access): Promise<void> {
  const session = getCookie(context, cookieName(context));
  if (session !== undefined) await sessions.close(session);
  deleteCookie(context, cookieName(context), { path: '/', secure: isEncrypted(context) });
}
