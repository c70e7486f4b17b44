/** headrace connectors: what runs. */
import { existsSync, statSync } from 'node:fs';
import { CONNECTORS, describeConnectors, describeDestinations } from '../../wiring/compose.js';
import { ConfigError, EXIT } from '../../base/errors.js';
import type { Surveyed } from '../../sources/connector.js';
import { json, out, table } from '../terminal/output.js';

export async function command(
  [folder]: (string | undefined)[],
  flags: { components?: string; json?: boolean; destinations?: boolean },
): Promise<number> {
  if (flags.destinations) return listDestinations(flags.json === true);
  const listed: Surveyed[] = (await describeConnectors(process.cwd()))
    .filter(({ kind }) => kind !== 'manifest')
    .map(({ name, kind }) => ({
      name,
      kind,
      status: 'whole',
      streams: CONNECTORS.find(name)?.streams,
      reason: '',
      missing: [],
    }));
  if (folder !== undefined) {
    if (!existsSync(folder) || !statSync(folder).isDirectory())
      throw new ConfigError('there is no such folder', {
        code: 'folder_missing',
        place: folder,
        expected: 'a folder with manifests',
        found: 'none',
      });
    for (const connector of CONNECTORS.list())
      listed.push(...((await connector.survey?.(folder, { code: flags.components })) ?? []));
  }
  if (flags.json) for (const each of listed) json(each);
  else show(listed, folder !== undefined);
  return EXIT.complete;
}

/** Reasons are told up to this length. */
const REASON_LETTERS = 100;

function show(listed: Surveyed[], counted: boolean): void {
  out(
    table(
      ['connector', 'kind', 'runs', 'streams', 'why not whole'],
      listed.map(({ name, kind, status, streams, reason }) => [
        name,
        kind,
        status,
        streams ?? '',
        reason.length > REASON_LETTERS ? `${reason.slice(0, REASON_LETTERS - 1)}…` : reason,
      ]),
    ),
  );
  const of = (status: Surveyed['status']) => listed.filter((each) => each.status === status).length;
  if (counted) out(`\n${of('whole')} whole, ${of('partly')} partly, ${of('not')} not`);
}

async function listDestinations(asJson: boolean): Promise<number> {
  const listed = await describeDestinations(process.cwd());
  if (asJson) for (const { name, title, about, kind } of listed) json({ name, title, about, kind });
  else
    out(
      table(
        ['destination', 'kind', 'what it is'],
        listed.map(({ name, kind, about }) => [name, kind, about]),
      ),
    );
  return EXIT.complete;
}
