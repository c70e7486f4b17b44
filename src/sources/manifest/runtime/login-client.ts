/** The requests of a login: they pass no limit of the API's, and are tried again a little later. */
import type { Clock } from '../../../base/clock.js';
import type { Egress } from '../../../base/egress.js';
import { ConfigError } from '../../../base/errors.js';
import { parseJson } from '../../../base/json.js';
import type { Random } from '../../../base/random.js';
import type { Gate } from '../../../gate/gate.js';
import { Admission } from '../../../http/admission.js';
import { charsetOf, textOfBody } from '../../../http/bodies.js';
import { ApiClient, retryAfterOf } from '../../../http/client.js';
import type { ApiResponse } from '../../../http/request.js';
import { generic } from '../../../http/dialects/generic.js';
import { isObject, type JsonObject } from '../document/read.js';
import type { Authenticator, SendPlain } from './credential.js';
import type { Decode } from './decoders.js';
import type { Kit } from './kit.js';
import { emptyParts } from './options.js';
import { requester } from './requester.js';

/** For the few requests of a login, which no limit of the API's own counts. */
const OPEN_GATE: Gate = {
  check: () => ({ go: true }),
  sent: (_nowMs, request) => ({ request }),
  answered() {},
  rateOf: () => Infinity,
  concurrency: () => Infinity,
  status: () => ({
    sentPerSecond: 0,
    limitPerSecond: Infinity,
    rejections: 0,
    rejectedFor: {},
    requests: 0,
    waiting: undefined,
    limits: [],
  }),
};

/** Apart from the API's client: a login must not wait for the limit that the request waiting for it holds. */
export class LoginClient {
  private readonly client: ApiClient;

  constructor(
    private readonly kit: Kit,
    baseUrl: string,
    outside: { clock: Clock; random: Random; egress?: Egress | undefined },
    private readonly authenticator: (component: JsonObject | undefined, base: string) => Authenticator,
  ) {
    this.client = new ApiClient({
      baseUrl,
      admission: new Admission(OPEN_GATE, outside.clock),
      clock: outside.clock,
      random: outside.random,
      headers: { accept: 'application/json' },
      dialect: generic,
      judge: () => ({ kind: 'ok' }),
      egress: outside.egress,
    });
  }

  /** One request of a login, with its answer whatever its status. */
  readonly send: SendPlain = (request) => this.sent(request, parsedOrNothing);

  private async sent(request: Parameters<SendPlain>[0], decode: typeof parsedOrNothing): ReturnType<SendPlain> {
    const response = await this.client.request({
      path: '',
      endpoint: 'login',
      interactive: true,
      signal: new AbortController().signal,
      outgoing: async () => ({ ...request, headers: { accept: '*/*', ...request.headers } }),
      decode,
      // A login has limits of its own, apart from the API's: it is tried again, a little later.
      dialect: () => ({ readings: [] }),
      judge: (answer) =>
        answer.status >= 500 || answer.status === 429
          ? { kind: 'retry', reason: `status ${answer.status}`, retryAfterMs: retryAfterOf(answer) }
          : { kind: 'ok' },
    });
    return { status: response.status, body: response.body, serverTimeMs: response.serverTimeMs };
  }

  /** Logs in as the component says, and gives what the answer holds: JSON, or as `decode` reads it. */
  readonly login = async (component: JsonObject, decode?: Decode): Promise<unknown> => {
    const login = requester(this.kit, component);
    const own = this.authenticator(
      isObject(login.component['authenticator']) ? login.component['authenticator'] : undefined,
      login.base,
    );
    const parts = { ...emptyParts(), ...login.parts({}) };
    await own.apply(parts);
    const request = login.finish(parts, {}, undefined);
    // All of it serves to log in.
    const { status, body } = await this.sent(
      { ...request, credentials: Object.keys(request.headers), secretBody: true },
      decode ? (bytes, headers) => decode(bytes, charsetOf(headers))[0] : parsedOrNothing,
    );
    if (status >= 400)
      throw new ConfigError('the login was refused', {
        code: 'login_refused',
        place: request.url.split('?')[0],
        expected: 'a session token',
        found: `status ${status}`,
        next: 'check the credential in the configuration',
      });
    return body;
  };

  close(): Promise<void> {
    return this.client.close();
  }
}

/** An answer of a login; what is no JSON holds no token. */
function parsedOrNothing(body: Buffer, headers: ApiResponse['headers']): unknown {
  try {
    return parseJson(textOfBody(body, charsetOf(headers)));
  } catch {
    return undefined;
  }
}
