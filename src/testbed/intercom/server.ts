/** A simulated Intercom workspace on real HTTP. */
import { TESTBED_INTERCOM_TOKEN } from '../keys.js';
import { systemClock, type Clock } from '../../base/clock.js';
import { startTestbed, type Testbed, type TestbedOptions } from '../server.js';
import type { Shape } from '../shapes.js';
import { IntercomApi } from './api.js';

/** How much it holds, and how it behaves. */
export interface IntercomTestbedOptions extends TestbedOptions {
  /** Conversations; contacts, companies, tickets and logs have a share of them unless they are given. */
  rows?: number;
  contacts?: number;
  companies?: number;
  tickets?: number;
  activityLogs?: number;
  shape?: Shape;
  now?: number;
  tokens?: string[];
}

/** A simulated Intercom workspace that runs. */
export interface IntercomTestbed extends Testbed {
  api: IntercomApi;
}

/** Starts a simulated Intercom workspace. */
export async function startIntercomTestbed(
  options: IntercomTestbedOptions = {},
  clock: Clock = systemClock,
): Promise<IntercomTestbed> {
  const rows = options.rows ?? 1000;
  const api = new IntercomApi({
    seed: options.seed ?? 1,
    shape: options.shape ?? 'growth',
    conversations: rows,
    contacts: options.contacts ?? rows,
    companies: options.companies ?? Math.ceil(rows / 10),
    tickets: options.tickets ?? Math.ceil(rows / 5),
    activityLogs: options.activityLogs ?? Math.ceil(rows / 5),
    tokens: options.tokens ?? [TESTBED_INTERCOM_TOKEN],
    now: options.now ?? Math.floor(clock.now() / 1000),
    clock: () => clock.now(),
  });
  return { ...(await startTestbed(api, options, clock)), api };
}
