/** Public API of `headrace/client`. */
export { ApiError, type ClientOptions, type WatchedEvent, type WatchOptions } from './caller.js';
export * from './operations.js';
