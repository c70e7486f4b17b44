/** Authenticators: what they add to a request, and the tokens that they fetch first. */
import { createHmac, createPrivateKey, sign as signWith, constants } from 'node:crypto';
import { ConfigError } from '../../../base/errors.js';
import type { LimitSigns, Ticket } from '../../../gate/gate.js';
import type { Dialect } from '../../../http/dialects/dialect.js';
import { registerSecret } from '../../../base/log.js';
import { placeOf } from '../document/manifest.js';
import { isObject, type Json, type JsonObject } from '../document/read.js';
import { DateTextError, parseDuration, parseIsoUtc, parseWith } from '../templates/datetime.js';
import { fields, now, setAt, template, text, unsupported, valueAt, type Kit } from './kit.js';
import { injection, type RequestParts } from './options.js';
import { replaced, twinOf } from './twins.js';

/** Sends a request outside any stream: a login or a token. Errors name the endpoint. */
export type SendPlain = (request: {
  method: string;
  url: string;
  headers: Record<string, string>;
  body: string | undefined;
}) => Promise<{ status: number; body: unknown; serverTimeMs: number | undefined }>;

export interface Authenticator {
  /** `ticket`: the request's own permit, where several tokens have gates of their own. */
  apply(parts: RequestParts, ticket?: Ticket): Promise<void>;
  /** Adds what an answer says of the token's limits. */
  signs?(response: Parameters<Dialect>[0], endpoint: string, signs: LimitSigns): LimitSigns;
  /** The token is no good any more. */
  refresh(): void;
}

/** A token is renewed this long before it ends. */
const EARLY_MS = 30_000;

export function authenticator(
  kit: Kit,
  component: JsonObject | undefined,
  send: SendPlain,
  login: (requester: JsonObject) => Promise<unknown>,
): Authenticator {
  if (!component) return fixed(() => {});
  const own = chosenAuthenticator(kit, component);
  const secret = (value: Json | undefined) => {
    const found = text(kit, own, value)({});
    if (found.length > 0) registerSecret(found);
    return found;
  };
  switch (own['type']) {
    case 'NoAuth':
      return fixed(() => {});
    case 'ApiKeyAuthenticator': {
      const inject = injection(kit, fields(own, 'inject_into'));
      const name = text(kit, own, own['header'] ?? '')({});
      const token = secret(own['api_token'] ?? '');
      return fixed((parts) => (inject ? inject(parts, token) : header(parts, name, token)));
    }
    case 'BearerAuthenticator': {
      const token = secret(own['api_token']);
      return fixed((parts) => header(parts, 'authorization', `Bearer ${token}`));
    }
    case 'BasicHttpAuthenticator': {
      const pair = `${secret(own['username'])}:${secret(own['password'] ?? '')}`;
      const encoded = Buffer.from(pair).toString('base64');
      registerSecret(encoded);
      return fixed((parts) => header(parts, 'authorization', `Basic ${encoded}`));
    }
    case 'RateLimitedMultipleTokenAuthenticator':
      throw unsupported(kit, own, 'a second set of tokens with quotas', 'use one set for all streams of a manifest');
    case 'OAuthAuthenticator':
      return new OAuth(kit, own, send);
    case 'JwtAuthenticator': {
      const prefix = text(kit, own, own['header_prefix'] ?? '')({}) || (own['request_option'] ? '' : 'Bearer');
      const inject = injection(kit, fields(own, 'request_option'));
      return {
        refresh() {},
        async apply(parts) {
          const token = [prefix, jwt(kit, own)].filter(Boolean).join(' ');
          if (inject) inject(parts, token);
          else header(parts, 'authorization', token);
        },
      };
    }
    case 'SessionTokenAuthenticator':
      return new SessionToken(kit, own, login);
    case 'LegacySessionTokenAuthenticator':
      return new LegacySession(kit, own, send);
    case 'CustomAuthenticator': {
      const { authenticate } = twinOf(kit, own);
      if (!authenticate)
        throw unsupported(kit, own, 'a twin without authenticate', 'give the twin an authenticate function');
      return fixed((parts) => {
        for (const [name, value] of Object.entries(authenticate({ component: own, config: kit.config })))
          header(parts, name, value);
      });
    }
    default:
      throw unsupported(kit, own, `the authenticator ${String(own['type'])}`, 'use another way to authenticate');
  }
}

