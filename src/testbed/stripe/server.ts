/** A simulated Stripe account on real HTTP. */
import { TESTBED_KEY, TESTBED_LIVE_KEY } from '../keys.js';
import { collectionsOf } from './versions.js';
import { systemClock, type Clock } from '../../base/clock.js';
import { ConfigError } from '../../base/errors.js';
import { startTestbed, type Testbed, type TestbedOptions } from '../server.js';
import { SHAPES, type Shape } from '../shapes.js';
import { StripeApi } from './api.js';

/** How much it holds, and how it behaves. */
export interface StripeTestbedOptions extends TestbedOptions {
  /** Customers; other collections have a share of them unless `collections` says otherwise. */
  rows?: number;
  shape?: Shape;
  /** Rows and shape by path below /v1, such as `charges` or `checkout/sessions`. */
  collections?: Record<string, { rows: number; shape?: Shape }>;
  /** The unix second at which the history ends; default: now. */
  now?: number;
  /** Accepted keys, each with the paths that it may not read. */
  keys?: Record<string, string[]>;
  /** Paths of products that the account does not have, such as `issuing`. */
  lacks?: string[];
  /** Connected accounts by their ids, with the rows of each: as `rows` and `collections` are. */
  accounts?: Record<string, { rows?: number; collections?: Record<string, { rows: number; shape?: Shape }> }>;
}

/** A simulated Stripe account that runs. */
export interface StripeTestbed extends Testbed {
  api: StripeApi;
}

const DEFAULT_ROWS = 1_000;

/** Starts a server on 127.0.0.1; close it when done. */
export async function startStripeTestbed(
  options: StripeTestbedOptions = {},
  clock: Clock = systemClock,
): Promise<StripeTestbed> {
  const shape = options.shape ?? 'growth';
  if (!SHAPES.includes(shape))
    throw new ConfigError(`unknown shape ${shape}`, {
      code: 'unknown_shape',
      expected: SHAPES.join(', '),
      found: shape,
    });
  for (const path of Object.keys(options.collections ?? {})) assertCollection(path);
  const second = () => Math.floor(clock.now() / 1000);
  const api = new StripeApi(
    {
      seed: options.seed ?? 1,
      rows: options.rows ?? DEFAULT_ROWS,
      shape,
      collections: options.collections ?? {},
      now: options.now ?? second(),
      keys: options.keys ?? { [TESTBED_KEY]: [], [TESTBED_LIVE_KEY]: [] },
      second,
      lacks: options.lacks ?? [],
      ...(options.accounts
        ? {
            accounts: Object.fromEntries(
              Object.entries(options.accounts).map(([id, { rows = 0, collections = {} }]) => [
                id,
                { rows, collections },
              ]),
            ),
          }
        : {}),
    },
    (options.faults?.malformed ?? 0) > 0,
  );
  return { ...(await startTestbed(api, options, clock)), api };
}

function assertCollection(path: string): void {
  const known = collectionsOf().map((collection) => collection.path);
  if (!known.includes(path))
    throw new ConfigError('unknown collection', {
      code: 'bad_collection',
      place: '--collection',
      expected: `the path of a list, such as ${known.slice(0, 5).join(', ')}`,
      found: path,
      candidates: known,
      next: 'see docs/reference/testbed.md',
    });
}
