/** Public entry `headrace/testbed`: simulated API servers with real limits, faults and latency. */
export { SIMULATED_APIS, type SimulatedApi, type SimulatedOptions } from './apis.js';
export { startIntercomTestbed, type IntercomTestbed, type IntercomTestbedOptions } from './intercom/server.js';
export { FAULTS, parseFaults, type Fault, type FaultRates } from './faults.js';
export { TESTBED_INTERCOM_TOKEN, TESTBED_KEY, TESTBED_LIVE_KEY } from './keys.js';
export { LIMIT_MODELS, limitModel, type LimitModel } from './limit-models.js';
export {
  startTestbed,
  type Testbed,
  type TestbedAnswer,
  type TestbedApi,
  type TestbedRequest,
  type TestbedOptions,
} from './server.js';
export { SHAPES, type Shape } from './shapes.js';
export type { TestbedStats } from './stats.js';
export { startStripeTestbed, type StripeTestbed, type StripeTestbedOptions } from './stripe/server.js';
