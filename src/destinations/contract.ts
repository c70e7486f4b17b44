/**
 * What a destination is. It accepts batches and answers with receipts; rows and the state that they imply are committed
 * together, so that state never mentions a row that is not there. State entries are opaque to it: compare-and-set by
 * version.
 */
import type { DataRecord, JsonSchema, WriteMode } from '../base/catalog.js';

/** A stream as a destination is told of it. */
export interface StreamTarget {
  name: string;
  schema: JsonSchema;
  /** The schema describes what usually comes, and promises nothing. */
  schemaIsHint?: boolean | undefined;
  /** Empty: rows have no key and are only ever added. */
  primaryKey: string[];
  mode: WriteMode;
  /** Its rows share the table `of`: those of this stream have this value in the field, which is part of the key. */
  part?: { of: string; field: string; value: string } | undefined;
}

/** An entry of a state that is stored. */
export interface StateEntry {
  stream: string;
  key: string;
  /** Counts the writes of this entry, from 1. */
  version: number;
  value: unknown;
}

/** A change of one entry. */
export interface StateWrite {
  stream: string;
  key: string;
  /** The version that must be there; 0: no entry. A mismatch refuses the whole batch with LedgerConflictError. */
  expect: number;
  /** null deletes the entry. */
  value: unknown;
}

/** Rows of one page, made ready for their table. */
export interface PreparedRows {
  stream: string;
  rows: number;
  /** Memory that it holds, in bytes. */
  bytes: number;
  quarantined: number;
}

/** Rows of one page, as they were read. */
export interface PrepareInput {
  stream: string;
  records: DataRecord[];
  /** Identity of the page within the ledger. */
  page: string;
  /** The server's clock when it answered, milliseconds: the later read of a key wins. */
  version: number;
  deleted?: DataRecord[] | undefined;
  scope?: { field: string; value: string } | undefined;
  /** The stream is read again: keys are remembered, so that `forgetUnseen` can tell which are gone. */
  remember?: number | undefined;
}

/** What one commit writes: rows, and the state that they imply. */
export interface Batch {
  rows: PreparedRows[];
  state: StateWrite[];
  /** The stream's first load: rows are most likely new. */
  firstLoad: boolean;
}

/** What became of the rows of a stream. */
export interface Counts {
  /** Rows handed over, quarantined ones included. */
  read: number;
  inserted: number;
  updated: number;
  unchanged: number;
  quarantined: number;
  /** Tombstones set. */
  deleted: number;
}

/** What a commit did. */
export interface CommitReceipt {
  counts: Record<string, Counts>;
}

/** What a destination can do. */
export interface Capabilities {
  /** Distinct keys can be counted and compared. */
  keys: boolean;
  /**
   * `prepare` takes records that are known by slices of their page (`slicesOf`), which hold no more fields than the
   * engine asks for. Default: it wants whole ones.
   */
  slices?: boolean;
}

/** What a re-read did not bring. */
export interface Unseen {
  rows: number;
  live: number;
  /** Some of them, as they are stored. */
  sample: DataRecord[];
  digest: string;
  /** Rows without a key: the generation that read those which the new ones take the place of. */
  earlier?: number | undefined;
}

/** A part of a stream's ledger that one process reads for another. */
export interface Loan {
  id: number;
  /** `asked`: the borrower has nothing to do; `granted`: it reads; `returned`: it ended, well or not. */
  state: 'asked' | 'granted' | 'returned';
  stream: string;
  /** The range that was lent, and the first of the ids that its splits may take. */
  range: number;
  firstId: number;
  /** The borrower was not heard of for long. */
  stale: boolean;
}

/**
 * Where processes that read one connection together meet. The leader holds the connection; borrowers work beside it.
 */
export interface LoanBook {
  /** The leader begins: what an earlier run lent is its own again, and later commits of those borrowers are refused. */
  recall(): Promise<void>;
  /** All loans of a run, for its leader. */
  of(run: string): Promise<Loan[]>;
  grant(id: number, what: Pick<Loan, 'stream' | 'range' | 'firstId'>): Promise<void>;
  end(id: number): Promise<void>;
  ask(run: string, borrower: string): Promise<number>;
  /** How the loan stands, and a sign of life of its borrower; undefined: it was recalled. */
  look(id: number): Promise<Loan | undefined>;
  giveBack(id: number): Promise<void>;
  isRunOver(run: string): Promise<boolean>;
  /** The run's leader lives: it will lend, or end the run. */
  isLed(run: string): Promise<boolean>;
}

/** Something that the destination waits for, or works on for long. Times are monotonic milliseconds. */
export interface DestinationWait {
  reason: string;
  sinceMs: number;
  /** It gives up then. */
  untilMs?: number | undefined;
}

