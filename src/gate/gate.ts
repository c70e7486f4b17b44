/** What every HTTP attempt asks before it is sent. Pure: the clock's reading is an argument. */

/** A limit that a connector or the user states: at most `requests` in any window of `windowMs`. */
export interface RateRule {
  requests: number;
  windowMs: number;
}

export interface DeclaredLimits {
  /** Over all requests of the credential. */
  global?: RateRule | undefined;
  /** Over the requests of one endpoint. */
  endpoint?: RateRule | undefined;
}

export type WaitReason = 'rate limit' | 'endpoint rate limit' | 'Retry-After' | 'backoff after a rejection' | 'backoff after a failure';

export type Admission = { go: true } | { go: false; waitMs: number; reason: WaitReason };

export interface Answer {
  /** The server said that a limit is exceeded. */
  rejected: boolean;
  /** The limit that was exceeded, where the server names it. */
  scope: 'global' | 'endpoint';
  retryAfterMs?: number | undefined;
}

export interface GateStatus {
  /** Requests of the last ten seconds, per second. */
  sentPerSecond: number;
  /** What the gate aims at, per second; Infinity where nothing is known. */
  limitPerSecond: number;
  rejections: number;
  requests: number;
  waiting: { reason: WaitReason; untilMs: number } | undefined;
}

export interface Gate {
  /** Whether a request to this endpoint may be sent now, else how long to wait at least. */
  check(nowMs: number, endpoint: string): Admission;
  /** The request leaves now. */
  sent(nowMs: number, endpoint: string): void;
  /** The answer to one request; every `sent` has one `answered`. */
  answered(nowMs: number, endpoint: string, answer: Answer): void;
  /** Requests per second that this endpoint may take; Infinity where nothing is known. */
  rateOf(endpoint: string): number;
  status(nowMs: number): GateStatus;
}
