/** headrace testbed */
import { stopSignal } from '../signals.js';
import { ConfigError, EXIT } from '../../base/errors.js';
import {
  FAULTS,
  LIMIT_MODELS,
  parseFaults,
  SHAPES,
  startIntercomTestbed,
  startStripeTestbed,
  TESTBED_INTERCOM_TOKEN,
  TESTBED_KEY,
  TESTBED_LIVE_KEY,
  type Shape,
} from '../../testbed/index.js';
import { note, out } from '../terminal/output.js';

interface Flags {
  port: number;
  rows: number;
  shape: string;
  latency: number;
  limit?: string;
  faults: string;
  seed: number;
  collection: string[];
}

export async function command([api]: string[], flags: Flags): Promise<number> {
  if (api !== 'stripe' && api !== 'intercom')
    throw new ConfigError(`unknown API ${api}`, {
      code: 'unknown_api',
      expected: 'stripe or intercom',
      found: String(api),
    });
  const faults = parseFaults(flags.faults);
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
  for (const entry of flags.collection) {
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
  const limit = flags.limit ?? (api === 'stripe' ? 'stripe-live' : 'intercom');
  const options = {
    port: flags.port,
    rows: flags.rows,
    shape: flags.shape as Shape,
    seed: flags.seed,
    limit,
    faults,
    latency: { medianMs: flags.latency, sigma: flags.latency > 0 ? 0.3 : 0 },
  };
  const testbed =
    api === 'stripe' ? await startStripeTestbed({ ...options, collections }) : await startIntercomTestbed(options);
  out(testbed.url);
  note(
    `A simulated ${api === 'stripe' ? `Stripe account with ${flags.rows} customers` : `Intercom workspace with ${flags.rows} conversations`}, limit ${limit}${Object.hasOwn(LIMIT_MODELS, limit) ? ` (${LIMIT_MODELS[limit]!.about})` : ''}.`,
  );
  if (api === 'stripe') {
    say(`Use it with: STRIPE_API_KEY=${TESTBED_LIVE_KEY} headrace sync stripe --base-url ${testbed.url}`);
    say(
      `Keys: ${TESTBED_LIVE_KEY} (100/s), ${TESTBED_KEY} (25/s). Statistics: ${testbed.url}/__testbed/stats. Ctrl-C stops it.`,
    );
  } else {
    note(
      `Use it with: headrace sync --manifest source-intercom.yaml --source-config config.json --base-url ${testbed.url}`,
    );
    note(`Access token: ${TESTBED_INTERCOM_TOKEN}. Statistics: ${testbed.url}/__testbed/stats. Ctrl-C stops it.`);
  }
  await stopSignal();
  await testbed.close();
  return EXIT.complete;
}

/** The testbed's keys are no secrets, and are there to be copied: what hides keys must not touch them. */
function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
