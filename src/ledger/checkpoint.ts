/**
 * A stream's state as entries: one for the stream, one for each range. Values are immutable and a function of commits
 * alone: entries are computed from the committed ledger, never from what was fetched.
 */
import { ConfigError } from '../base/errors.js';
import { decodeEvidence, encodeEvidence, STATED, weakest, type Evidence } from '../base/evidence.js';
import type { Ledger, Range } from './ledger.js';

/** Rows that seem gone, and were not marked. */
export interface HeldDeletions {
  rows: number;
  digest: string;
}

/**
 * What stored rows were asked for by, all readings together: a reading that asks for less does not tell what became of
 * the others.
 */
export interface Reach {
  /** The earliest start, seconds; null: everything. */
  from: number | null;
  /** The latest end, seconds; null: the present. */
  to: number | null;
  /** Digests of what else decides which rows come: settings, filters. */
  what: number[];
  /** Digests of the slices, where they are listed. */
  slices?: number[];
}

/** What the entry `stream` holds. */
export interface StreamMeta {
  /** Counts how often the stream was begun anew. */
  generation: number;
  /** `load`: first time; `extend`: a later part; `reread`: everything again, missing keys become tombstones. */
  mode: 'load' | 'extend' | 'reread';
  span: { gte: number; lt: number };
  /** While it is read for mode `replace`: what is committed lies in a table out of sight. */
  replacing?: boolean;
  /** Rows came out of order once: it is read as one chain. */
  chain?: boolean;
  /** Everything of this generation is committed and proven. */
  complete: boolean;
  /** Rows that the destination held before the first load, from elsewhere. */
  before?: number;
  /** The newest position of all rows that were committed, on the stream's own axis (seconds for time). */
  newest?: number;
  /** Where the history was asked to begin, where that lies later than what was read. */
  start?: number | undefined;
  /**
   * Rows that are only ever added: those below this position were added by an earlier run, and of those at it `edge`.
   */
  after?: number;
  /** Rows that are only ever added: those at the newest position, where all of them are known. */
  edge?: Edge;
  /** Where the span ended before what came since was opened. */
  endBefore?: number;
  /** Slices that follow by a cursor: rows from here on are read, seconds; and where the next run begins. */
  since?: number;
  readTo?: number;
  /** Complete: why the whole is believed to be read to its end. */
  evidence?: Evidence;
  /** Rows that a re-read did not find and that were too many to believe: how many, and a digest of their keys. */
  held?: HeldDeletions;
  reach?: Reach | undefined;
  /** This reading asks for less than `reach`. */
  narrower?: true | undefined;
  /** Numbered streams: rows the API says there are. */
  total?: number;
  /** It failed while its parents were read on without it: the next run begins it anew, parents and all. */
  abandoned?: boolean;
  /** It was read by the stream's `first`, whose span is its own. */
  first?: boolean;
  /** The request to read again that began this generation: asked once, done once, whatever happened meanwhile. */
  request?: string;
  /** Of a change stream: the streams whose changes were read. */
  follows?: string[];
}

/** What rows at a position were, as digests. */
export interface Edge {
  at: number;
  rows: number[];
}

export interface StoredEntry {
  key: string;
  version: number;
  value: unknown;
}

export const META_KEY = 'stream';
/** What is known of slices that were closed on weak evidence. */
export const WEAK_KEY = 'weak';
/** What the rows were asked for by that a stream left which was reset: they stay. */
export const REACH_KEY = 'reach';
const RANGE_PREFIX = 'range/';
export const SLICES_PREFIX = 'slices/';

/** Slices that are still to be read, each with the token of its next page. */
export type OpenSlices = [slice: string, cursor: string | null][];

export function rangeKey(id: number): string {
  return RANGE_PREFIX + id;
}

/** What a range's entry holds beside its numbers. */
interface RangeExtras {
  /** `newest`. */
  n?: number;
  /** `evidence`. */
  e?: string;
  /** `again`. */
  a?: 1;
}

/**
 * [gte, lt, open, rows, pages], while open [top, cursor, filter.gte, filter.lt], and the extras where there are any.
 */
export function encodeRange(range: Range): unknown[] {
  const head = [range.gte, range.lt, range.open ? 1 : 0, range.rows, range.pages];
  const { gte, lt } = range.filter;
  const rest = range.open ? [range.top, range.cursor, gte, lt === Infinity ? null : lt] : [];
  const evidence = range.open ? undefined : encodeEvidence(range.evidence);
  const extras: RangeExtras = {
    ...(range.newest === undefined ? {} : { n: range.newest }),
    ...(evidence === undefined ? {} : { e: evidence }),
    ...(range.again ? { a: 1 as const } : {}),
  };
  return [...head, ...rest, ...(Object.keys(extras).length > 0 ? [extras] : [])];
}

