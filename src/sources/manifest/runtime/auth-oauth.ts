/** OAuth 2 (RFC 6749): access tokens that are refreshed. */
import { stringifyJson } from '../../../base/json.js';
import { ConfigError } from '../../../base/errors.js';
import { registerSecret } from '../../../base/log.js';
import { isObject, type Json, type JsonObject } from '../document/read.js';
import { parseIsoUtc, parseWith } from '../templates/date-text.js';
import { DateTextError } from '../templates/datetime.js';
import { isTrue, type Value } from '../templates/values.js';
import { oneLine, type SendPlain } from './credential.js';
import { jwt } from './auth-jwt.js';
import { Renewed } from './auth-renewed.js';
import { now, setAt, text, valueAt, type Kit } from './kit.js';
import type { RequestParts } from './options.js';

const DEFAULT_LIFE_MS = 3_600_000;

export class OAuth extends Renewed {
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
      this.endsAt(this.statedEnd() ?? (own['token_refresh_endpoint'] === undefined ? Infinity : -Infinity));
    }
    this.readUpdater();
  }

  async apply(parts: RequestParts): Promise<void> {
    await this.ready();
    parts.headers['authorization'] = `Bearer ${this.token}`;
  }

  private value(field: string): string {
    const found = this.own[field] === undefined ? '' : oneLine(text(this.kit, this.own, this.own[field])({}));
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
      this.endsAt(Date.parse(ends));
      registerSecret(access);
    }
  }

  protected async renew(): Promise<void> {
    const { names } = this;
    const { url, status, body } = await this.ask(this.args());
    const token = findDeep(body, names.accessToken);
    if (status >= 400 || typeof token !== 'string' || token === '') {
      const said = isObject(body) && typeof body['error'] === 'string' ? `: ${body['error'].slice(0, 100)}` : '';
      throw new ConfigError('the access token could not be refreshed', {
        code: 'oauth_refresh',
        place: url.split('?')[0],
        expected: `an answer with ${names.accessToken}`,
        found: `status ${status}${said}`,
        next: 'authenticate again: the refresh token, the client id or the secret is no longer accepted',
      });
    }
    registerSecret(token);
    this.token = token;
    const endsMs = this.endOf(findDeep(body, names.expiresIn));
    this.endsAt(endsMs);
    this.keep(body, endsMs);
  }

  /** The fields of RFC 6749, and after them what else the manifest wants to be sent. */
  private args(): Record<string, unknown> {
    const { names, own, kit } = this;
    if (this.usesAssertion()) {
      return {
        [names.grantType]: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
        assertion: isObject(own['profile_assertion']) ? jwt(kit, own['profile_assertion']) : '',
      };
    }
    const args: Record<string, unknown> = {
      [names.grantType]: text(kit, own, own['grant_type'] ?? 'refresh_token')({}),
    };
    // Servers refuse a client that says who it is twice.
    if (this.headers()['authorization'] === undefined) {
      if (own['client_id'] !== undefined) args[names.clientId] = this.value('client_id');
      if (own['client_secret'] !== undefined) args[names.clientSecret] = this.value('client_secret');
    }
    if (this.refreshToken !== '' || own['refresh_token'] !== undefined) args[names.refreshToken] = this.refreshToken;
    if (Array.isArray(own['scopes']) && own['scopes'].length > 0) args['scopes'] = own['scopes'];
    for (const [key, value] of Object.entries((own['refresh_request_body'] as JsonObject | undefined) ?? {})) {
      const name = text(kit, own, key)({});
      const found = now(kit, own, value);
      if (!Object.hasOwn(args, name) && found !== null && found !== undefined) args[name] = found;
    }
    return args;
  }

  private usesAssertion(): boolean {
    const wanted = this.own['use_profile_assertion'];
    return typeof wanted === 'string' ? isTrue(now(this.kit, this.own, wanted) as Value) : wanted === true;
  }

  private headers(): Record<string, string> {
    const { own, kit } = this;
    const wanted = Object.entries((own['refresh_request_headers'] as JsonObject | undefined) ?? {});
    return Object.fromEntries(
      wanted.map(([key, value]) => [text(kit, own, key)({}).toLowerCase(), oneLine(text(kit, own, value)({}))]),
    );
  }

  private async ask(args: Record<string, unknown>): Promise<{ url: string; status: number; body: unknown }> {
    const headers = this.headers();
    const asQuery = this.own['send_refresh_request_as_query_params'] === true;
    const isJson = headers['content-type']?.includes('application/json') ?? false;
    const encoded = new URLSearchParams(
      Object.entries(args).flatMap(([key, value]) =>
        (Array.isArray(value) ? value : [value]).map((item): [string, string] => [key, String(item)]),
      ),
    ).toString();
    const endpoint = text(this.kit, this.own, this.own['token_refresh_endpoint'])({});
    const url = asQuery ? endpoint + (endpoint.includes('?') ? '&' : '?') + encoded : endpoint;
    const { status, body } = await this.send({
      method: 'POST',
      url,
      headers: { ...(asQuery ? {} : { 'content-type': 'application/x-www-form-urlencoded' }), ...headers },
      body: asQuery ? undefined : isJson ? stringifyJson(args) : encoded,
      credentials: Object.keys(headers),
      secretBody: !asQuery,
    });
    return { url, status, body };
  }

  private endOf(expires: unknown): number {
    const nowMs = this.kit.clock.now();
    const format = this.own['token_expiry_date_format'];
    // Without a word of its end, a token is taken to last an hour.
    if (expires === undefined || expires === null || expires === '') return nowMs + DEFAULT_LIFE_MS;
    const expiresInSeconds = Number(expires);
    if (typeof format === 'string') {
      try {
        return parseWith(typeof expires === 'number' ? expires : String(expires), format).epochMs;
      } catch {
        /* Some send seconds all the same. */
      }
    }
    if (Number.isFinite(expiresInSeconds)) return nowMs + expiresInSeconds * 1000;
    const date = Date.parse(String(expires));
    return Number.isNaN(date) ? nowMs + DEFAULT_LIFE_MS : date;
  }

  private keep(body: unknown, endsMs: number): void {
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
    setAt(this.kit.config, path('token_expiry_date_config_path', 'token_expiry_date'), new Date(endsMs).toISOString());
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
