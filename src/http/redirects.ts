/**
 * Where a redirect leads, by the rules of Python's requests, which the authors of connectors tried their manifests
 * with: which method goes on, whether the body does, and what a stranger must not see.
 */
import { isUtf8 } from 'node:buffer';
import { FatalError } from '../base/errors.js';
import { LIMITS } from '../base/bounds.js';
import { isSameSite } from './sites.js';

/** A request as it goes out. */
export interface SentRequest {
  method: string;
  /** Absolute. */
  url: string;
  headers: Record<string, string>;
  body: string | undefined;
  /** Names of headers, in lower case, that hold a credential of this host. */
  credentials?: readonly string[] | undefined;
  /** The body holds a credential. */
  secretBody?: boolean | undefined;
  /** Redirects that led here. */
  hops?: number | undefined;
}

const STATUSES = new Set([301, 302, 303, 307, 308]);
const KEEPS_BODY = new Set([307, 308]);
/** Told to the host that set them, or that they were made for, alone. */
const ALWAYS_SECRET = ['authorization', 'proxy-authorization'];

export function isRedirect(status: number, location: unknown): location is string | string[] {
  return STATUSES.has(status) && location !== undefined && location !== '';
}

/** The request that a redirect asks for. Throws where it would go in circles, nowhere, or give a secret away. */
export function redirected(sent: SentRequest, status: number, location: string | string[]): SentRequest {
  const hops = (sent.hops ?? 0) + 1;
  const from = new URL(sent.url);
  const place = from.origin + from.pathname;
  if (hops > LIMITS.redirects)
    throw new FatalError('the API redirects without end', {
      code: 'too_many_redirects',
      place,
      expected: `at most ${LIMITS.redirects} redirects`,
      found: 'one more',
      next: 'check the address and the credential: some servers redirect to a login page for ever',
    });
  const to = targetOf(from, Array.isArray(location) ? location[0]! : location);
  const method = methodAfter(status, sent.method);
  const keepsBody = KEEPS_BODY.has(status);
  const body = keepsBody ? sent.body : undefined;
  if (sent.secretBody === true && body !== undefined && (!isSameSite(from, to) || isDowngrade(from, to)))
    throw new FatalError('a request that holds a credential is redirected to another server', {
      code: 'foreign_redirect',
      place,
      expected: `a redirect within ${from.host}`,
      found: to.origin,
      next: 'check the address; the credential is not sent there',
    });
  return {
    method,
    url: to.href,
    headers: headersAfter(sent, from, to, keepsBody),
    body,
    credentials: sent.credentials,
    secretBody: sent.secretBody,
    hops,
  };
}

function targetOf(from: URL, location: string): URL {
  let to: URL | undefined;
  try {
    to = new URL(asUtf8(location), from);
  } catch {
    /* told below */
  }
  if (!to || (to.protocol !== 'http:' && to.protocol !== 'https:'))
    throw new FatalError('the API redirects to something that is no address', {
      code: 'bad_redirect',
      place: from.origin + from.pathname,
      expected: 'an address with http or https',
      found: location.slice(0, 120),
      next: 'check the address in the configuration',
    });
  // A fragment that the redirect leaves out is the one of before.
  if (to.hash === '') to.hash = from.hash;
  return to;
}

/** A header's bytes may have been read as Latin-1; servers write UTF-8. */
function asUtf8(text: string): string {
  const bytes = Buffer.from(text, 'latin1');
  return bytes.toString('latin1') === text && isUtf8(bytes) ? bytes.toString('utf8') : text;
}

function methodAfter(status: number, method: string): string {
  if ((status === 303 || status === 302) && method !== 'HEAD') return 'GET';
  return status === 301 && method === 'POST' ? 'GET' : method;
}

function headersAfter(sent: SentRequest, from: URL, to: URL, keepsBody: boolean): Record<string, string> {
  const gone = new Set(['cookie', 'host']);
  if (!keepsBody) for (const name of ['content-length', 'content-type', 'transfer-encoding']) gone.add(name);
  if (losesCredential(from, to)) for (const name of [...ALWAYS_SECRET, ...(sent.credentials ?? [])]) gone.add(name);
  return Object.fromEntries(Object.entries(sent.headers).filter(([name]) => !gone.has(name.toLowerCase())));
}

/** Another host, port or scheme; a plain http that becomes https on its usual port may keep it. */
function losesCredential(from: URL, to: URL): boolean {
  if (from.hostname !== to.hostname) return true;
  if (from.protocol === to.protocol) return from.port !== to.port;
  return !(from.protocol === 'http:' && from.port === '' && to.protocol === 'https:' && to.port === '');
}

const isDowngrade = (from: URL, to: URL) => from.protocol === 'https:' && to.protocol === 'http:';
