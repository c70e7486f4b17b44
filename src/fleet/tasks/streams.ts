/** A connection's streams as its source and its destination know them, for who looks at them. */
import type { Clock } from '../../base/clock.js';
import { ConfigError } from '../../base/errors.js';
import type { DataRecord } from '../../base/catalog.js';
import { targetsOf } from '../../engine/read/context.js';
import type { Source, Stream } from '../../sources/contract.js';
import type { ConnectionAccess } from './access.js';
import { readLedger, withSession } from './ledger.js';
import { listed } from '../../base/nearest.js';

export interface StreamView {
  stream: string;
  /** Nothing is stored of it yet. */
  isNew: boolean;
  complete: boolean;
  rows: number;
  /** What reading it again takes, about: requests as well as pages. */
  pages: number;
  /** Parts that are still to be read. */
  open: number;
  /** Why it is believed to be read to its end, and what makes that weak. */
  evidence: string | null;
  doubt: string | null;
  key: string[];
  follows: string;
  fields: { name: string; type: string }[];
}

/** By name; first those that the source has, then what is stored of others. */
export async function streamsOf(access: ConnectionAccess, clock: Clock): Promise<StreamView[]> {
  const { source } = await access.openSource();
  try {
    const ledger = new Map((await readLedger(access, clock)).map((each) => [each.stream, each]));
    const views = source.streams
      .filter(({ stored }) => stored)
      .map((stream) => viewOf(stream.name, ledger.get(stream.name), stream));
    const known = new Set(views.map(({ stream }) => stream));
    const others = [...ledger.values()].filter(({ stream }) => !known.has(stream) && isShown(stream, source));
    return [
      ...views.toSorted((a, b) => a.stream.localeCompare(b.stream)),
      ...others.map((each) => viewOf(each.stream, each)),
    ];
  } finally {
    await source.close();
  }
}

/** Streams that are read for others' sake have a ledger as well, as has the stream of changes. */
const isShown = (name: string, { streams, changes }: Source) =>
  name !== changes?.name && !name.startsWith('_') && !streams.some((stream) => stream.name === name && !stream.stored);

function viewOf(
  name: string,
  ledger: Awaited<ReturnType<typeof readLedger>>[number] | undefined,
  stream?: Stream,
): StreamView {
  const open = (ledger?.ranges ?? []).filter((range) => range.open).length + (ledger?.openSlices ?? 0);
  return {
    stream: name,
    isNew: ledger === undefined,
    complete: ledger?.complete ?? false,
    rows: ledger?.rows ?? 0,
    pages: ledger?.pages ?? 0,
    open,
    evidence: ledger?.evidence ?? null,
    doubt: ledger?.doubt ?? null,
    key: stream?.primaryKey ?? [],
    follows: stream?.follow.kind ?? '',
    fields: Object.entries(stream?.schema.properties ?? {}).map(([field, schema]) => ({
      name: field,
      type: typeText(schema as { type?: string | string[]; format?: string }),
    })),
  };
}

function typeText({ type, format }: { type?: string | string[]; format?: string }): string {
  const names = (Array.isArray(type) ? type : [type ?? 'any']).filter((each) => each !== 'null');
  return format === undefined ? names.join(' or ') : `${names.join(' or ')} (${format})`;
}

/**
 * Rows of a stream that were written last. Throws ConfigError where there is no such stream, or rows cannot be read
 * back.
 */
export async function newestRows(
  access: ConnectionAccess,
  name: string,
  limit: number,
  clock: Clock,
): Promise<{ fields: string[]; rows: DataRecord[] }> {
  const { source } = await access.openSource();
  try {
    const targets = targetsOf(source.streams, access.mode === 'replace' ? 'upsert' : access.mode);
    const target = targets.find((each) => each.name === name);
    if (!target)
      throw new ConfigError(`there is no stream ${name.slice(0, 80)}`, {
        code: 'unknown_stream',
        place: 'stream',
        expected: listed(targets.map((each) => each.name)),
        found: name.slice(0, 80),
        candidates: targets.map((each) => each.name),
        next: 'name one of them',
      });
    const rows = await withSession(
      access,
      clock,
      true,
      async (session) => {
        if (!session.newest)
          throw new ConfigError('rows of this destination cannot be read back', {
            code: 'not_readable',
            place: 'destination',
            expected: 'a database or Parquet files: embedded, postgres, duckdb, parquet or s3',
            next: 'look at its files',
          });
        return session.newest(name, limit);
      },
      [target],
    );
    const fields = new Set([...Object.keys(target.schema.properties ?? {}), ...(rows ?? []).flatMap(Object.keys)]);
    return { fields: [...fields], rows: rows ?? [] };
  } finally {
    await source.close();
  }
}
