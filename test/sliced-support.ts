/** Records as they come out of the bytes of a page. */
import { FieldNames } from '../src/base/bytes/field-names.js';
import { sliceRows } from '../src/base/bytes/row-slices.js';
import { slicedRecord } from '../src/base/bytes/sliced-record.js';
import type { DataRecord } from '../src/base/catalog.js';
import { stringifyJson } from '../src/base/json.js';
import type { Destination, DestinationSession } from '../src/destinations/contract.js';

/**
 * The rows of a JSON text, a list, by their slices. A row that lacks a part of its key is whole, as sources give it.
 * Undefined where they cannot be sliced.
 */
export function slicedRows(
  text: string,
  key: readonly string[],
  wanted?: ReadonlySet<string>,
): DataRecord[] | undefined {
  const page = sliceRows(Buffer.from(text), [], new FieldNames(), wanted);
  if (!page) return undefined;
  const names = key.map((field) => page.rows.names.numberOf(field));
  return Array.from({ length: page.rows.count }, (_, row) => {
    const record = slicedRecord(page.rows, row, names);
    return key.every((field) => (record[field] ?? null) !== null) ? record : page.rows.record(row);
  });
}

/** The destination, given the slices of all records that JSON can write. */
export function slicing(destination: Destination): Destination {
  return {
    ...destination,
    description: destination.description,
    check: () => destination.check(),
    close: () => destination.close(),
    async open(options) {
      const session = await destination.open(options);
      const keys = new Map(options.streams.map(({ name, primaryKey }) => [name, primaryKey]));
      return new Proxy(session, {
        get(target, name) {
          if (name === 'prepare')
            return ((input) => {
              const records = input.records.map((record) => sliced(record, keys.get(input.stream)!));
              return session.prepare({ ...input, records });
            }) satisfies DestinationSession['prepare'];
          const value = Reflect.get(target, name, target) as unknown;
          return typeof value === 'function' ? (value.bind(target) as unknown) : value;
        },
      });
    },
  };
}

/** What JSON cannot write, such as NaN, comes out of no bytes. */
function sliced(record: DataRecord, key: readonly string[]): DataRecord {
  try {
    const text = stringifyJson(record);
    return hasUnwritable(record) ? record : (slicedRows(`[${text}]`, key)?.[0] ?? record);
  } catch {
    return record; // nested too deep
  }
}

function hasUnwritable(value: unknown): boolean {
  if (value === undefined || typeof value === 'number') return !Number.isFinite(value);
  return typeof value === 'object' && value !== null && Object.values(value).some(hasUnwritable);
}
