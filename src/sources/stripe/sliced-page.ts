/** Rows of a list as slices of its answer, with the fields by which they are told apart, placed and followed. */
import { FieldNames } from '../../base/bytes/field-names.js';
import { pastBlank } from '../../base/bytes/json-values.js';
import { RowSlices, sliceRows, type SlicedPage } from '../../base/bytes/row-slices.js';
import { slicedRecord, wholeRecord } from '../../base/bytes/sliced-record.js';
import type { DataRecord } from '../../base/catalog.js';
import { asPage, incompleteLists, type ListPage } from './lists.js';
import { STREAMS, type StreamDefinition } from './streams.js';

const PATH = ['data'];
const HAS_MORE = Buffer.from('has_more"');
/** Letters of ASCII may be written so, those of `has_more` too. */
const ESCAPED_LETTER = Buffer.from('\\u00');
const COLON = 0x3a;
const LOWER_T = 0x74;

/** What is known of the lists of one stream. */
export class ListSlicer {
  private names = new FieldNames();
  private readonly asked: readonly string[];

  constructor(
    private readonly definition: StreamDefinition,
    /** The fields that are stored; undefined: all of them. */
    private readonly wanted: ReadonlySet<string> | undefined,
  ) {
    const children = STREAMS.flatMap(({ shape }) =>
      typeof shape === 'object' && shape.parent === definition.name ? [shape] : [],
    );
    const unless = children.flatMap((shape) => shape.unless?.split('=')[0] ?? []);
    this.asked = [...new Set([...definition.key, definition.position ?? 'created', 'id', 'deleted', ...unless])];
  }

  /** Undefined where the answer is anything but a list of objects in plain JSON. */
  slice(body: Buffer): SlicedPage | undefined {
    if (this.names.isFull) this.names = new FieldNames();
    return sliceRows(body, PATH, this.names, this.wanted);
  }

  /** The list that an answer must be, sliced or not. */
  page(body: unknown, path: string): ListPage {
    const { api } = this.definition;
    if (!isSliced(body)) return asPage(body, path, api);
    const { rows, around } = body;
    const list = asPage(around, path, api);
    const data = this.records(rows);
    const last = data.at(-1)?.['id'];
    return { ...list, data, next: api === 1 ? (typeof last === 'string' ? last : null) : list.next };
  }

  /**
   * The rows of a page: those that hold the beginning of a list only, or lack a part of their key, as whole objects.
   */
  private records(rows: RowSlices): DataRecord[] {
    const asked = this.asked.map((name) => rows.names.numberOf(name));
    const doubtful = doubtfulRows(rows);
    return Array.from({ length: rows.count }, (_, row) => {
      const record = slicedRecord(rows, row, asked);
      const isWhole = this.definition.key.every((field) => (record[field] ?? null) !== null);
      if (isWhole && !doubtful.has(row)) return record;
      const whole = wholeRecord(record);
      return isWhole && incompleteLists(whole).length === 0 ? record : whole;
    });
  }
}

const isSliced = (body: unknown): body is SlicedPage => (body as SlicedPage | null)?.rows instanceof RowSlices;

/** Rows that may hold a list of which more follows. */
function doubtfulRows(rows: RowSlices): Set<number> {
  const { bytes, count } = rows;
  const found = new Set<number>();
  if (count === 0) return found;
  const end = rows.endOf(count - 1);
  for (const sign of [HAS_MORE, ESCAPED_LETTER]) {
    let row = 0;
    for (let at = bytes.indexOf(sign, rows.startOf(0)); at >= 0 && at < end; at = bytes.indexOf(sign, at + 1)) {
      while (row < count && rows.endOf(row) <= at) row++;
      if (sign === HAS_MORE ? saysTrue(bytes, at + sign.length) : isLetter(bytes[at + sign.length])) found.add(row);
    }
  }
  return found;
}

function saysTrue(bytes: Buffer, at: number): boolean {
  const colon = pastBlank(bytes, at);
  return bytes[colon] === COLON && bytes[pastBlank(bytes, colon + 1)] === LOWER_T;
}

/** The third digit of a letter's code, or of the underscore's. */
const isLetter = (digit: number | undefined): boolean => digit === 0x35 || digit === 0x36 || digit === 0x37;
