/** What every HTTP attempt asks before it is sent. Pure: the clock's reading is an argument. */

/** At most `requests` in any window of `windowMs`. */
export interface RateRule {
  requests: number;
  windowMs: number;
}

/** What a limit counts: all requests of the credential, or those of one endpoint. */
export type LimitScope = 'credential' | 'endpoint';

/**
 * What a connector knows of its API's limits: facts from the vendor's documentation, never tuning. They are where the
 * gate starts; headers and rejections correct them.
 */
export interface LimitFact {
  /** Shown to people; readings and rejections of the dialect use the same name. */
  name: string;
  scope: LimitScope;
  /** The endpoints that it is counted for, each by itself; undefined: all. */
  endpoints?: string[] | undefined;
  /** The vendor's usual limit. */
  usual?: RateRule | undefined;
  /** Requests at once that the vendor usually allows. */
  concurrency?: number | undefined;
  /** Whoever exceeds it is shut out for this long. */
  banMs?: number | undefined;
}

/** What a user allows, above all that is known. */
export interface Ceilings {
  /** Requests over all; no window of this length is ever sent more. */
  maxRate?: RateRule | undefined;
  /** The same for each endpoint. */
  maxEndpointRate?: RateRule | undefined;
  maxConcurrency?: number | undefined;
  /** Part of every limit, 0 to 1: the rest is left to others. */
  share?: number | undefined;
}

/** What one answer states of a limit. `limit` names it: two limits of one API have two names. */
export type Reading = { limit: string; scope?: LimitScope | undefined } & (
  | { kind: 'epoch'; quota: number; remaining: number; resetMs: number; grainMs: number; windowMs?: number | undefined }
  | { kind: 'bucket'; available: number; max: number; restorePerSecond: number }
  | { kind: 'rolling'; quota: number; remaining: number; windowMs: number }
  /**
   * An hour or more: spent at the speed of the short limits, down to a reserve. `resetMs` by the server's clock, where
   * it tells.
   */
  | { kind: 'budget'; quota: number; remaining: number; windowMs: number; resetMs?: number | undefined }
);

/** The server said that a limit is exceeded. */
export interface Rejection {
  /** Which one, where it says so. */
  limit?: string | undefined;
  scope?: LimitScope | undefined;
  reason?: 'rate' | 'concurrency' | 'budget' | undefined;
  retryAfterMs?: number | undefined;
  /** What is doubtful about the wait that it asks for. */
  doubt?: string | undefined;
}

/** What one answer tells of limits, whoever the vendor is. */
export interface LimitSigns {
  readings: Reading[];
  rejection?: Rejection | undefined;
  /** Accepted, but slow down for so long. */
  holdMs?: number | undefined;
  /** What the request cost in the end, where the server charges by cost. */
  actualCost?: number | undefined;
}

export type WaitReason =
  | 'rate limit'
  | 'quota of the window'
  | 'points of the bucket'
  | 'concurrency limit'
  | 'requests in flight'
  | 'Retry-After'
  | 'backoff after a rejection'
  | 'quota used up'
  | 'ceiling of the configuration'
  | 'shared budget';

export interface GateRequest {
  endpoint: string;
  /** In the unit that the API's limits count; 1 where they count requests. */
  cost: number;
}

export type Admission =
  | { go: true }
  /** `waitMs` may be Infinity: until the next answer. `limit` names what holds it. */
  | { go: false; waitMs: number; reason: WaitReason; limit: string };

/** One request under way; opaque outside the gate. */
export interface Ticket {
  readonly request: GateRequest;
}

export interface Answer {
  /**
   * `overloaded`: the server could not cope, and did not speak of a limit; it may be one all the same. `lost`: no
   * answer came, or none that can be read, and nobody can say why.
   */
  kind: 'accepted' | 'rejected' | 'overloaded' | 'lost';
  signs: LimitSigns;
  /** The response's `Date`, milliseconds; undefined where it has none. */
  serverTimeMs: number | undefined;
}

/** What is known of one limit, for people. */
export interface LimitView {
  name: string;
  scope: LimitScope | 'account';
  /** Which endpoint's requests it counts; all where it is left out. */
  endpoint?: string | undefined;
  /** What the gate aims at, per second. */
  perSecond: number;
  quota?: number | undefined;
  windowMs?: number | undefined;
  remaining?: number | undefined;
  /** Wall-clock time at which it starts anew, where that is known. */
  resetMs?: number | undefined;
  concurrency?: number | undefined;
  /** Accepted of late, per second. */
  usedPerSecond: number;
  /** How it was found out. */
  knownBy: 'headers' | 'body' | 'rejections' | 'prior' | 'memory' | 'searching' | 'configuration';
  rejections: number;
  /** Answers of a server that could not cope. */
  overloads?: number | undefined;
  /** What its bad answers that named no cause are put down to, and for how long they have been. */
  explanation?: 'none' | 'rate' | 'requests at once' | 'quota' | 'noise' | 'outage' | undefined;
  explainedForMs?: number | undefined;
  /** What that rests on: how requests ended at the rate that was cut last, and at the present one. */
  above?: { rate: number; bad: number; all: number } | undefined;
  below?: { rate: number; bad: number; all: number } | undefined;
  /** What explained them before, the latest last. */
  tried?: string[] | undefined;
  /** The share of answers that is bad for no reason, 0 to 1. */
  noise?: number | undefined;
  /** Why what its headers say is believed no more. */
  doubted?: string | undefined;
}

export interface GateStatus {
  /** Requests of the last ten seconds, per second. */
  sentPerSecond: number;
  /** What the gate aims at over all endpoints, per second; Infinity where nothing is known. */
  limitPerSecond: number;
  rejections: number;
  /** Rejections by what the server said: `endpoint rate`, `unlabelled`. */
  rejectedFor: Record<string, number>;
  requests: number;
  /** What holds requests back now; after a rejection, since the first one. */
  waiting: { reason: WaitReason; limit: string; sinceMs: number; untilMs: number } | undefined;
  limits: LimitView[];
}

export interface Gate {
  /** Whether a request may be sent now, else how long to wait at least. */
  check(nowMs: number, request: GateRequest): Admission;
  /** The request leaves now. Every ticket must be answered once. */
  sent(nowMs: number, request: GateRequest): Ticket;
  answered(nowMs: number, ticket: Ticket, answer: Answer): void;
  /** Requests per second that this endpoint may take; Infinity where nothing is known. */
  rateOf(endpoint: string): number;
  /** Requests at once that are known to be allowed; Infinity where no such limit was met. */
  concurrency(): number;
  status(nowMs: number): GateStatus;
}

/** What an API says of one credential's pool of calls, when it is asked. */
export interface QuotaStatus {
  pool: string;
  quota: number;
  remaining: number;
  /** Milliseconds from now. */
  resetInMs: number;
}

/** Where the quotas of credentials are asked for. */
export interface QuotaSource {
  /** The pool that an endpoint's requests are counted in; undefined: none. */
  poolOf: (endpoint: string) => string | undefined;
  /** Undefined: no quota is kept for this credential. */
  ask: (credential: string) => Promise<QuotaStatus[] | undefined>;
}

/** The gate of several credentials that stand in for each other. */
export interface InterchangeableGates extends Gate {
  /** Which of the credentials a request is to use, from 0. */
  memberOf(ticket: Ticket): number;
  /** Why this request cannot be made: its credential's quota cannot be read. */
  failureOf(ticket: Ticket): unknown;
}
