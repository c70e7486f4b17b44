/** Public API. */
export { systemClock, type Clock } from './base/clock.js';
export {
  newRunId,
  openDestination,
  openSource,
  resolveConnection,
  type ConnectionConfig,
  type ConnectionFlags,
} from './wiring/compose.js';
export {
  ConfigError,
  CursorGoneError,
  describeError,
  EXIT,
  FatalError,
  HeadraceError,
  PausedError,
  RetriableError,
  SkippableError,
  SliceGoneError,
} from './base/errors.js';
export type { Ceilings, LimitFact, LimitView, Reading } from './gate/gate.js';
export type { Progress, RunEvent, RunOutcome, RunSummary, StreamProof } from './engine/report/events.js';
export { runSync, type SyncOptions } from './engine/run/sync.js';
export type { Twin, TwinInput, Twins } from './sources/manifest/runtime/twin.js';
export {
  maxConcurrentProcessesPerConcurrencyPartition,
  maxConcurrentProcessesPerConcurrencyPartitionFromAppSchema,
  type AppSchema,
} from './fleet/scheduler/cap.js';
export { Scheduler } from './fleet/scheduler/scheduler.js';
export { LeaseLostError } from './fleet/scheduler/scheduler-errors.js';
export type { ClaimedTask, NewTask, Settlement } from './fleet/scheduler/task.js';
export { Worker, type TaskHandler, type WorkerEvent, type WorkerOptions } from './fleet/scheduler/worker.js';
export { segmentCountFromDensity } from './ledger/density.js';
export { VERSION } from './base/version.js';
