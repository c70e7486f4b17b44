/** headrace serve */
import pc from 'picocolors';
import { announce, knownConnections, readFile } from '../../wiring/compose-scheduler.js';
import { serviceParts } from '../../wiring/compose-service.js';
import { ConfigError, messageOf } from '../../base/errors.js';
import { registerSecret } from '../../base/log.js';
import { listen, webApp } from '../../service/app.js';
import { isLoopback } from '../../service/loopback.js';
import { withCoordination, work, workerOf, type WorkFlags } from '../work.js';

const LEAST_TOKEN = 16;

export async function command(_: unknown[], flags: WorkFlags & { host: string; port: number }): Promise<number> {
  const loaded = readFile(flags, process.env);
  const known = loaded ? knownConnections(loaded, flags, process.env) : [];
  const token = process.env['HEADRACE_TOKEN'] || undefined;
  if (token === undefined ? !isLoopback(flags.host) : token.length < LEAST_TOKEN) {
    throw new ConfigError(token === undefined ? 'beyond this machine a token is wanted' : 'the token is too short', {
      code: 'token_missing',
      place: token === undefined ? '--host' : 'HEADRACE_TOKEN',
      expected: `HEADRACE_TOKEN with ${LEAST_TOKEN} characters or more`,
      found: token === undefined ? 'none' : 'a shorter one',
      next: 'export HEADRACE_TOKEN=…, or listen on 127.0.0.1 without one',
    });
  }
  registerSecret(token);
  return withCoordination(flags, async (coordination, log) => {
    if (loaded) await announce(coordination, known, loaded, flags, process.env);
    const service = serviceParts({
      coordination,
      flags,
      env: process.env,
      known,
      token,
      onError: (error) => log.trouble(messageOf(error)),
    });
    const listening = await listen(webApp(service.parts), flags.host, flags.port);
    const count =
      known.length === 0
        ? 'connections are made there'
        : `${known.length} ${known.length === 1 ? 'connection' : 'connections'} of ${loaded!.file}`;
    log.tell(
      'info',
      { type: 'listening', url: listening.url, connections: known.map(({ id }) => id) },
      `dashboard and API on ${pc.bold(listening.url)}, ${count}, ${flags.slots} tasks at once`,
    );
    try {
      await work(workerOf(coordination, flags, log), log);
    } finally {
      await service.close();
      await listening.close();
    }
  });
}
