/** What a run tells while it goes on. Progress is pulled as a snapshot; events are pushed. */
import type { EvidenceKind } from '../../base/evidence.js';
import type { Counts } from '../../destinations/contract.js';

export type StreamStatus = 'waiting' | 'reading' | 'complete' | 'skipped' | 'failed' | 'paused';

export interface StreamProgress {
  name: string;
  status: StreamStatus;
  /** Rows committed by this run. */
  rows: number;
  pages: number;
  /** Pages expected to remain. */
  expectedPages: number;
  /** It may be many more: nearby pages contradict each other. */
  expectedGuessed?: boolean;
  /** Committed parts of the span, as fractions from oldest (0) to newest (1). */
  done: { from: number; to: number }[];
  openRanges: number;
  /** Children: slices waiting. */
  openSlices: number;
  /** What holds it to its pace: of the limits that count its requests, the one that is used most. */
  limit?: { name: string; perSecond: number | undefined; usedPerSecond: number } | undefined;
  error?: string;
}

export interface LimitUse {
  name: string;
  perSecond: number | undefined;
  usedPerSecond: number;
  /** 0 to 100; undefined where the limit is still being sought. */
  percent: number | undefined;
  remaining?: number | undefined;
  quota?: number | undefined;
  knownBy: string;
  /** Requests that it is blamed for having rejected, in this run. */
  rejections?: number | undefined;
}

export interface Wait {
  reason: string;
  /** The limit that it is for, where it is for one. */
  limit?: string | undefined;
  /** Milliseconds that remain, as far as is known. */
  ms: number;
  /** How long it has lasted. */
  forMs?: number;
}

/** How far a run is, at one moment. */
export interface Progress {
  runId: string;
  elapsedMs: number;
  rows: number;
  rowsPerSecond: number;
  requests: number;
  rejections: number;
  /** Rejections by what the server said. */
  rejectedFor: Record<string, number>;
  requestsPerSecond: number;
  /** What the streams that are read now may use together; undefined where no limit is known. */
  limitPerSecond: number | undefined;
  /** What is known of each limit, and how much of it is used. */
  limits: LimitUse[];
  waits: Wait[];
  /** Undefined before the first pages tell. */
  leftMs: number | undefined;
  /** The time left is what it takes at least: where bursts lie in a history, nothing can tell how long they are. */
  leftAtLeast?: boolean;
  bufferedBytes: number;
  streams: StreamProgress[];
}

/** Whether everything of a stream arrived, and how that is known. */
export interface StreamProof {
  stream: string;
  pages: number;
  rows: number;
  ranges: number;
  span: { gte: number; lt: number };
  gaps: number;
  overlaps: number;
  open: number;
  counts: Counts;
  /** Rows in the destination, tombstones among them. */
  stored: number;
  tombstones: number;
  /** Rows in quarantine now. */
  quarantined: number;
  /** Why it is believed to be read to its end, and what makes that weak: such a stream is complete, and not proven. */
  evidence: EvidenceKind;
  doubt?: string;
  /** What does not agree; empty, and no doubt: proven. */
  faults: string[];
}

/** How a run ended. */
export type RunOutcome = 'complete' | 'partial' | 'failed' | 'paused';

/** What a run did, stream by stream. */
export interface RunSummary {
  runId: string;
  connection: string;
  outcome: RunOutcome;
  seconds: number;
  requests: number;
  rejections: number;
  rejectedFor: Record<string, number>;
  rows: number;
  pages: number;
  proofs: StreamProof[];
  problems: {
    stream: string;
    status: StreamStatus;
    message: string;
    code: string;
    /** What was answered, where that is why. */
    found?: string | undefined;
    next?: string | undefined;
  }[];
  notes: string[];
}

/** What a run tells while it goes on. */
export type RunEvent =
  | { type: 'started'; runId: string; connection: string; account: string; streams: string[] }
  | { type: 'committed'; stream: string; rows: number; bytes: number }
  | { type: 'split'; stream: string; at: number }
  | { type: 'wait'; reason: string; ms: number; limit?: string | undefined; untilMs?: number; stream?: string }
  | { type: 'retry'; endpoint: string; reason: string; status: number }
  | { type: 'stream'; stream: string; status: StreamStatus; message?: string }
  | { type: 'note'; message: string }
  | { type: 'finished'; summary: RunSummary };
