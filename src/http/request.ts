/** What is asked of an API, what it answers, and what the answer means. */
import type { HeadraceError } from '../base/errors.js';
import type { Ticket } from '../gate/gate.js';
import type { Cookies } from './cookies.js';
import type { Dialect } from './dialects/dialect.js';

/** A request whose address and headers are made anew for each attempt: a token may have been renewed since. */
export interface OutgoingRequest {
  method: string;
  /** Absolute. */
  url: string;
  headers: Record<string, string>;
  body: string | undefined;
  /** Names of headers, in lower case, that hold a credential: a redirect to another host does not get them. */
  credentials?: readonly string[] | undefined;
  /** The body holds a credential. */
  secretBody?: boolean | undefined;
}

/** A request, before the gate admits it. */
export interface ApiRequest {
  method?: 'GET' | 'POST';
  /** Path and query, appended to the base URL. */
  path: string;
  /** What is sent instead of method, path and headers. */
  outgoing?: (ticket: Ticket) => Promise<OutgoingRequest>;
  /** At most so many attempts, the first included, within this time; the client's own bounds where nothing is said. */
  attempts?: number | undefined;
  withinMs?: number | undefined;
  /** Reads the body of an answer below 400, where it is not plain JSON. May throw RetriableError. */
  decode?: (body: Buffer, headers: ApiResponse['headers']) => unknown;
  /** Reads a body of JSON in UTF-8 below 400 otherwise than into objects; undefined: that is done after all. */
  slice?: ((body: Buffer) => unknown) | undefined;
  /** What the server set is sent again, and what it sets now is kept. */
  cookies?: Cookies | undefined;
  /** The same as the client's, for this request alone. */
  dialect?: Dialect;
  judge?: (response: ApiResponse, request: ApiRequest) => Verdict;
  /** Name of the endpoint for limits that are counted per endpoint: its path without ids. */
  endpoint: string;
  headers?: Record<string, string>;
  /** Expected remaining work of the stream; a heavier request is admitted first. */
  weight?: () => number;
  signal: AbortSignal;
  /** In the unit that the API's limits count. Default: 1. */
  cost?: number;
  /** Somebody waits for the answer. */
  interactive?: boolean;
  /**
   * Its answer is not the same twice: where one may have been lost it is not asked for again. Throws CursorGoneError.
   */
  once?: boolean | undefined;
  /** Called where an attempt left and no whole answer came back. */
  onLost?: (() => void) | undefined;
  /** The permit of the first attempt, where the caller took it already. */
  ticket?: Ticket | undefined;
}

/** An answer of the API. */
export interface ApiResponse {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  /** Parsed JSON. Integers past 2^53 are bigint. */
  body: unknown;
  /** The server's own clock (`Date`), milliseconds since the epoch; undefined where it sends none. */
  serverTimeMs: number | undefined;
  /** Size of the body as received. */
  bytes: number;
}

/** What an answer means that no limit refused; the connector knows its API's signs. */
export type Verdict =
  | { kind: 'ok' }
  | { kind: 'retry'; reason: string; retryAfterMs?: number | undefined }
  | { kind: 'error'; error: HeadraceError };
