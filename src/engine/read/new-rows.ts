/** Which rows of a divided stream are new, by their positions: those past what an earlier run added, and the newest. */
import type { DataRecord } from '../../base/catalog.js';
import { newer } from '../../ledger/ledger.js';
import type { Division } from '../../sources/contract.js';

export class NewRows {
  constructor(
    private readonly division: Division,
    /** Where an earlier run of a stream whose rows are only ever added has ended. */
    private readonly after: number | undefined,
    /** The newest position of all rows that came. */
    private newest: number | undefined,
  ) {}

  /** Rows that are only ever added, without those that an earlier run has added. */
  notAddedBefore(records: DataRecord[]): DataRecord[] {
    const { division, after } = this;
    return after === undefined || division.kind !== 'range'
      ? records
      : records.filter((record) => !(division.position(record) <= after));
  }

  /** The newest position among the records, where nothing newer came before. */
  newerIn(records: DataRecord[]): number | undefined {
    const { division } = this;
    if (division.kind !== 'range') return undefined;
    const before = this.newest;
    for (const record of records) {
      const position = division.position(record);
      if (Number.isFinite(position)) this.newest = newer(this.newest, position);
    }
    return this.newest === before ? undefined : this.newest;
  }
}
