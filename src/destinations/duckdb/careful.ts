/**
 * Finds the rows of a batch that DuckDB refuses, by trying halves in transactions that are taken back: they go to the
 * quarantine with DuckDB's own words, all others can be stored.
 */
import { createHash } from 'node:crypto';
import type { DuckDBConnection } from '@duckdb/node-api';
import { messageOf } from '../../base/errors.js';
import { stringifyJson } from '../../base/json.js';
import { redact } from '../../base/log.js';
import { isOfRows } from '../../duckdb/errors.js';
import type { Library } from '../../duckdb/engine.js';
import type { QuarantinedRow } from '../set-aside.js';
import { storeRows } from './commit.js';
import type { TableRows } from './table.js';

const KEY_TEXT = 2000;

interface Trial {
  db: DuckDBConnection;
  library: Library;
  runId: string;
  /** Parts that are known to be taken, cut to the rows that are. */
  accepted: TableRows[];
}

/** The parts without the rows that are refused, which are in their quarantine. */
export async function withoutRefused(
  db: DuckDBConnection,
  parts: TableRows[],
  { library, runId }: { library: Library; runId: string },
): Promise<TableRows[]> {
  const trial: Trial = { db, library, runId, accepted: [] };
  const out: TableRows[] = [];
  for (const part of parts) {
    const refused: QuarantinedRow[] = [];
    const before = trial.accepted.length;
    if (part.rows > 0) await tryRows(trial, part, 0, part.rows, refused);
    const kept = trial.accepted.slice(before);
    out.push({
      ...part,
      cells: kept.flatMap((piece) => piece.cells),
      rows: part.rows - refused.length,
      quarantine: [...part.quarantine, ...refused],
    });
  }
  return out;
}

/** Rows that contradict each other are found too: each half is tried together with what was accepted. */
async function tryRows(
  trial: Trial,
  part: TableRows,
  from: number,
  to: number,
  refused: QuarantinedRow[],
): Promise<void> {
  const width = part.types.length;
  const piece = { ...part, cells: part.cells.slice(from * width, to * width), rows: to - from };
  const error = await errorOf(trial, piece);
  if (error === undefined) trial.accepted.push(piece);
  else if (to - from === 1) refused.push(setAside(piece, error));
  else {
    const middle = (from + to) >> 1;
    await tryRows(trial, part, from, middle, refused);
    await tryRows(trial, part, middle, to, refused);
  }
}

async function errorOf({ db, library, runId, accepted }: Trial, piece: TableRows): Promise<unknown> {
  const rows = [...accepted.filter(({ table }) => table === piece.table), piece];
  await db.run('begin transaction');
  try {
    await storeRows(db, piece.table, rows, { library, runId, straight: false });
    return undefined;
  } catch (error) {
    if (!isOfRows(error)) throw error;
    return error;
  } finally {
    await db.run('rollback').catch(() => {});
  }
}

function setAside(piece: TableRows, error: unknown): QuarantinedRow {
  const { table } = piece;
  const record = Object.fromEntries(piece.types.map((_, at) => [table.columns[at]!.field, piece.cells[at]]));
  const raw = redact(stringifyJson(record));
  return {
    stream: piece.stream,
    key: table.target.primaryKey.length > 0 ? table.keyText(record).slice(0, KEY_TEXT) : null,
    reason: `the database refused it: ${redact(messageOf(error)).split('\n')[0]!}`,
    raw,
    digest: createHash('sha256').update(raw).digest('hex'),
    page: piece.page,
  };
}
