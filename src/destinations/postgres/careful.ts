/**
 * Stores a batch of which the database refused some row: by halves, until the refused ones stand alone. They go to the
 * quarantine, with the database's own words; all others are stored.
 */
import { createHash } from 'node:crypto';
import type pg from 'pg';
import { addCounts, type Counts } from '../contract.js';
import { codeOf, messageOf } from '../../base/errors.js';
import { redact } from '../../base/log.js';
import { stringifyJson } from '../../base/json.js';
import type { QuarantinedRow } from '../set-aside.js';
import type { Table, TableRows } from './table.js';
import { NULL } from './columns.js';
import { textLines, unescaped } from './copy-binary.js';
import { heldText } from './views.js';

const UNIQUE_VIOLATION = '23505';
const NEWLINE = 10;

/** Whether an error is about what a row holds: its data, a constraint of the user's, or what a table can hold. */
export function isOfRows(sqlState: string): boolean {
  return /^(22|23|54)/.test(sqlState) || sqlState === 'P0001';
}

export async function storeCarefully(
  client: pg.Client,
  parts: TableRows[],
  store: (rows: TableRows[]) => Promise<Counts>,
): Promise<{ parts: TableRows[]; counts: Record<string, Counts> }> {
  const counts: Record<string, Counts> = {};
  const left: TableRows[] = [];
  for (const part of parts) {
    const refused: { at: number; row: QuarantinedRow }[] = [];
    if (part.rows > 0) await storeHalves(client, part, linesOf(part), 0, store, counts, refused);
    left.push({
      ...part,
      rows: part.rows - refused.length,
      quarantine: [...part.quarantine, ...refused.map(({ row }) => row)],
    });
  }
  return { parts: left, counts };
}

async function storeHalves(
  client: pg.Client,
  part: TableRows,
  lines: Buffer[],
  from: number,
  store: (rows: TableRows[]) => Promise<Counts>,
  counts: Record<string, Counts>,
  refused: { at: number; row: QuarantinedRow }[],
): Promise<void> {
  await client.query('savepoint careful');
  try {
    const stored = await store([{ ...part, copy: Buffer.concat(lines), types: undefined, rows: lines.length }]);
    await client.query('release savepoint careful');
    addCounts(counts, part.table.target.name, stored);
  } catch (error) {
    const code = codeOf(error) ?? '';
    if (!isOfRows(code)) throw error;
    await client.query('rollback to savepoint careful');
    if (lines.length === 1) {
      refused.push({ at: from, row: setAside(part, lines[0]!, error) });
      return;
    }
    const half = lines.length >> 1;
    await storeHalves(client, part, lines.slice(0, half), from, store, counts, refused);
    await storeHalves(client, part, lines.slice(half), from + half, store, counts, refused);
  }
}

function setAside(part: TableRows, line: Buffer, error: unknown): QuarantinedRow {
  const { table } = part;
  const record = recordOf(table, part.width, line.toString('utf8'));
  const raw = redact(stringifyJson(record));
  const what = codeOf(error) === UNIQUE_VIOLATION ? 'another row has the same unique value' : 'the database refused it';
  return {
    stream: part.stream,
    key: table.target.primaryKey.length > 0 ? table.keyText(record).slice(0, 2000) : null,
    reason: `${what}: ${redact(messageOf(error))}${heldText(table.columns)}`,
    raw,
    digest: createHash('sha256').update(raw).digest('hex'),
    page: fieldsOfLine(line.toString('utf8'))[part.width + 2] ?? '',
  };
}

/** The record as it was encoded: JSON columns as their text. */
function recordOf(table: Table, width: number, line: string): Record<string, unknown> {
  const cells = fieldsOfLine(line);
  return Object.fromEntries(
    table.columns.slice(0, width).map(({ field }, at) => [field, cells[at] === NULL ? null : unescaped(cells[at]!)]),
  );
}

const fieldsOfLine = (line: string): string[] => line.replace(/\n$/, '').split('\t');

/** COPY escapes what would end a line within one. */
function linesOf({ copy, types }: TableRows): Buffer[] {
  if (types) return textLines(copy, types);
  const lines: Buffer[] = [];
  for (let at = 0; at < copy.length;) {
    const end = copy.indexOf(NEWLINE, at) + 1;
    lines.push(copy.subarray(at, end));
    at = end;
  }
  return lines;
}
