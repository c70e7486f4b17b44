/** Which rows of a divided stream are new, by their positions: those past what an earlier run added, and the newest. */
import type { DataRecord } from '../../base/catalog.js';
import { identityText } from '../../base/json.js';
import { hashString } from '../../base/random.js';
import type { Edge } from '../../ledger/checkpoint.js';
import { newer } from '../../ledger/ledger.js';
import type { Division } from '../../sources/contract.js';

/** Rows of one position of which is remembered what they were; of more, all are taken for new. */
const MOST_REMEMBERED = 500;

export class NewRows {
  private readonly addedAtEdge: ReadonlySet<number>;
  /** Rows at the newest position; undefined: an earlier reader had others, and nobody knows which. */
  private atNewest: (DataRecord | number)[] | undefined;

  constructor(
    private readonly division: Division,
    /** Where an earlier run of a stream whose rows are only ever added has ended. */
    private readonly after: number | undefined,
    /** The newest position of all rows that came. */
    private newest: number | undefined,
    /** The rows that an earlier run had added last. */
    edge: Edge | undefined,
  ) {
    this.addedAtEdge = new Set(edge && edge.at === after ? edge.rows : []);
    if (newest === undefined) this.atNewest = [];
    else if (edge?.at === newest) this.atNewest = [...edge.rows];
  }

  /**
   * Rows that are only ever added, without those that an earlier run has added. Of those at its newest position, others
   * may have come since: a date is the same all day.
   */
  notAddedBefore(records: DataRecord[]): DataRecord[] {
    const { division, after, addedAtEdge } = this;
    if (after === undefined || division.kind !== 'range') return records;
    return records.filter((record) => {
      const position = division.position(record);
      return !(position < after) && !(position === after && addedAtEdge.has(markOf(record)));
    });
  }

  /** The newest position among the records, where nothing newer came before. */
  newerIn(records: DataRecord[]): number | undefined {
    const { division } = this;
    if (division.kind !== 'range') return undefined;
    const before = this.newest;
    for (const record of records) {
      const position = division.position(record);
      if (!Number.isFinite(position)) continue;
      if (position === this.newest) {
        if (this.atNewest && this.atNewest.push(record) > MOST_REMEMBERED) this.atNewest = undefined;
      } else if (newer(this.newest, position) === position) {
        this.newest = position;
        this.atNewest = [record];
      }
    }
    return this.newest === before ? undefined : this.newest;
  }

  /** Somebody else reads a part: what came at the newest position is not all known any more. */
  lent(): void {
    this.atNewest = undefined;
  }

  get edge(): Edge | undefined {
    const { newest, atNewest } = this;
    if (newest === undefined || atNewest === undefined) return undefined;
    return { at: newest, rows: atNewest.map((row) => (typeof row === 'number' ? row : markOf(row))) };
  }
}

const markOf = (record: DataRecord): number => hashString(identityText(record));
