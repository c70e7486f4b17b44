/** How requests leave: through the proxy that the environment names, and only to where they may. */
import { buildConnector, EnvHttpProxyAgent, type Dispatcher } from 'undici';
import { LIMITS } from '../base/bounds.js';
import type { Egress } from '../base/egress.js';

export function newDispatcher(egress: Egress | undefined): Dispatcher {
  return new EnvHttpProxyAgent({
    connections: LIMITS.sockets,
    pipelining: 1,
    headersTimeout: LIMITS.headersTimeoutMs,
    bodyTimeout: LIMITS.bodyTimeoutMs,
    maxHeaderSize: LIMITS.headerBytes,
    ...(egress ? { connect: guarded(egress) } : {}),
  });
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
