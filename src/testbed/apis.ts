/** The APIs that `headrace testbed` simulates. A new one is a folder with its server, and its entry here. */
import { TESTBED_INTERCOM_TOKEN, TESTBED_KEY, TESTBED_LIVE_KEY } from './keys.js';
import type { LIMIT_MODELS } from './limit-models.js';
import type { Testbed, TestbedOptions } from './server.js';
import type { Shape } from './shapes.js';

/** How much it holds, and how it behaves. */
export interface SimulatedOptions extends TestbedOptions {
  /** Of its main collection. */
  rows: number;
  shape: Shape;
  /** Rows of single collections, by path. */
  collections: Record<string, { rows: number }>;
}

/** One API that can be simulated, as the command line knows it. */
export interface SimulatedApi {
  /** What is simulated, after "a simulated": "Stripe account with 1000 customers". */
  about(rows: number): string;
  /** The vendor's own limit: a name of LIMIT_MODELS. */
  limit: keyof typeof LIMIT_MODELS;
  start(options: SimulatedOptions): Promise<Testbed>;
  /** How it is used, a line each. Its keys are no secrets, and are there to be copied. */
  usage(url: string): string[];
}

/** By name. Their servers are loaded when they start: help tells of the names. */
export const SIMULATED_APIS: Readonly<Record<string, SimulatedApi>> = {
  stripe: {
    about: (rows) => `Stripe account with ${rows.toLocaleString('en-US')} customers`,
    limit: 'stripe-live',
    start: async (options) => (await import('./stripe/server.js')).startStripeTestbed(options),
    usage: (url) => [
      `Use it with: STRIPE_API_KEY=${TESTBED_LIVE_KEY} headrace sync stripe --base-url ${url}`,
      `Keys: ${TESTBED_LIVE_KEY} (100/s), ${TESTBED_KEY} (25/s).`,
    ],
  },
  intercom: {
    about: (rows) => `Intercom workspace with ${rows.toLocaleString('en-US')} conversations`,
    limit: 'intercom',
    start: async (options) => (await import('./intercom/server.js')).startIntercomTestbed(options),
    usage: (url) => [
      `Use it with: headrace sync --manifest source-intercom.yaml --source-config config.json --base-url ${url}`,
      `Access token: ${TESTBED_INTERCOM_TOKEN}.`,
    ],
  },
};
