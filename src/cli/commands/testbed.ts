/** headrace testbed */
import { stopSignal } from '../signals.js';
import { ConfigError, EXIT } from '../../base/errors.js';
import { FAULTS, LIMIT_MODELS, parseFaults, SHAPES, SIMULATED_APIS, type Shape } from '../../testbed/index.js';
import { note, out } from '../terminal/output.js';

interface Flags {
  port: number;
  rows: number;
  shape: string;
  latency: number;
  limit?: string;
  faults?: string;
  seed: number;
  collection?: string[];
}

export async function command([api]: string[], flags: Flags): Promise<number> {
  const simulated = api !== undefined && Object.hasOwn(SIMULATED_APIS, api) ? SIMULATED_APIS[api] : undefined;
  if (!simulated)
    throw new ConfigError(`unknown API ${api}`, {
      code: 'unknown_api',
      expected: Object.keys(SIMULATED_APIS).join(' or '),
      found: String(api),
    });
  const faults = parseFaults(flags.faults ?? '');
  if (faults instanceof Error)
    throw new ConfigError('unknown fault', {
      code: 'unknown_fault',
      place: '--faults',
      expected: `all, ${Object.keys(FAULTS).join(', ')}, each with an optional :RATE from 0 to 1`,
      found: faults.message,
    });
  if (!SHAPES.includes(flags.shape as Shape))
    throw new ConfigError('unknown shape', {
      code: 'unknown_shape',
      place: '--shape',
      expected: SHAPES.join(', '),
      found: flags.shape,
    });
  const collections: Record<string, { rows: number }> = {};
  for (const entry of flags.collection ?? []) {
    const [, path, rows] = /^([a-z_/]+)=(\d+)$/.exec(entry) ?? [];
    if (!path)
      throw new ConfigError('unknown collection', {
        code: 'bad_collection',
        place: '--collection',
        expected: 'PATH=ROWS, such as charges=5000',
        found: entry,
      });
    collections[path] = { rows: Number(rows) };
  }
  // Without a word of the limit, each API has its vendor's own.
  const { limit = simulated.limit } = flags;
  const testbed = await simulated.start({
    port: flags.port,
    rows: flags.rows,
    shape: flags.shape as Shape,
    seed: flags.seed,
    limit,
    faults,
    latency: { medianMs: flags.latency, sigma: flags.latency > 0 ? 0.3 : 0 },
    collections,
  });
  out(testbed.url);
  const about = Object.hasOwn(LIMIT_MODELS, limit) ? ` (${LIMIT_MODELS[limit]!.about})` : '';
  note(`A simulated ${simulated.about(flags.rows)}, limit ${limit}${about}.`);
  for (const line of simulated.usage(testbed.url)) say(line);
  note(`Statistics: ${testbed.url}/__testbed/stats. Ctrl-C stops it.`);
  await stopSignal();
  await testbed.close();
  return EXIT.complete;
}

/** The testbed's keys are no secrets, and are there to be copied: what hides keys must not touch them. */
function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
