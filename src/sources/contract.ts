/**
 * What a connector is. It states how its streams can be divided and answers one question, `page`; retries, limits,
 * concurrency and checkpoints are the engine's. A connector holds no state, never sleeps and counts nothing.
 *
 * Words: a *position* is where a row lies on its stream's axis (seconds for time); a *cursor* (page token) is where a
 * walk over pages goes on; a *slice* is an independent part of a stream.
 */
import type { Ticket } from '../gate/gate.js';
import type { Evidence } from '../base/evidence.js';
import type { DataRecord, JsonSchema } from '../base/catalog.js';

/** How a stream can be divided; the engine decides how far. */
export type Division =
  /** A list with a range filter and a page cursor. */
  | {
      kind: 'range';
      /** The row's position, a finite number, or NaN where the row has none. */
      position: (record: DataRecord) => number;
      /** The least difference of two positions that the filter can tell apart. */
      unit: number;
      /** A row's position may change while it is read (`updated_at`): a last sweep precedes the end. */
      moves?: boolean;
      /**
       * `verified`: nobody promises it, so every page is looked at; one that breaks it makes the stream a chain.
       * `unordered`: rows come in any order, so a part that was begun cannot be divided.
       */
      order: 'descending' | 'ascending' | 'verified' | 'unordered';
      pageRows: number;
      /** Unordered: the history is read in windows of this length, each walked to its end; without it, in one. */
      window?: number | undefined;
      /** The same, where their lengths differ: the bounds within [gte, lt) at which they meet, lowest first. */
      boundsWithin?: ((gte: number, lt: number) => number[]) | undefined;
      /** Where the history begins, where the stream knows better than the account. */
      start?: number | undefined;
      /** Where it ends, exclusive, at this time of the server's clock. Default: there. */
      end?: ((nowSeconds: number) => number) | undefined;
      /**
       * The API is never asked without an upper bound. Default: what is newest is, so that rows ahead of its clock
       * come.
       */
      bounded?: boolean | undefined;
    }
  /** Independent slices: listed once, or one for each of a parent's records. */
  | {
      kind: 'slices';
      of: SlicesOf;
      pageRows: number;
      /** Slices that follow by a cursor: the row's position (seconds), and where the history was asked to begin. */
      position?: ((record: DataRecord) => number) | undefined;
      start?: number | undefined;
    }
  /** Page numbers from 0, readable out of order. */
  | { kind: 'numbered'; pageRows: number }
  /**
   * An opaque cursor: one page after the other. `consumed`: the server moves it with each answer, as a scroll, so that
   * an answer which is lost cannot be had again: the walk begins anew, also where another process had its last page.
   */
  | { kind: 'chain'; pageRows: number; cursor?: 'consumed' | undefined };

/** Where slices come from. */
export type SlicesOf =
  | { list: () => Promise<Slice[]> }
  /** `slice` returns undefined where the parent has no children. `from`: the slice that the parent itself came from. */
  | { parent: string; slice: (parent: DataRecord, from: Slice | undefined) => Slice | Slice[] | undefined };

/** Identifies a slice; kept in state, so it must be small. */
export type Slice = string;

/** How a later run finds what changed. */
export type Follow =
  /**
   * The source's change stream names the objects. Of slices: `listed` where nothing tells of a new parent; those of
   * parents that are listed as new are read as well.
   */
  | { kind: 'events'; parents?: 'listed' }
  /**
   * Rows past the last position, and a lookback before it; without one the engine's own, which is ten minutes where
   * rows have keys. Of slices: those of parents that changed since, or of all
   * parents, and in each the rows past the last time (`gte` of the request).
   */
  | { kind: 'cursor'; lookback?: number | undefined; parents?: 'changed' | 'all' }
  /** Everything is read again; rows that are gone become tombstones. */
  | { kind: 'reread' };

/** Which page is asked for. */
export interface PageRequest {
  /** Lower bound, inclusive; null: none. Range streams, and slices that follow by a cursor. */
  gte: number | null;
  /** Upper bound, exclusive. Range streams only. */
  lt: number | null;
  /** `next` of the page before; null for the first. */
  cursor: string | null;
  /** For slices. */
  slice?: Slice;
  /** For numbered streams, from 0. */
  number?: number;
  signal: AbortSignal;
  /** Expected remaining pages of the stream; passed on to the client. */
  weight: () => number;
  /**
   * Records may be known by slices of the page (`slicedRecord`), with the key, the position and what children are
   * opened by; whoever stores them takes the rest from there.
   */
  slices?: boolean;
  /** Change streams: objects that events name and that were brought another way. Default: none. */
  isBrought?: ((object: NamedObject) => boolean) | undefined;
  /**
   * Its answer cannot be had twice: pass it on to the client, which then tells of a lost one instead of asking again.
   */
  once?: boolean;
  /** The permit of the first request, where it was taken already; pass it on to that request only. */
  ticket?: Ticket | undefined;
}

/** Rows for a stream other than the one that is read, or several. */
export interface RecordGroup {
  stream: string;
  records: DataRecord[];
  /** Primary keys that no longer exist: they become tombstones. */
  deleted?: DataRecord[];
  /** The records are all that exist with this field value; others become tombstones. */
  scope?: { field: string; value: string };
  /** The server's clock when it answered, where that was not with the page. */
  serverTimeMs?: number | undefined;
}