/** The one that the configuration selects. */
export function chosenAuthenticator(kit: Kit, component: JsonObject): JsonObject {
  const own = replaced(kit, component);
  if (own['type'] !== 'SelectiveAuthenticator') return own;
  const path = (own['authenticator_selection_path'] as Json[]).map(String);
  const chosen = String(valueAt(kit.config, path) ?? '');
  const options = own['authenticators'] as JsonObject;
  if (!isObject(options[chosen]))
    throw new ConfigError('the configuration chooses no known way to authenticate', {
      code: 'auth_choice',
      place: `config ${path.join('.')}`,
      expected: Object.keys(options).join(', '),
      found: chosen || 'nothing',
      next: 'correct the configuration',
    });
  return chosenAuthenticator(kit, options[chosen]);
}

function fixed(apply: (parts: RequestParts) => void): Authenticator {
  return {
    refresh() {},
    async apply(parts) {
      apply(parts);
    },
  };
}

function header(parts: RequestParts, name: string, value: string): void {
  parts.headers[name.toLowerCase()] = value;
}

/** A token that is fetched once for all requests that wait for it. */
abstract class Renewed implements Authenticator {
  protected endsMs = -Infinity;
  private renewing: Promise<void> | undefined;

  constructor(protected readonly kit: Kit) {}

  abstract apply(parts: RequestParts): Promise<void>;
  protected abstract renew(): Promise<void>;

  refresh(): void {
    this.endsMs = -Infinity;
  }

  protected async ready(): Promise<void> {
    if (this.kit.clock.now() < this.endsMs - EARLY_MS) return;
    this.renewing ??= this.renew().finally(() => {
      this.renewing = undefined;
    });
    await this.renewing;
  }
}

class OAuth extends Renewed {
  private token = '';
  private readonly names: Record<
    'clientId' | 'clientSecret' | 'refreshToken' | 'accessToken' | 'expiresIn' | 'grantType',
    string
  >;
  /** Good for one use each: the next one comes with the answer. */
  private refreshToken: string;

  constructor(
    kit: Kit,
    private readonly own: JsonObject,
    private readonly send: SendPlain,
  ) {
    super(kit);
    const name = (field: string, otherwise: string) => text(kit, own, own[field] ?? otherwise)({});
    this.names = {
      clientId: name('client_id_name', 'client_id'),
      clientSecret: name('client_secret_name', 'client_secret'),
      refreshToken: name('refresh_token_name', 'refresh_token'),
      accessToken: name('access_token_name', 'access_token'),
      expiresIn: name('expires_in_name', 'expires_in'),
      grantType: name('grant_type_name', 'grant_type'),
    };
    this.refreshToken = this.value('refresh_token');
    const known = this.value('access_token_value');
    if (known !== '') {
      this.token = known;
      this.endsMs =
        this.statedEnd() ??
        (own['refresh_token'] === undefined && own['token_refresh_endpoint'] === undefined ? Infinity : -Infinity);
    }
    this.readUpdater();
  }

  async apply(parts: RequestParts): Promise<void> {
    await this.ready();
    parts.headers['authorization'] = `Bearer ${this.token}`;
  }

  private value(field: string): string {
    const found = this.own[field] === undefined ? '' : text(this.kit, this.own, this.own[field])({});
    if (found !== '') registerSecret(found);
    return found;
  }

  private statedEnd(): number | undefined {
    const ends =
      this.own['token_expiry_date'] === undefined ? '' : text(this.kit, this.own, this.own['token_expiry_date'])({});
    if (ends === '') return undefined;
    try {
      const format = this.own['token_expiry_date_format'];
      return (typeof format === 'string' ? parseWith(ends, format) : parseIsoUtc(ends)).epochMs;
    } catch (error) {
      if (error instanceof DateTextError) return undefined;
      throw error;
    }
  }

