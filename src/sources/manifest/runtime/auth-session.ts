/** Tokens that a login brings. */
import { ConfigError } from '../../../base/errors.js';
import { registerSecret } from '../../../base/log.js';
import { placeOf } from '../document/manifest.js';
import { isObject, type Json, type JsonObject } from '../document/read.js';
import { parseDuration } from '../templates/date-text.js';
import { oneLine, setHeader, type SendPlain } from './credential.js';
import { Renewed } from './auth-renewed.js';
import { decoder, type Decode } from './decoders.js';
import { fields, template, text, valueAt, type Kit } from './kit.js';
import { injection, type RequestParts } from './options.js';
import { rebased } from './requester.js';

export class SessionToken extends Renewed {
  private token = '';
  private readonly inject: ((parts: RequestParts) => void) | undefined;

  constructor(
    kit: Kit,
    private readonly own: JsonObject,
    private readonly login: (requester: JsonObject, decode?: Decode) => Promise<unknown>,
  ) {
    super(kit);
    const request = own['request_authentication'] as JsonObject;
    const option = injection(kit, fields(request, 'inject_into'));
    const wrap = request['api_token'] === undefined ? undefined : template(kit, request, request['api_token']);
    this.inject =
      request['type'] === 'Bearer'
        ? (parts) => setHeader(parts, 'authorization', `Bearer ${this.token}`)
        : (parts) => option?.(parts, wrap ? String(wrap({ session_token: this.token })) : this.token);
  }

  async apply(parts: RequestParts): Promise<void> {
    await this.ready();
    this.inject!(parts);
  }

  protected async renew(): Promise<void> {
    const path = (this.own['session_token_path'] as Json[]).map(String);
    const own = fields(this.own, 'decoder');
    const decode = own && decoder(this.kit, own);
    const answer = await this.login(this.own['login_requester'] as JsonObject, decode);
    const found = valueAt(answer, path);
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
    this.endsAt(this.kit.clock.now() + this.lifeMs(answer));
  }

  /** As the answer states it, else as the manifest does; Infinity where neither does. */
  private lifeMs(answer: unknown): number {
    const stated = this.own['expires_in_path'];
    const seconds = Array.isArray(stated) ? Number(valueAt(answer, stated.map(String))) : NaN;
    if (seconds > 0) return seconds * 1000;
    const lasts = this.own['expiration_duration'];
    return typeof lasts === 'string' ? parseDuration(text(this.kit, this.own, lasts)({})).ms : Infinity;
  }
}

export class LegacySession extends Renewed {
  private token: string;
  private isChecked = false;

  constructor(
    kit: Kit,
    private readonly own: JsonObject,
    /** Of the requester: where it logs in, too. */
    private readonly base: string,
    private readonly send: SendPlain,
  ) {
    super(kit);
    this.token = oneLine(text(kit, own, own['session_token'] ?? '')({}));
    if (this.token !== '') registerSecret(this.token);
  }

  async apply(parts: RequestParts): Promise<void> {
    await this.ready();
    setHeader(parts, text(this.kit, this.own, this.own['header'])({}), this.token);
  }

  protected async renew(): Promise<void> {
    const { kit, own } = this;
    const value = (field: string) => text(kit, own, own[field] ?? '')({});
    const api = (value('api_url') || this.base).replace(/\/$/, '');
    const urlOf = (field: string) => rebased(`${api}/${value(field).replace(/^\//, '')}`, kit.baseUrl);
    if (!this.isChecked && this.token !== '') {
      this.isChecked = true;
      if (own['validate_session_url'] === undefined || (await this.stands(urlOf('validate_session_url'))))
        return this.endsAt(Infinity);
    }
    const url = urlOf('login_url');
    const { status, body } = await this.send({
      method: 'POST',
      url,
      headers: { 'content-type': 'application/json' },
      secretBody: true,
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
    this.endsAt(Infinity);
  }

  /** Whether the API still takes the token of the configuration. */
  private async stands(url: string): Promise<boolean> {
    const header = text(this.kit, this.own, this.own['header'])({});
    const { status } = await this.send({
      method: 'GET',
      url,
      headers: { [header]: this.token },
      credentials: [header],
      body: undefined,
    });
    if (status < 400 || status === 401) return status !== 401;
    throw new ConfigError('the session token could not be checked', {
      code: 'session_token',
      place: url,
      expected: 'status 200, or 401 where the token has ended',
      found: `status ${status}`,
      next: 'check validate_session_url in the manifest, and that the API is there',
    });
  }
}
