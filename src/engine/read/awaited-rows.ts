/** Rows of one stream that something else told of: which of them a read has brought. */
import type { DataRecord } from '../../base/catalog.js';
import type { Stream } from '../../sources/contract.js';

export class AwaitedRows {
  readonly brought = new Set<string>();
  private readonly field: string;

  /** `ids`: values of the stream's key, which is one field; `all`: all that come are remembered. */
  constructor(
    { primaryKey }: Stream,
    private readonly ids: ReadonlySet<string> | 'all',
  ) {
    this.field = primaryKey[0]!;
  }

  note(records: DataRecord[]): void {
    for (const record of records) {
      const id = record?.[this.field];
      if (typeof id === 'string' && (this.ids === 'all' || this.ids.has(id))) this.brought.add(id);
    }
  }
}
