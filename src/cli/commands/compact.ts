/** headrace compact: one row a key, in few files, where a destination only adds. */
import { systemClock } from '../../base/clock.js';
import { ConfigError, EXIT } from '../../base/errors.js';
import { newRunId, openDestination, resolveConnection, toHelp, type ConnectionFlags } from '../../wiring/compose.js';
import { json, out, table } from '../terminal/output.js';

const MIB = 1024 * 1024;

export async function command(
  [name]: (string | undefined)[],
  flags: ConnectionFlags & { json?: boolean },
): Promise<number> {
  const connection = await resolveConnection(name, flags, process.env, 'lands');
  const destination = await openDestination(connection);
  try {
    if (!destination.compact)
      throw new ConfigError('this destination needs no compacting', {
        code: 'nothing_to_compact',
        place: '--to',
        expected: `one that only adds and can be merged: ${toHelp('compact')}`,
        found: destination.description,
        next: 'nothing: rows are merged as they come',
      });
    const compacted = await destination.compact({
      connection: connection.name,
      runId: newRunId(),
      startedMs: systemClock.now(),
    });
    if (flags.json) for (const one of compacted) json({ type: 'compacted', ...one });
    else
      out(
        table(
          ['stream', 'rows before', 'files', 'MiB', 'rows after', 'files', 'MiB'],
          compacted.map(({ stream, before, after }) => [
            stream,
            before.rows,
            before.files,
            (before.bytes / MIB).toFixed(1),
            after.rows,
            after.files,
            (after.bytes / MIB).toFixed(1),
          ]),
        ),
      );
  } finally {
    await destination.close();
  }
  return EXIT.complete;
}
