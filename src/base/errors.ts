import { nearest } from './nearest.js';

/**
 * Errors are typed by what the reader can do about them. Each says where, what was expected, what was found and the
 * next step.
 */
export interface ErrorDetail {
  /** Stable identifier, snake_case: `config_invalid`, `stripe_key_rejected`. */
  code: string;
  /** File and line, endpoint, table: where it went wrong. */
  place?: string | undefined;
  expected?: string | undefined;
  found?: string | undefined;
  /** What to do next, as one sentence. */
  next?: string | undefined;
  /** Names that there are: the one that is nearest to `found` is proposed. */
  candidates?: Iterable<string> | undefined;
  cause?: unknown;
}

function nextOf({ found, next, candidates }: ErrorDetail): string | undefined {
  const meant = found !== undefined && candidates ? nearest(found.replaceAll('"', ''), candidates) : undefined;
  if (meant === undefined) return next;
  return `did you mean ${meant}?${next === undefined ? '' : ` Otherwise ${next}`}`;
}

/** What all errors of Headrace have: where, what was expected, what was found, and the next step. */
export abstract class HeadraceError extends Error {
  readonly code: string;
  readonly place: string | undefined;
  readonly expected: string | undefined;
  readonly found: string | undefined;
  readonly next: string | undefined;
  /** The process exit code that this error leads to when nothing handles it. */
  abstract readonly exitCode: number;

  constructor(message: string, detail: ErrorDetail) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.name = new.target.name;
    this.code = detail.code;
    this.place = detail.place;
    this.expected = detail.expected;
    this.found = detail.found;
    this.next = nextOf(detail);
  }
}

/** The user must change configuration, arguments or credentials. */
export class ConfigError extends HeadraceError {
  readonly exitCode = 2;

  constructor(message: string, detail: ErrorDetail) {
    super(message, { ...detail, next: detail.next ?? correctionOf(detail) });
  }
}

/** What to do where an error says no more than what is wrong. */
function correctionOf({ place, expected }: ErrorDetail): string {
  const such = expected === undefined ? 'another value' : 'what is expected';
  if (place?.startsWith('--') === true) return `give ${place} ${such}, or see the command's --help`;
  return place === undefined ? `give ${such}` : `correct it at ${place}, and run again`;
}

/** Nothing that Headrace or a retry can do helps; state stays as it was. */
export class FatalError extends HeadraceError {
  readonly exitCode = 1;
}

/** Trying again later may succeed; what was committed stays, and a later run continues there. */
export class RetriableError extends HeadraceError {
  readonly exitCode = 1;
}

/** One stream cannot be read; the others go on and the run ends `partial`. */
export class SkippableError extends HeadraceError {
  readonly exitCode = 3;
}

/** A page token names an object that the API no longer knows; the engine walks the last position's unit again. */
export class CursorGoneError extends SkippableError {}

/** The object that a slice belongs to is gone: the slice is empty. */
export class SliceGoneError extends SkippableError {}

/** The API refused one part of a stream: others may well be read, and a stream without parts cannot. */
export class PartRefusedError extends SkippableError {}

/** Another process changed a ledger row first: this page must not be committed. */
export class LedgerConflictError extends RetriableError {}

/** The run was asked to stop; everything committed stays and the next run continues. */
export class PausedError extends HeadraceError {
  readonly exitCode = 75;
}

/** `interrupted`: stopped by SIGINT at once, by the shells' convention. */
export const EXIT = { complete: 0, failed: 1, usage: 2, partial: 3, paused: 75, interrupted: 130 } as const;

/** Renders an error for people: no stack unless `debug`. */
export function describeError(error: unknown, debug = false): string {
  if (!(error instanceof HeadraceError)) {
    if (debug && error instanceof Error) return error.stack ?? error.message;
    const message = error instanceof Error ? error.message || error.name : String(error);
    return `unexpected error: ${message}\n  next: run again with --debug and report what it prints`;
  }
  const lines = [error.message];
  if (error.place) lines.push(`  at: ${error.place}`);
  if (error.expected) lines.push(`  expected: ${error.expected}`);
  if (error.found !== undefined) lines.push(`  found: ${error.found === '' ? '""' : error.found}`);
  if (error.next) lines.push(`  next: ${error.next}`);
  if (debug) {
    if (error.stack) lines.push(error.stack);
    if (error.cause instanceof Error) lines.push(`caused by: ${error.cause.stack ?? error.cause.message}`);
  }
  return lines.join('\n');
}

/** The message of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error);
}

/** The `code` property that Node.js and PostgreSQL put on their errors. */
export function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : undefined;
}

/** Narrows what no case may reach. */
export function unreachable(value: never): never {
  throw new FatalError(`unexpected value ${JSON.stringify(value)}`, { code: 'unreachable' });
}
