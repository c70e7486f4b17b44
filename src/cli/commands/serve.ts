/** headrace serve */
import pc from 'picocolors';
import { announce, knownConnections, readFile } from '../../wiring/compose-scheduler.js';
import { serviceParts } from '../../wiring/compose-service.js';
import { describeError, messageOf, type ConfigError } from '../../base/errors.js';
import { dataDirOf } from '../../wiring/compose.js';
import { ownToken } from '../../service/own-token.js';
import { listen, webApp } from '../../service/app.js';
import { isLoopback } from '../../service/loopback.js';
import { note } from '../terminal/output.js';
import { withCoordination, work, workerOf, type WorkFlags } from '../work.js';

const PLAIN_HTTP =
  'a token came over plain HTTP: without a proxy with TLS (X-Forwarded-Proto: https), others on the way can read it';

export async function command(_: unknown[], flags: WorkFlags & { host: string; port: number }): Promise<number> {
  const loaded = readFile(flags, process.env);
  const faults: [name: string, error: ConfigError][] = [];
  const known = loaded ? await knownConnections(loaded, flags, process.env, (...fault) => faults.push(fault)) : [];
  const token = ownToken(dataDirOf(flags, process.env, loaded), process.env);
  return withCoordination(flags, async (coordination, log) => {
    for (const [name, error] of faults) {
      const { code, message, place, expected, found, next } = error;
      log.tell(
        'error',
        { type: 'connection_refused', connection: name, error: { code, message, place, expected, found, next } },
        `connection ${name} is not run: ${describeError(error)}`,
      );
    }
    const kept = loaded ? await announce(coordination, known, loaded, flags, process.env) : [];
    if (kept.length > 0)
      log.trouble(
        `${loaded!.file}: apps.${kept.join(', apps.')} is not applied, for that limit was set by hand; headrace app set-limit changes it`,
      );
    const service = serviceParts({
      coordination,
      flags,
      env: process.env,
      known,
      token,
      onPlainHttp: isLoopback(flags.host) ? undefined : once(() => log.trouble(PLAIN_HTTP)),
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
    if (!isLoopback(flags.host))
      log.tell(
        'warn',
        { type: 'plain_http', host: flags.host },
        `${flags.host} is not this machine alone, and what goes over it is not encrypted: put a proxy with TLS before it that sets X-Forwarded-Proto`,
      );
    if (!flags.json) tellSignIn(listening.url, token);
    try {
      await work(workerOf(coordination, flags, log), log);
    } finally {
      await service.close();
      await listening.close();
    }
  });
}

/** To a person alone: what is not a terminal is kept as a log, and a token must not be in it. */
function tellSignIn(url: string, token: string): void {
  const terminal = [process.stderr, process.stdout].find((stream) => stream.isTTY);
  if (process.env['HEADRACE_TOKEN']) note('sign in with HEADRACE_TOKEN');
  else if (terminal) terminal.write(`sign in, as admin: ${pc.bold(`${url}/#token=${encodeURIComponent(token)}`)}\n`);
  else note('sign in with what this prints on this machine: headrace token show');
}

function once(tell: () => void): () => void {
  let told = false;
  return () => {
    if (!told) tell();
    told = true;
  };
}
