/** headrace discover */
import { openSource, resolveConnection, type ConnectionFlags } from '../../wiring/compose.js';
import { EXIT } from '../../base/errors.js';
import { planSync, type StreamPlan } from '../../engine/report/plan.js';
import type { Division, Follow, Stream } from '../../sources/contract.js';
import { count } from '../../base/plural.js';
import { json, out, table } from '../terminal/output.js';

export async function command(
  [name]: (string | undefined)[],
  flags: ConnectionFlags & { json?: boolean; rows?: boolean },
): Promise<number> {
  const connection = await resolveConnection(name, flags, process.env);
  const { source, permits, gateStatus } = await openSource(connection);
  try {
    const streams = source.streams.filter((stream) => stream.stored);
    const plans = flags.rows
      ? (await planSync(source, permits, gateStatus().limitPerSecond, new AbortController().signal)).streams
      : [];
    const planOf = (stream: Stream) => plans.find((plan) => plan.stream === stream.name);
    if (flags.json) for (const stream of streams) json(described(stream, planOf(stream)));
    else out(asTable(streams, flags.rows === true, planOf));
    return EXIT.complete;
  } finally {
    await source.close();
  }
}

function described(stream: Stream, plan: StreamPlan | undefined): Record<string, unknown> {
  return {
    name: stream.name,
    ...(stream.group === undefined ? {} : { group: stream.group }),
    json_schema: stream.schema,
    source_defined_primary_key: stream.primaryKey.map((field) => [field]),
    division: divisionText(stream.division),
    follows: followText(stream.follow),
    ...(plan ? { rows: plan.rows ?? null, rows_exact: plan.exact, ...(plan.error ? { error: plan.error } : {}) } : {}),
  };
}

function asTable(
  streams: readonly Stream[],
  withRows: boolean,
  planOf: (stream: Stream) => StreamPlan | undefined,
): string {
  const withGroups = streams.some(({ group }) => group !== undefined);
  return table(
    [
      'stream',
      ...(withGroups ? ['group'] : []),
      ...(withRows ? ['rows'] : []),
      'key',
      'fields',
      'divided',
      'follows changes',
    ],
    streams.map((stream) => [
      stream.name,
      ...(withGroups ? [stream.group ?? ''] : []),
      ...(withRows ? [rowsText(planOf(stream))] : []),
      stream.primaryKey.join(', '),
      Object.keys(stream.schema.properties ?? {}).length,
      divisionText(stream.division),
      followText(stream.follow),
    ]),
  );
}

/** Rows as they were counted or estimated, or why nothing can tell. */
function rowsText(plan: StreamPlan | undefined): string {
  if (plan?.error) return plan.error;
  if (plan?.rows === undefined) return '?';
  return `${plan.exact ? '' : 'about '}${count(plan.rows)}`;
}

export function divisionText(division: Division): string {
  switch (division.kind) {
    case 'range':
      return 'by time';
    case 'slices':
      return 'parent' in division.of ? `for each of ${division.of.parent}` : 'by slices';
    case 'numbered':
      return 'by page number';
    case 'chain':
      return 'one chain';
  }
}

function spanText(seconds: number): string {
  if (seconds >= 2 * 86_400) return `${Math.round(seconds / 86_400)} days`;
  return seconds >= 3600 ? `${Math.round(seconds / 3600)} h` : `${seconds} s`;
}

export function followText(follow: Follow): string {
  switch (follow.kind) {
    case 'events':
      return 'by events';
    case 'cursor':
      return `by date${follow.lookback === undefined ? '' : `, ${spanText(follow.lookback)} back`}`;
    case 'reread':
      return 'read again';
  }
}
