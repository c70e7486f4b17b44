/**
 * The proof at the end: the ledger has no gap and no overlap, every row read is accounted for, and the destination
 * holds what its receipts say.
 */
import { count, countOf } from '../../base/plural.js';
import { noCounts, type Counts, type DestinationSession } from '../../destinations/contract.js';
import type { DataRecord, WriteMode } from '../../base/catalog.js';
import { coverFaults, totals, type Ledger } from '../../ledger/ledger.js';
import type { HeldDeletions } from '../../ledger/checkpoint.js';
import { DOUBTS, STATED, type Evidence } from '../../base/evidence.js';
import type { Stream } from '../../sources/contract.js';
import type { StreamProof } from '../report/events.js';

/** Rows that are named. */
export const NAMED = 5;

export interface ProofInput {
  stream: Stream;
  mode: WriteMode;
  /** Undefined for slices, whose ledger is the list of those still open. */
  ledger: Ledger | undefined;
  openSlices: number;
  complete: boolean;
  /** Rows that were there before the first load. */
  before: number;
  evidence: Evidence | undefined;
  held: HeldDeletions | undefined;
}

export async function prove(
  session: DestinationSession,
  input: ProofInput,
  all: Record<string, Counts>,
): Promise<StreamProof> {
  const { stream, ledger } = input;
  const counts = all[stream.name] ?? noCounts();
  const faults: string[] = [];
  const cover = ledger ? coverFaults(ledger) : [];
  const sums = ledger ? totals(ledger) : { rows: counts.read, pages: 0, open: 0, closed: 0 };
  faults.push(...cover);
  const open = sums.open + input.openSlices;
  if (open > 0) faults.push(`${open} ${ledger ? 'ranges' : 'slices'} are still open`);
  else if (!input.complete) faults.push('the stream did not come to its end');
  if (input.held)
    faults.push(
      `${countOf(input.held.rows, 'row')} did not come again, and ${input.held.rows === 1 ? 'was' : 'were'} not marked deleted: too many to believe`,
    );
  const accounted = counts.inserted + counts.updated + counts.unchanged + counts.quarantined;
  if (accounted !== counts.read)
    faults.push(`${countOf(counts.read, 'row was', 'rows were')} read, ${count(accounted)} accounted for`);
  const stored = await session.stored(stream.name);
  if (session.capabilities.keys || input.mode === 'append') {
    const said = counts.inserted + input.before;
    if (stored.keys !== said) faults.push(await otherHands(session, stream, said, stored.keys));
  }
  const { kind, doubt } = input.evidence ?? STATED;
  return {
    stream: stream.name,
    pages: sums.pages,
    rows: sums.rows,
    ranges: ledger?.ranges.size ?? 0,
    span: ledger?.span ?? { gte: 0, lt: 0 },
    gaps: cover.filter((fault) => fault.startsWith('gap')).length,
    overlaps: cover.filter((fault) => fault.startsWith('overlap')).length,
    open,
    counts,
    stored: stored.keys,
    tombstones: stored.deleted,
    quarantined: await session.quarantined(stream.name),
    evidence: kind,
    ...(doubt === undefined ? {} : { doubt: DOUBTS[doubt] }),
    faults,
  };
}

/** The table is not as the receipts left it: how many rows that concerns, which, and what mends it. */
async function otherHands(session: DestinationSession, stream: Stream, said: number, held: number): Promise<string> {
  const rows = Math.abs(held - said);
  const added = held > said ? (await session.strangers(stream.name, NAMED)).map((record) => keyOf(stream, record)) : [];
  const named = added.length === 0 ? '' : ` (${added.join(', ')}${added.length < rows ? ', …' : ''})`;
  const what = `${rows} ${rows === 1 ? 'row was' : 'rows were'} ${held > said ? 'added' : 'removed'} by other hands${named}`;
  return (
    `receipts say ${countOf(said, 'row is', 'rows are')} stored, the destination holds ${held}: ${what}; ` +
    `to mend it, run headrace state reset --stream ${stream.name}, then sync`
  );
}

/** A key, as it is shown to people. */
export function keyOf({ primaryKey }: Stream, record: DataRecord): string {
  return primaryKey.map((field) => String(record[field])).join('/');
}