  /** What an earlier refresh left in the configuration. */
  private readUpdater(): void {
    const updater = this.own['refresh_token_updater'];
    if (!isObject(updater)) return;
    const path = (field: string, otherwise: string) =>
      Array.isArray(updater[field]) ? (updater[field] as Json[]).map(String) : ['credentials', otherwise];
    const stored = valueAt(this.kit.config, path('refresh_token_config_path', 'refresh_token'));
    if (typeof stored === 'string' && stored !== '') {
      this.refreshToken = stored;
      registerSecret(stored);
    }
    const access = valueAt(this.kit.config, path('access_token_config_path', 'access_token'));
    const ends = valueAt(this.kit.config, path('token_expiry_date_config_path', 'token_expiry_date'));
    if (typeof access === 'string' && access !== '' && typeof ends === 'string' && !Number.isNaN(Date.parse(ends))) {
      this.token = access;
      this.endsMs = Date.parse(ends);
      registerSecret(access);
    }
  }

  protected async renew(): Promise<void> {
    const { names, own, kit } = this;
    const grant = text(kit, own, own['grant_type'] ?? 'refresh_token')({});
    const args: Record<string, unknown> = { [names.grantType]: grant };
    if (own['use_profile_assertion'] === true && isObject(own['profile_assertion']))
      args['assertion'] = jwt(kit, own['profile_assertion']);
    else {
      const id = this.value('client_id');
      const key = this.value('client_secret');
      if (id !== '') args[names.clientId] = id;
      if (key !== '') args[names.clientSecret] = key;
    }
    if (this.refreshToken !== '') args[names.refreshToken] = this.refreshToken;
    if (Array.isArray(own['scopes']) && own['scopes'].length > 0) args['scopes'] = own['scopes'];
    for (const [key, value] of Object.entries((own['refresh_request_body'] as JsonObject | undefined) ?? {}))
      args[key] = now(kit, own, value);
    const headers: Record<string, string> = {};
    for (const [key, value] of Object.entries((own['refresh_request_headers'] as JsonObject | undefined) ?? {}))
      headers[text(kit, own, key)({}).toLowerCase()] = text(kit, own, value)({});
    const asQuery = own['send_refresh_request_as_query_params'] === true;
    const isForm = headers['content-type']?.includes('application/x-www-form-urlencoded') ?? false;
    const encoded = new URLSearchParams(
      Object.entries(args).flatMap(([key, value]) =>
        Array.isArray(value)
          ? value.map((item): [string, string] => [key, String(item)])
          : [[key, String(value)] as [string, string]],
      ),
    ).toString();
    let url = text(kit, own, own['token_refresh_endpoint'])({});
    if (asQuery) url += (url.includes('?') ? '&' : '?') + encoded;
    const { status, body } = await this.send({
      method: 'POST',
      url,
      headers: {
        ...(asQuery ? {} : { 'content-type': isForm ? 'application/x-www-form-urlencoded' : 'application/json' }),
        ...headers,
      },
      body: asQuery ? undefined : isForm ? encoded : JSON.stringify(args),
    });
    const token = findDeep(body, names.accessToken);
    if (status >= 400 || typeof token !== 'string') {
      throw new ConfigError('the access token could not be refreshed', {
        code: 'oauth_refresh',
        place: url.split('?')[0],
        expected: `an answer with ${names.accessToken}`,
        found: `status ${status}`,
        next: 'authenticate again: the refresh token, the client id or the secret is no longer accepted',
      });
    }
    registerSecret(token);
    this.token = token;
    const expires = findDeep(body, names.expiresIn);
    this.endsMs = this.endOf(expires);
    this.keep(body);
  }

