/** What a re-read did not find: when it is called deleted, and when it is held back. */
import { countOf } from '../../base/plural.js';
import { LIMITS } from '../../base/bounds.js';
import type { HeldDeletions, StreamMeta } from '../../ledger/checkpoint.js';
import { DOUBTS, type Doubt, type Evidence } from '../../base/evidence.js';
import type { Unseen } from '../../destinations/contract.js';
import type { Stream } from '../../sources/contract.js';
import type { RunContext } from '../read/context.js';

/** Keys that are named. */
const SAMPLE = 5;

/** What became of the rows that did not come again. */
export interface Settled {
  held?: HeldDeletions;
  /** They may still be there: less is asked for than before. */
  doubt?: Doubt;
  /** What is stored and live is what came. */
  isSettled?: true;
}

/** Marks what is gone from a stream that was read again; returns what was held back. */
export async function settleDeletions(
  context: RunContext,
  stream: Stream,
  meta: StreamMeta,
  evidence: Evidence,
): Promise<Settled> {
  const { session } = context;
  if (meta.mode !== 'reread' || !stream.stored || !session.capabilities.keys) return {};
  const unseen = await session.unseen(stream.name, meta.generation, SAMPLE);
  const isKeyless = stream.primaryKey.length === 0;
  // Without keys the new rows take the place of the old ones, or the old ones stay: never both.
  const keepEarlier = async () => {
    if (isKeyless && unseen.earlier !== undefined) await session.forgetUnseen(stream.name, unseen.earlier, undefined);
  };
  if (unseen.rows > 0 && meta.narrower && !context.acceptDeletions.includes(stream.name)) {
    await keepEarlier();
    context.note(
      `${notMarked(stream, unseen)}: ${DOUBTS.narrower}. To mark them, run with --accept-deletions ${stream.name}`,
    );
    return { doubt: 'narrower' };
  }
  if (unseen.rows > 0 && evidence.doubt !== undefined && !(isKeyless && isOfOrder(evidence.doubt))) {
    await keepEarlier();
    context.note(`${notMarked(stream, unseen)}: ${DOUBTS[evidence.doubt]}`);
    return {};
  }
  if (isCollapse(unseen) && !isAccepted(context, stream, meta, unseen)) {
    await keepEarlier();
    context.note(heldText(stream, unseen));
    return { held: { rows: unseen.rows, digest: unseen.digest } };
  }
  const gone = await session.forgetUnseen(stream.name, meta.generation, undefined);
  if (gone > 0)
    context.note(
      `${stream.name}: ${countOf(gone, 'row is', 'rows are')} gone from the source and ${gone === 1 ? 'was' : 'were'} marked deleted`,
    );
  return { isSettled: true };
}

function notMarked({ name }: Stream, { rows }: Unseen): string {
  return `${name}: ${countOf(rows, 'row')} did not come again and ${rows === 1 ? 'was' : 'were'} not marked deleted`;
}

/** A few rows may be missing; it is no answer of another kind. */
const isOfOrder = (doubt: Doubt) => doubt === 'pages' || doubt === 'offsets' || doubt === 'shifted';

/** More is gone than a healthy source loses between two runs. */
function isCollapse({ rows, live }: Unseen): boolean {
  return rows > 0 && (rows === live || (rows > LIMITS.goneRows && rows > live * LIMITS.goneShare));
}

/** The user said so, or an earlier run found the same rows gone. */
function isAccepted(context: RunContext, stream: Stream, meta: StreamMeta, { digest }: Unseen): boolean {
  return context.acceptDeletions.includes(stream.name) || meta.held?.digest === digest;
}

function heldText({ name: stream, primaryKey }: Stream, { rows, live, sample }: Unseen): string {
  const keys = sample.map((record) => primaryKey.map((field) => String(record[field])).join('/')).join(', ');
  return (
    `${stream}: ${rows} of ${live} rows did not come again (${keys}${rows > sample.length ? ', …' : ''}). They were not marked deleted. ` +
    `Run again: if the same rows are missing, they are marked then; or accept it with --accept-deletions ${stream}`
  );
}