export function decodeRange(key: string, value: unknown): Range {
  const id = Number(key.slice(RANGE_PREFIX.length));
  const v = value as unknown[];
  const open = Array.isArray(v) && v[2] === 1;
  const extras = (Array.isArray(v) ? (v[open ? 9 : 5] ?? {}) : {}) as RangeExtras;
  const numbers = Array.isArray(v)
    ? [v[0], v[1], v[3], v[4], ...(open ? [v[5], v[8] ?? 0] : []), ...(extras.n === undefined ? [] : [extras.n])]
    : [];
  const sound =
    Number.isInteger(id) &&
    typeof extras === 'object' &&
    numbers.length >= 4 &&
    numbers.every((n) => typeof n === 'number' && Number.isFinite(n)) &&
    (v[0] as number) < (v[1] as number) &&
    (!open || ((v[6] === null || typeof v[6] === 'string') && (v[7] === null || typeof v[7] === 'number')));
  if (!sound) throw badState(key, '[gte, lt, open, rows, pages, …]', value);
  const [gte, lt, , rows, pages, top, cursor, filterGte, filterLt] = v as [
    number,
    number,
    number,
    number,
    number,
    number,
    string | null,
    number | null,
    number | null,
  ];
  const newest = extras.n === undefined ? {} : { newest: extras.n };
  const known = { id, gte, lt, open, rows, pages, ...newest, ...(extras.a === 1 ? { again: true as const } : {}) };
  return open
    ? { ...known, top, cursor, filter: { gte: filterGte, lt: filterLt ?? Infinity } }
    : {
        ...known,
        ...(extras.e === undefined ? {} : { evidence: decodeEvidence(extras.e) }),
        top: gte,
        cursor: null,
        filter: { gte: null, lt },
      };
}

/** Slices that were closed on weak evidence: an entry for each process that closed one. */
export interface WeakSlices {
  evidence: Evidence;
  versions: Map<string, number>;
}

export interface StreamState {
  meta: StreamMeta;
  metaVersion: number;
  ledger: Ledger;
  versions: Map<number, number>;
  /** The weakest evidence of slices that were closed, where it is weak. */
  weak: WeakSlices | undefined;
  /** Open slices by entry. */
  slices: Map<string, { version: number; open: OpenSlices }>;
}

/** Undefined where the stream has no state. Throws ConfigError for state that makes no sense. */
export function decodeStream(entries: StoredEntry[]): StreamState | undefined {
  const metaEntry = entries.find((entry) => entry.key === META_KEY);
  if (!metaEntry) return undefined;
  const meta = metaEntry.value as StreamMeta;
  if (
    typeof meta !== 'object' ||
    meta === null ||
    typeof meta.generation !== 'number' ||
    typeof meta.span?.gte !== 'number' ||
    typeof meta.span.lt !== 'number'
  ) {
    throw badState(META_KEY, '{generation, mode, span: {gte, lt}, complete}', metaEntry.value);
  }
  const ranges = new Map<number, Range>();
  const versions = new Map<number, number>();
  const slices: StreamState['slices'] = new Map();
  let weak: StreamState['weak'];
  let nextId = 1;
  for (const entry of entries) {
    if (entry.key.startsWith(RANGE_PREFIX)) {
      const range = decodeRange(entry.key, entry.value);
      ranges.set(range.id, range);
      versions.set(range.id, entry.version);
      nextId = Math.max(nextId, range.id + 1);
    } else if (entry.key.startsWith(WEAK_KEY)) {
      weak ??= { evidence: decodeEvidence(entry.value), versions: new Map() };
      weak.evidence = weakest(weak.evidence, decodeEvidence(entry.value));
      weak.versions.set(entry.key, entry.version);
    } else if (entry.key.startsWith(SLICES_PREFIX)) {
      if (!Array.isArray(entry.value)) throw badState(entry.key, 'a list of [slice, cursor]', entry.value);
      slices.set(entry.key, { version: entry.version, open: entry.value as OpenSlices });
    }
  }
  return { meta, metaVersion: metaEntry.version, ledger: { span: meta.span, nextId, ranges }, versions, slices, weak };
}

/** What the rows of a stream were asked for by, also of one that was reset. */
export function storedReachOf(entries: StoredEntry[]): Reach | undefined {
  const meta = entries.find(({ key }) => key === META_KEY)?.value as StreamMeta | undefined;
  if (meta) return meta.reach;
  return entries.find(({ key }) => key === REACH_KEY)?.value as Reach | undefined;
}

/** Why the stream is believed to be read to its end; undefined where it is not. */
export function endOf({ meta }: StreamState): Evidence | undefined {
  return meta.complete ? (meta.evidence ?? STATED) : undefined;
}

function badState(key: string, expected: string, found: unknown): ConfigError {
  return new ConfigError('the state of this stream cannot be read', {
    code: 'bad_state',
    place: key,
    expected,
    found: JSON.stringify(found)?.slice(0, 120),
    next: 'import a state that headrace state export wrote, or reset the stream',
  });
}
