/** How requests leave: through the proxy that the environment names, and only to where they may. */
import { buildConnector, EnvHttpProxyAgent, Pool, type Dispatcher } from 'undici';
import { LIMITS } from '../base/bounds.js';
import { codeOf, ConfigError } from '../base/errors.js';
import type { Egress } from '../base/egress.js';

/** Throws ConfigError where the environment names a proxy by no address. */
export function newDispatcher(egress: Egress | undefined, env = process.env): Dispatcher {
  for (const name of PROXIES) assertProxy(name, env[name]);
  return new EnvHttpProxyAgent({
    connections: LIMITS.sockets,
    pipelining: 1,
    headersTimeout: LIMITS.headersTimeoutMs,
    bodyTimeout: LIMITS.bodyTimeoutMs,
    maxHeaderSize: LIMITS.headerBytes,
    factory: (origin, options) => new Pool(origin, ending(options)),
    // To the proxy itself, which may take its time as well.
    clientFactory: (origin, options) => new Pool(origin, { ...options, headersTimeout: LIMITS.headersTimeoutMs }),
    ...(egress ? { connect: guarded(egress) } : {}),
  });
}

function assertProxy(name: string, value: string | undefined): void {
  if (!value || (URL.canParse(value) && /^(?:https?|socks5?):$/.test(new URL(value).protocol))) return;
  throw new ConfigError('the address of the proxy cannot be read', {
    code: 'bad_proxy',
    place: name,
    expected: 'an address with its scheme, such as http://proxy.example.com:3128',
    found: `a text of ${value.length} characters`,
    next: `correct ${name}, or unset it`,
  });
}

/** As errors of sockets that ended are told to undici, which connects again for them, at once and for ever. */
const HUNG_UP = ['UND_ERR_SOCKET', 'UND_ERR_INFO'];

/** A proxy that hangs up instead of answering is an attempt that failed. */
function ending(options: object): Pool.Options {
  const { connect } = options as Pool.Options;
  if (typeof connect !== 'function') return options;
  const told: buildConnector.connector = (to, callback) =>
    connect(to, (...answer) => {
      const [error] = answer;
      if (error && HUNG_UP.includes(codeOf(error) ?? ''))
        callback(Object.assign(new Error('the proxy hung up', { cause: error }), { code: 'PROXY_HUNG_UP' }), null);
      else callback(...answer);
    });
  return { ...options, connect: told };
}

/** Judges where a socket goes at the moment that it does: redirects and names that change come by here as well. */
function guarded(egress: Egress): buildConnector.connector {
  const connect = buildConnector({ lookup: egress.lookup } as buildConnector.BuildOptions);
  return (options, callback) => {
    try {
      egress.assertHost(options.hostname);
    } catch (error) {
      return callback(error as Error, null);
    }
    connect(options, callback);
  };
}

const PROXIES = ['http_proxy', 'HTTP_PROXY', 'https_proxy', 'HTTPS_PROXY'];

/** A proxy resolves names itself: what they resolve to here is all that can be judged. Throws ConfigError. */
export async function assertTarget(egress: Egress, url: string, env = process.env): Promise<void> {
  const { hostname } = new URL(url);
  if (PROXIES.some((name) => env[name])) await egress.assertResolved(hostname);
  else egress.assertHost(hostname);
}
