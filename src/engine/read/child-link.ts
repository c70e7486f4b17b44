/** What a reader of parents and the reader of their children know of each other. */
import type { DataRecord } from '../../base/catalog.js';
import type { OpenSlices } from '../../ledger/checkpoint.js';
import type { Slice, Stream } from '../../sources/contract.js';

/** A stream of children, as the reader of its parents sees it. */
export interface ChildLink {
  readonly stream: Stream;
  /** Its parents are read on without it. */
  readonly abandoned: boolean;
  /** Why its parents cannot be read on at all: nobody could store that they are read without it. */
  readonly lost?: unknown;
  /** Pages of parents that were fetched and whose commit will open slices. The parent's reader counts them. */
  announced: number;
  /** The slices that these parents open; `from` is the parents' own slice. */
  slicesOf(parents: DataRecord[], from: Slice | undefined): Slice[];
  /** A key for an entry of slices that no open one has: a parent may come twice, and be begun anew. */
  keyFor(key: string): string;
  /** Slices were opened by the commit that wrote entry `key` at `version`. */
  opened(key: string, version: number, open: OpenSlices): void;
  /** Whether parents must wait, given that `coming` of their pages are already asked for. */
  full(coming: number): boolean;
}

/** Slices that a page of parents opens when it is committed. */
export interface ChildOpening {
  child: ChildLink;
  key: string;
  open: OpenSlices;
}
