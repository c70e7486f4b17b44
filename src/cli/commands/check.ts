/** headrace check */
import { openDestination, openSource, resolveConnection, type ConnectionFlags } from '../../wiring/compose.js';
import { assertSchedule } from '../../wiring/compose-check.js';
import { EXIT } from '../../base/errors.js';
import { json, note, out } from '../terminal/output.js';

export async function command(
  [name]: (string | undefined)[],
  flags: ConnectionFlags & { json?: boolean },
): Promise<number> {
  const connection = await resolveConnection(name, flags, process.env);
  if (flags.manifest === undefined) assertSchedule(connection.name, flags, process.env);
  const { source, notes } = await openSource(connection);
  for (const message of notes) note(`note: ${message}`);
  try {
    const account = await source.check(new AbortController().signal);
    if (!flags.json) out(`${connection.name}: the key works (${account.id})`);
    const destination = await openDestination(connection);
    try {
      if (destination.notice) note(`note: ${destination.notice}`);
      await destination.check();
      if (flags.json)
        json({
          connection: connection.name,
          account: account.id,
          destination: destination.description,
          status: 'succeeded',
        });
      else out(`${connection.name}: the destination can be written to (${destination.description})`);
    } finally {
      await destination.close();
    }
  } finally {
    await source.close();
  }
  return EXIT.complete;
}
