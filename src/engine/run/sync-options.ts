/** What a run is given. */
import type { Clock } from '../../base/clock.js';
import type { WriteMode } from '../../base/catalog.js';
import type { Destination } from '../../destinations/contract.js';
import type { GateStatus } from '../../gate/gate.js';
import type { Account, Source } from '../../sources/contract.js';
import type { Permits } from '../read/context.js';
import type { Progress, RunEvent } from '../report/events.js';
import type { LimitKeeper } from './limit-memory.js';
import type { Again } from './plan-streams.js';

/** What a sync works with. */
export interface SyncOptions {
  source: Source;
  destination: Destination;
  permits: Permits;
  gateStatus: () => GateStatus;
  /** Keeps what is learned of the limits between runs. */
  limits?: LimitKeeper | undefined;
  /** Called once the destination is open; what it returns, at the end. */
  shareBudget?: (() => Promise<() => Promise<void>>) | undefined;
  /** The check of the credential, where it was begun already. */
  account?: Promise<Account> | undefined;
  connection: string;
  runId: string;
  mode: WriteMode;
  clock: Clock;
  /** Aborting pauses the run: what was fetched is committed, and a later run goes on. */
  signal: AbortSignal;
  planner?: 'adaptive' | 'uniform';
  /**
   * Streams to read again although they are complete: all of them, or one, or a part of one. Asked once, done once:
   * `request` tells.
   */
  again?: Again | undefined;
  /**
   * `plan`: nothing is read; it is stored what there is to read. `read`: of these streams what is stored as open, and
   * nothing of changes. Default: all of a run.
   */
  only?: 'plan' | 'read' | undefined;
  /** Streams whose missing rows are deleted, however many they are. */
  acceptDeletions?: string[] | undefined;
  emit?: ((event: RunEvent) => void) | undefined;
  /** Receives a function that takes a snapshot, for who draws progress. */
  onProgress?: ((snapshot: () => Progress) => void) | undefined;
}
