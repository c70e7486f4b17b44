/** Walks whose cursor cannot be gone on with: whose it was, and what becomes of the rows that it brought. */
import { CursorGoneError, FatalError } from '../../base/errors.js';
import type { RangeRequest } from '../../ledger/page.js';
import type { Stream } from '../../sources/contract.js';
import type { RunContext } from './context.js';

/** A walk over rows without a key lost its place: begun anew it would bring them twice. */
export class WalkLostError extends FatalError {
  constructor(stream: string, cause: CursorGoneError) {
    super('rows without a key lost their place, and are read once more', {
      code: 'walk_lost',
      place: stream,
      expected: 'a cursor that goes on',
      found: cause.message,
      next: 'run again',
      cause,
    });
  }
}

export function isConsumed({ division }: Stream): boolean {
  return division.kind === 'chain' && division.cursor === 'consumed';
}

/**
 * A cursor that moves with each answer is good for who had the answer before alone. `walked`: ranges of this reader.
 */
export function assertOurs(stream: Stream, { range, cursor }: RangeRequest, walked: ReadonlySet<number>): void {
  if (!isConsumed(stream) || cursor === null || walked.has(range)) return;
  throw new CursorGoneError('the server may have moved its cursor since it was stored', {
    code: 'cursor_moved',
    place: stream.name,
  });
}

/** Rows have no key, and their walk can only begin anew: what it brought has to give way. */
export function wouldDouble(stream: Stream, { session, mode }: RunContext, isSeekable: boolean): boolean {
  return !isSeekable && session.capabilities.keys && mode === 'upsert' && stream.primaryKey.length === 0;
}