  private endOf(expires: unknown): number {
    const nowMs = this.kit.clock.now();
    const format = this.own['token_expiry_date_format'];
    const expiresInSeconds = Number(expires);
    if (typeof format === 'string' && expires !== undefined) {
      try {
        return parseWith(typeof expires === 'number' ? expires : String(expires), format).epochMs;
      } catch {
        /* Some send seconds all the same. */
      }
    }
    if (Number.isFinite(expiresInSeconds)) return nowMs + expiresInSeconds * 1000;
    const date = Date.parse(String(expires));
    // Without a word of its end, a token is taken to last an hour.
    return Number.isNaN(date) ? nowMs + 3_600_000 : date;
  }

  private keep(body: unknown): void {
    const updater = this.own['refresh_token_updater'];
    if (!isObject(updater)) return;
    const fresh = findDeep(
      body,
      typeof updater['refresh_token_name'] === 'string' ? updater['refresh_token_name'] : 'refresh_token',
    );
    if (typeof fresh === 'string' && fresh !== '') {
      this.refreshToken = fresh;
      registerSecret(fresh);
    }
    const path = (field: string, otherwise: string) =>
      Array.isArray(updater[field]) ? (updater[field] as Json[]).map(String) : ['credentials', otherwise];
    setAt(this.kit.config, path('refresh_token_config_path', 'refresh_token'), this.refreshToken);
    setAt(this.kit.config, path('access_token_config_path', 'access_token'), this.token);
    setAt(
      this.kit.config,
      path('token_expiry_date_config_path', 'token_expiry_date'),
      new Date(this.endsMs).toISOString(),
    );
    this.kit.onConfigChange(this.kit.config);
  }
}

/** Some nest the token one level down. */
function findDeep(body: unknown, name: string): unknown {
  if (!isObject(body)) return undefined;
  if (Object.hasOwn(body, name)) return body[name];
  for (const inner of Object.values(body)) {
    const found = findDeep(inner, name);
    if (found !== undefined) return found;
  }
  return undefined;
}

class SessionToken extends Renewed {
  private token = '';
  private readonly inject: ((parts: RequestParts) => void) | undefined;

  constructor(
    kit: Kit,
    private readonly own: JsonObject,
    private readonly login: (requester: JsonObject) => Promise<unknown>,
  ) {
    super(kit);
    const request = own['request_authentication'] as JsonObject;
    const option = injection(kit, fields(request, 'inject_into'));
    const wrap = request['api_token'] === undefined ? undefined : template(kit, request, request['api_token']);
    this.inject =
      request['type'] === 'Bearer'
        ? (parts) => header(parts, 'authorization', `Bearer ${this.token}`)
        : (parts) => option?.(parts, wrap ? String(wrap({ session_token: this.token })) : this.token);
  }

  async apply(parts: RequestParts): Promise<void> {
    await this.ready();
    this.inject!(parts);
  }

  protected async renew(): Promise<void> {
    const path = (this.own['session_token_path'] as Json[]).map(String);
    const found = valueAt(await this.login(this.own['login_requester'] as JsonObject), path);
    if (found === undefined || found === null) {
      throw new ConfigError('the login brought no session token', {
        code: 'session_token',
        place: placeOf(this.kit.manifest, this.own),
        expected: path.join('.'),
        found: 'nothing there',
        next: 'check the credential in the configuration',
      });
    }
    this.token = String(found);
    registerSecret(this.token);
    const lasts = this.own['expiration_duration'];
    this.endsMs =
      typeof lasts === 'string'
        ? this.kit.clock.now() + parseDuration(text(this.kit, this.own, lasts)({})).ms
        : Infinity;
  }
}

class LegacySession extends Renewed {
  private token: string;

  constructor(
    kit: Kit,
    private readonly own: JsonObject,
    private readonly send: SendPlain,
  ) {
    super(kit);
    this.token = text(kit, own, own['session_token'] ?? '')({});
    if (this.token !== '') {
      registerSecret(this.token);
      this.endsMs = Infinity;
    }
  }

  async apply(parts: RequestParts): Promise<void> {
    await this.ready();
    header(parts, text(this.kit, this.own, this.own['header'])({}), this.token);
  }

