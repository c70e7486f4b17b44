/** headrace secrets: which key the stored secrets are sealed with, and a change of keys. */
import { openCoordination, type CoordinationFlags } from '../../wiring/compose-scheduler.js';
import { describeError, EXIT } from '../../base/errors.js';
import type { ConnectionStore } from '../../connections/connection-store.js';
import { json, note, out, table } from '../terminal/output.js';

type Flags = CoordinationFlags & { json?: boolean };

const KEYS = {
  newest: 'the newest',
  older: 'an older one: headrace secrets reseal',
  unknown: 'none that is known: put it behind the others in HEADRACE_SECRET_KEY, or write the secrets again',
};

export async function status(_: unknown[], flags: Flags): Promise<number> {
  return opened(flags, async (connections) => {
    const all = await connections.sealedSecrets();
    if (flags.json) for (const { id, key } of all) json({ type: 'sealed', connection: id, key });
    else if (all.length === 0) note('No connection has stored secrets.');
    else
      out(
        table(
          ['connection', 'sealed with'],
          all.map(({ id, key }) => [id, KEYS[key]]),
        ),
      );
    if (!flags.json && all.length > 0 && all.every(({ key }) => key === 'newest'))
      note('All are sealed with the newest key: the older ones can go.');
    return all.some(({ key }) => key === 'unknown') ? EXIT.partial : EXIT.complete;
  });
}

export async function reseal(_: unknown[], flags: Flags): Promise<number> {
  return opened(flags, async (connections) => {
    const { resealed, failed } = await connections.reseal();
    if (flags.json) json({ type: 'resealed', connections: resealed, failed: failed.map(({ id }) => id) });
    else
      out(
        resealed.length === 0
          ? 'Nothing was sealed with an older key.'
          : `Sealed with the newest key: ${resealed.join(', ')}.`,
      );
    for (const { error } of failed) note(describeError(error));
    return failed.length > 0 ? EXIT.partial : EXIT.complete;
  });
}

async function opened(flags: Flags, work: (connections: ConnectionStore) => Promise<number>): Promise<number> {
  const coordination = await openCoordination(flags, process.env);
  try {
    return await work(coordination.connections);
  } finally {
    await coordination.close();
  }
}
