/** headrace plan */
import { count, countOf } from '../../base/plural.js';
import { openSource, resolveConnection, type ConnectionFlags } from '../../wiring/compose.js';
import { EXIT } from '../../base/errors.js';
import { planSync } from '../../engine/report/plan.js';
import { duration, json, out, table } from '../terminal/output.js';

export async function command(
  [name]: (string | undefined)[],
  flags: ConnectionFlags & { json?: boolean },
): Promise<number> {
  const connection = await resolveConnection(name, flags, process.env);
  const { source, permits, gateStatus } = await openSource(connection);
  try {
    const plan = await planSync(source, permits, gateStatus().limitPerSecond, new AbortController().signal);
    if (flags.json) json({ type: 'plan', connection: connection.name, ...plan });
    else {
      const rounded = (value: number) => count(Number(value.toPrecision(2)));
      const about = (value: number | undefined, exact: boolean) =>
        value === undefined ? 'unknown' : exact ? count(value) : `about ${rounded(value)}`;
      out(
        table(
          ['stream', 'rows', 'requests', 'note'],
          plan.streams.map((stream) => [
            stream.stream,
            stream.range
              ? `${rounded(stream.range.low)} to ${rounded(stream.range.high)}`
              : about(stream.rows, stream.exact),
            about(stream.requests, stream.exact),
            stream.error ?? '',
          ]),
        ),
      );
      const unknown = plan.streams.filter((stream) => stream.requests === undefined).length;
      out(
        `\n${unknown > 0 ? 'at least' : 'about'} ${countOf(plan.requests, 'request')}, ${duration(plan.seconds * 1000)} at the limit${unknown > 0 ? `, and ${countOf(unknown, 'stream')} of which nothing can be told beforehand` : ''}; nothing was stored`,
      );
    }
  } finally {
    await source.close();
  }
  return EXIT.complete;
}
