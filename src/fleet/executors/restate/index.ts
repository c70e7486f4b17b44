/**
 * Public entry `headrace/restate`: tasks run by a Restate server's endpoints, behind the same admission. Wants
 * `@restatedev/restate-sdk`.
 */
export { serveRestate, type RestateEndpoint, type RestateEndpointOptions } from './endpoint.js';
export { restateExecutor, type RestateExecutorOptions } from './executor.js';
export { restateEngine, type RestateEngineOptions, type WorkflowParts } from './workflow.js';