  protected async renew(): Promise<void> {
    const { kit, own } = this;
    const value = (field: string) => text(kit, own, own[field] ?? '')({});
    const url = `${value('api_url').replace(/\/$/, '')}/${value('login_url').replace(/^\//, '')}`;
    const { status, body } = await this.send({
      method: 'POST',
      url,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ username: value('username'), password: value('password') }),
    });
    const token = isObject(body) ? body[value('session_token_response_key')] : undefined;
    if (status >= 400 || typeof token !== 'string')
      throw new ConfigError('the login was refused', {
        code: 'session_token',
        place: url,
        expected: 'a session token',
        found: `status ${status}`,
        next: 'check user name and password',
      });
    registerSecret(token);
    this.token = token;
    this.endsMs = Infinity;
  }
}

const HASHES: Record<string, string> = { '256': 'sha256', '384': 'sha384', '512': 'sha512' };
const DEFAULT_TOKEN_SECONDS = 1200;

/** A JSON Web Token (RFC 7519), signed anew for each request. */
function jwt(kit: Kit, own: JsonObject): string {
  const value = (component: JsonObject | undefined, field: string) =>
    component?.[field] === undefined ? undefined : text(kit, own, component[field])({}) || undefined;
  const seconds = Math.floor(kit.clock.now() / 1000);
  const algorithm = String(own['algorithm']);
  const extra = (field: string) =>
    Object.fromEntries(
      Object.entries((own[field] as JsonObject | undefined) ?? {}).map(([key, inner]) => [
        text(kit, own, key)({}),
        now(kit, own, inner),
      ]),
    );
  const headers = fields(own, 'jwt_headers');
  const payload = fields(own, 'jwt_payload');
  const head = clean({
    kid: value(headers, 'kid'),
    typ: value(headers, 'typ') ?? 'JWT',
    cty: value(headers, 'cty'),
    alg: algorithm,
    ...extra('additional_jwt_headers'),
  });
  const lasts = Number(own['token_duration'] ?? DEFAULT_TOKEN_SECONDS);
  const claims = clean({
    iss: value(payload, 'iss'),
    sub: value(payload, 'sub'),
    aud: value(payload, 'aud'),
    iat: seconds,
    exp: seconds + lasts,
    nbf: seconds,
    ...extra('additional_jwt_payload'),
  });
  const signed = `${base64url(JSON.stringify(head))}.${base64url(JSON.stringify(claims))}`;
  let key = text(kit, own, own['secret_key'])({}).replaceAll('\\n', '\n');
  registerSecret(key);
  if (own['base64_encode_secret_key'] === true) key = Buffer.from(key).toString('base64');
  const token = `${signed}.${signature(algorithm, key, signed, value(own, 'passphrase')).toString('base64url')}`;
  registerSecret(token);
  return token;
}

function signature(algorithm: string, key: string, data: string, passphrase: string | undefined): Buffer {
  const hash = HASHES[algorithm.slice(2, 5)];
  try {
    if (algorithm.startsWith('HS')) return createHmac(hash!, key).update(data).digest();
    const privateKey = createPrivateKey({ key, ...(passphrase === undefined ? {} : { passphrase }) });
    if (algorithm === 'EdDSA') return signWith(null, Buffer.from(data), privateKey);
    if (algorithm.startsWith('ES'))
      return signWith(hash, Buffer.from(data), { key: privateKey, dsaEncoding: 'ieee-p1363' });
    return signWith(
      hash,
      Buffer.from(data),
      algorithm.startsWith('PS')
        ? { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
        : privateKey,
    );
  } catch (error) {
    throw new ConfigError('the key cannot sign a token', {
      code: 'jwt_key',
      place: 'the secret_key of the JwtAuthenticator',
      expected: `a key for ${algorithm}`,
      found: (error as Error).message.split(':').at(-1)!.trim(),
      next: 'check the key in the configuration: PEM, with its line breaks',
      cause: error,
    });
  }
}

const base64url = (value: string) => Buffer.from(value).toString('base64url');
const clean = (value: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(value).filter(([, inner]) => inner !== undefined));
