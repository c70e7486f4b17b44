/** Why a part of a stream is believed to have been read to its end. */

/**
 * `confirmed`: a request past the end brought nothing new. `counted`: the API's total equals the distinct keys.
 * `stated`: the server said so. `ignored`: an error that the connector takes for "nothing here". `gone`: the parent was
 * deleted meanwhile.
 */
export type EvidenceKind = 'stated' | 'confirmed' | 'counted' | 'ignored' | 'gone';

/** What makes evidence weak. */
export const DOUBTS = {
  pages: 'the list is read by page numbers without a total: rows that moved between two pages may be missing',
  offsets: 'the list is read by offsets, by two runs or too long to be remembered: rows that moved may be missing',
  shifted: 'rows moved while the list was read, each time that it was walked',
  ignored: 'the API answered with an error that the connector ignores',
  path: 'the answer does not hold the list of records that the connector reads',
  empty: 'the answer was empty',
  refused: 'the answer holds no row and says that it failed',
  parents: 'its parents are not proven to be all: children of those that are missing may be missing too',
  past: 'the page past a full one, which may be the last, was answered with an error',
  again: 'the last page brought rows that came before and nothing else: the API may ignore what it is asked for',
  uncounted: 'the API says that there are more rows than came',
  capped: 'the API gives no more rows of one moment at once than came',
  incomplete: 'the API says that an answer of it is not all of what was asked for',
  narrower: 'less is asked for than when they were read, as a later start does: they may still be there',
} as const;
export type Doubt = keyof typeof DOUBTS;

export interface Evidence {
  kind: EvidenceKind;
  /** Undefined: the evidence is strong. */
  doubt?: Doubt | undefined;
}

export const STATED: Evidence = { kind: 'stated' };

/** One more request brought nothing new: that confirms an end, but no error, and nothing that is doubtful. */
export function confirmedOr(end: Evidence | undefined): Evidence {
  return end === undefined || (end.kind !== 'ignored' && end.kind !== 'gone' && end.doubt === undefined)
    ? { kind: 'confirmed' }
    : end;
}

/** Most limits of APIs are round: a page of so many rows may be all that is given at once, whatever was asked for. */
const ROUND = 5;
export const mayBeLimit = (rows: number): boolean => rows > 0 && rows % ROUND === 0;

const STRENGTH: EvidenceKind[] = ['ignored', 'gone', 'stated', 'counted', 'confirmed'];
const LETTERS: Record<EvidenceKind, string> = {
  stated: 's',
  confirmed: 'c',
  counted: 'n',
  ignored: 'i',
  gone: 'g',
};

/** The evidence of two parts together. */
export function weakest(a: Evidence | undefined, b: Evidence | undefined): Evidence {
  const [one, other] = [a ?? STATED, b ?? STATED];
  if ((one.doubt === undefined) !== (other.doubt === undefined)) return one.doubt === undefined ? other : one;
  return STRENGTH.indexOf(other.kind) < STRENGTH.indexOf(one.kind) ? other : one;
}

/** As it is shown: both null where there is none yet. */
export function evidenceView(evidence: Evidence | undefined): { evidence: EvidenceKind | null; doubt: string | null } {
  const { kind = null, doubt } = evidence ?? {};
  return { evidence: kind, doubt: doubt === undefined ? null : DOUBTS[doubt] };
}

/** Short, since every range keeps one; undefined for what most have. */
export function encodeEvidence(evidence: Evidence | undefined): string | undefined {
  if (!evidence || (evidence.kind === 'stated' && evidence.doubt === undefined)) return undefined;
  return LETTERS[evidence.kind] + (evidence.doubt === undefined ? '' : `:${evidence.doubt}`);
}

/** What an older version wrote, or none, is what the server stated. */
export function decodeEvidence(text: unknown): Evidence {
  if (typeof text !== 'string') return STATED;
  const kind = STRENGTH.find((each) => LETTERS[each] === text[0]) ?? 'stated';
  const doubt = text.slice(2);
  return doubt in DOUBTS ? { kind, doubt: doubt as Doubt } : { kind };
}
