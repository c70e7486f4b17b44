/** headrace discover */
import { openSource, resolveConnection, type ConnectionFlags } from '../../wiring/compose.js';
import { EXIT } from '../../base/errors.js';
import type { Division, Follow } from '../../sources/contract.js';
import { json, out, table } from '../terminal/output.js';

export async function command(
  [name]: (string | undefined)[],
  flags: ConnectionFlags & { json?: boolean },
): Promise<number> {
  const connection = await resolveConnection(name, flags, process.env);
  const { source } = await openSource(connection);
  const streams = source.streams.filter((stream) => stream.stored);
  if (flags.json) {
    for (const stream of streams)
      json({
        name: stream.name,
        json_schema: stream.schema,
        source_defined_primary_key: stream.primaryKey.map((field) => [field]),
        division: divisionText(stream.division),
        follows: followText(stream.follow),
      });
  } else {
    out(
      table(
        ['stream', 'key', 'fields', 'divided', 'follows changes'],
        streams.map((stream) => [
          stream.name,
          stream.primaryKey.join(', '),
          Object.keys(stream.schema.properties ?? {}).length,
          divisionText(stream.division),
          followText(stream.follow),
        ]),
      ),
    );
  }
  await source.close();
  return EXIT.complete;
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