/** What a stream answers to one request. */
export interface Page {
  /** The engine takes them out of the page: every request wants a Page of its own. */
  records: DataRecord[];
  /** How many the server sent, where some of them are none of the stream's. Default: all of `records`. */
  received?: number | undefined;
  /** What is stored instead of `records`, where they only tell what changed. */
  groups?: RecordGroup[];
  /** Token of the next page; null: none. */
  next: string | null;
  hasMore: boolean;
  /** It was asked for by its number or offset, so that rows may move from page to page while the list is read. */
  counted?: boolean | undefined;
  /** Which part of its walk it lies in, where that leads through several; rows on a bound come with both. */
  part?: number | undefined;
  /** The walk begins anew with the next page, and brings again what it brought. */
  anew?: boolean | undefined;
  /** Of the last page: why it is believed to be the last. Default: the API stated it. */
  end?: Evidence | undefined;
  /** Numbered streams: how many rows there are, where the API tells. */
  total?: number | undefined;
  /** The same, as far as it shows that rows are missing: it may count other things than the rows of this list. */
  claimed?: number | undefined;
  /** The server's clock when it answered, milliseconds. */
  serverTimeMs: number | undefined;
  /** Size as received. */
  bytes: number;
}

/** A list of records, how it can be divided, and the function that reads a page of it. */
export interface Stream {
  name: string;
  /** The part of the API that it belongs to, where there are parts. */
  group?: string | undefined;
  schema: JsonSchema;
  /** The schema describes what usually comes: a value of another type widens its column instead of spoiling its row. */
  schemaIsHint?: boolean | undefined;
  primaryKey: string[];
  /**
   * Its rows share the table `of` with other streams: those of this one have this value in the field, which is part of
   * the key.
   */
  part?: { of: string; field: string; value: string } | undefined;
  division: Division;
  /**
   * Whatever decides which rows come, beside the division's own start and end: settings, filters. Where it is another
   * than before, rows that do not come again are not taken for deleted.
   */
  asked?: string | undefined;
  follow: Follow;
  /** False: it is read for the sake of its children alone. */
  stored: boolean;
  /** The endpoint that its pages are counted against. */
  endpoint: string;
  /** Some of its pages take no request, or several: it asks for permits itself, and is given no ticket. */
  selfAdmitting?: boolean | undefined;
  /**
   * How it is read until that was done once, where that differs: the same rows from elsewhere. What came since is then
   * read by this stream itself, which follows by a cursor.
   */
  first?: Stream | undefined;
  /** So many seconds after it was read last, what came since cannot be read any more: `first` is read again. */
  keptSeconds?: number | undefined;
  /**
   * One page. Throws CursorGoneError where the cursor's object no longer exists, SkippableError where this stream
   * cannot be read, and whatever the client throws.
   */
  page(request: PageRequest): Promise<Page>;
}

/** What the API says of the credential and its own clock. */
export interface Account {
  /** Shown to the user; no secret. */
  id: string;
  /** Milliseconds; the earliest a row can be, where the API tells. */
  createdMs: number | undefined;
  serverTimeMs: number;
}

/** An object that an event tells of. */
export interface NamedObject {
  stream: string;
  /** Its key, which is one field. */
  id: string;
  /** Where its row lies on its stream's axis, seconds, where the event tells. */
  position: number | undefined;
  /** When it happened, in seconds of the server's clock; NaN where the event does not tell. */
  at: number;
}

/** A stream whose records tell what happened to others. */
export interface ChangeStream extends Stream {
  /** How long the API keeps events. */
  keptSeconds: number;
  /** Events may be listed this late, seconds. */
  lookback: number;
  /**
   * What the events of a page name, nothing of which is asked for: how many changes there are decides how they are read.
   * Left out: they are asked for one by one.
   */
  named?(request: PageRequest): Promise<{ objects: NamedObject[]; next: string | null; hasMore: boolean }>;
  /**
   * What the objects that events name are now, one or more groups an event: for events that came by another way, such
   * as a webhook.
   */
  changed(events: DataRecord[], signal: AbortSignal): Promise<RecordGroup[]>;
}

/** What a source keeps in its connection's state from one run to the next. */
export interface SourceMemory {
  /** Before anything else is asked of it. `hasRows`: something was read before, though nothing may have been kept. */
  recall(value: unknown, hasRows: boolean): void;
  /** Small, and JSON. Undefined: nothing. */
  remember(): unknown;
}

/** An opened connector: its streams, behind one credential. */
export interface Source {
  name: string;
  streams: Stream[];
  /**
   * A change stream: its records are events, its groups what they did. Read after all streams that follow by events.
   */
  changes: ChangeStream | undefined;
  /** Others, where the parts of the source have one each; a change stream tells of the streams of its own part. */
  moreChanges?: ChangeStream[] | undefined;
  /** Proves the credential and the connection with one request. */
  check(signal: AbortSignal): Promise<Account>;
  /**
   * What a sync needs of that, where it asks for less: who may not read what `check` reads may still read the rest.
   * Default: `check`.
   */
  account?(signal: AbortSignal): Promise<Account>;
  /** What it keeps between runs; `streams` may be others once that was recalled. */
  memory?: SourceMemory | undefined;
  /** What came up while it was read that the user should know. */
  notes?(): string[];
  close(): Promise<void>;
}