/** A destination, open for one run of one connection. */
export interface DestinationSession {
  /** What is waited for now. */
  waits?(): DestinationWait[];
  /** What came up that the user should know. */
  notes?(): string[];
  /** Undefined: one process at a time. */
  loans?: LoanBook | undefined;
  capabilities: Capabilities;
  loadState(): Promise<StateEntry[]>;
  writeState(writes: StateWrite[]): Promise<void>;
  /** Encodes and checks rows. Rows that do not fit are set aside for the quarantine of the same batch. */
  prepare(input: PrepareInput): PreparedRows;
  /** Several commits may be under way at once. */
  commit(batch: Batch): Promise<CommitReceipt>;
  /** Counts of all commits so far, for all runs. */
  counts(): Promise<Record<string, Counts>>;
  /** Rows of a stream as they are stored: keys there are, tombstones among them. */
  stored(stream: string): Promise<{ keys: number; deleted: number }>;
  /**
   * Live rows that a finished re-read did not see, against all that are live; at most `limit` of them, and a digest of
   * all their keys.
   */
  unseen(stream: string, generation: number, limit: number): Promise<Unseen>;
  /** Tombstones rows of a finished re-read that it did not see: those with `field` in [gte, lt), or all. */
  forgetUnseen(
    stream: string,
    generation: number,
    within: { field: string; gte: number | null; lt: number } | undefined,
  ): Promise<number>;
  /**
   * A stream begins to be read whole: its counters are set to what is stored, and its rows leave the quarantine, so
   * that the account is of this reading. Returns the rows that are stored and not this connection's.
   */
  beginAccount(stream: string): Promise<number>;
  /** Rows of a stream that are in quarantine now. */
  quarantined(stream: string): Promise<number>;
  /** Keys of live rows that no run wrote, at most `limit`. */
  strangers(stream: string, limit: number): Promise<DataRecord[]>;
  /** Begins a stream in mode `replace` anew: an empty table out of sight, counters at zero. */
  restart(stream: string): Promise<void>;
  /** Makes a stream in mode `replace` visible: its new table takes the place of the old one. */
  publish(stream: string): Promise<void>;
  /** Live rows of the keys, for `verify`; null where one is missing, or marked deleted. */
  lookup(stream: string, keys: DataRecord[]): Promise<(DataRecord | null)[]>;
  /** Keys stored with `field` in [gte, lt), at most `limit`. */
  keysWithin(stream: string, field: string, gte: number, lt: number, limit: number): Promise<DataRecord[]>;
  /**
   * Live rows that were written last, the newest first, for people to look at; of a very large stream, as far as that
   * is cheap to tell. Left out: rows cannot be read back.
   */
  newest?(stream: string, limit: number): Promise<DataRecord[]>;
  /** Ends the run's record with its outcome. */
  finishRun(outcome: string, summary: unknown): Promise<void>;
  close(): Promise<void>;
}

/** What a session is opened with. */
export interface OpenOptions {
  connection: string;
  runId: string;
  streams: StreamTarget[];
  /** Only look: take no lock, create nothing. */
  readOnly: boolean;
  /**
   * Work beside the run that holds the connection: no lock is taken. Only batches without state, or of entries that are
   * this one's own.
   */
  beside?: boolean | undefined;
  /** Wall clock, milliseconds, to tell others since when. */
  startedMs: number;
  /** The run was asked to stop: nothing is waited for at length any more. */
  signal?: AbortSignal | undefined;
  /** Called when a wait begins, to be told to people. */
  onWait?: ((wait: DestinationWait) => void) | undefined;
}

/** A place where rows and state are stored. */
export interface Destination {
  /** Shown to the user; no secret. */
  description: string;
  /** Rows are only ever added: one that is read twice stands there twice, whatever its key. */
  addsOnly?: boolean;
  /** Proves that it can be reached and written to. */
  check(): Promise<void>;
  /** Throws ConfigError `connection_locked`, naming the holder, where another run has the connection. */
  open(options: OpenOptions): Promise<DestinationSession>;
  /** Carries out one SQL statement of the user's, for `headrace query`; left out where it knows no SQL. */
  query?(sql: string, options: { write: boolean }): Promise<QueryResult>;
  /** Merges what was only added, for `headrace compact`; left out where rows are merged as they come. */
  compact?(options: Omit<OpenOptions, 'streams' | 'readOnly'>): Promise<Compacted[]>;
  close(): Promise<void>;
}

/** What became of a stream that was compacted. */
export interface Compacted {
  stream: string;
  before: { files: number; rows: number; bytes: number };
  after: { files: number; rows: number; bytes: number };
}

/** What a statement gave. */
export interface QueryResult {
  /** Names of the columns, in their order. */
  fields: string[];
  rows: Record<string, unknown>[];
}

/** Counts of nothing. */
export function noCounts(): Counts {
  return { read: 0, inserted: 0, updated: 0, unchanged: 0, quarantined: 0, deleted: 0 };
}

/** Adds the counts of a stream to those of all streams. */
export function addCounts(into: Record<string, Counts>, stream: string, more: Counts): void {
  const sum = (into[stream] ??= noCounts());
  for (const key of Object.keys(more) as (keyof Counts)[]) sum[key] += more[key];
}
