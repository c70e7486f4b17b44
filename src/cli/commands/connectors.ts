/** headrace connectors: what runs, and --fetch, which brings manifests into the data folder. */
import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { CONNECTORS, describeConnectors, describeDestinations, knowFetched } from '../../wiring/compose.js';
import { systemClock } from '../../base/clock.js';
import { ConfigError, EXIT } from '../../base/errors.js';
import type { Surveyed } from '../../sources/connector.js';
import { json, note, out, table } from '../terminal/output.js';
import { onStop } from '../signals.js';

interface Flags {
  components?: string;
  json?: boolean;
  destinations?: boolean;
  fetch?: string;
  config?: string;
  dataDir?: string;
}

export async function command([folder]: (string | undefined)[], flags: Flags): Promise<number> {
  if (flags.destinations) return listDestinations(flags.json === true);
  if (flags.fetch !== undefined) return fetchInto(flags.fetch, flags);
  knowFetched(flags, process.env);
  const code = flags.components;
  const listed: Surveyed[] = [];
  for (const { name, kind } of await describeConnectors(process.cwd())) {
    const known = CONNECTORS.find(name);
    if (known?.surveyed) listed.push(await known.surveyed({ code }));
    // The one that reads manifests has the streams of whatever it is given.
    else if (known?.definition === undefined)
      listed.push({ name, kind, status: 'whole', streams: known?.streams, reason: '', missing: [] });
  }
  if (folder !== undefined) listed.push(...(await surveyFolder(folder, code)));
  if (flags.json) for (const each of listed) json(each);
  else show(listed);
  return EXIT.complete;
}

async function surveyFolder(folder: string, code: string | undefined): Promise<Surveyed[]> {
  if (!existsSync(folder) || !statSync(folder).isDirectory())
    throw new ConfigError('there is no such folder', {
      code: 'folder_missing',
      place: folder,
      expected: 'a folder with manifests',
      found: 'none',
    });
  const found: Surveyed[] = [];
  for (const connector of CONNECTORS.list()) found.push(...((await connector.survey?.(folder, { code })) ?? []));
  return found;
}

/** What could not be fetched is named, and leaves the rest as it is. */
async function fetchInto(from: string, flags: Flags): Promise<number> {
  const { dataDir } = knowFetched(flags, process.env);
  const fetcher = CONNECTORS.list().find(({ fetch }) => fetch !== undefined)!;
  const stopping = new AbortController();
  const release = onStop({ first: () => stopping.abort(stopped()) });
  const { signal } = stopping;
  try {
    const { stored, refused, without } = await fetcher.fetch!(from, dataDir, {
      clock: systemClock,
      signal,
      tell: note,
    });
    for (const { name, reason } of refused) note(`${name} was not fetched: ${reason}`);
    if (flags.json) {
      for (const each of stored) json(each);
      json({ type: 'summary', stored: stored.length, refused, without_manifest: without });
    } else {
      note(`Fetched ${stored.length} manifests into ${path.relative('.', dataDir) || dataDir}: ${shares(stored)}.`);
      if (without.length > 0) note(`${without.length} connectors there have no manifest, and were left.`);
      if (stored.length > 0) note(`Next: headrace connectors, then headrace init ${stored[0]!.name}`);
    }
    return refused.length > 0 ? EXIT.partial : EXIT.complete;
  } finally {
    release();
  }
}

function stopped(): ConfigError {
  return new ConfigError('fetching was stopped', {
    code: 'fetch_stopped',
    found: 'a signal',
    next: 'run the command again; what was there before is as it was',
  });
}

function shares(listed: Surveyed[]): string {
  const of = (status: Surveyed['status']) => listed.filter((each) => each.status === status).length;
  return `${of('whole')} whole, ${of('partly')} partly, ${of('not')} not`;
}

/** Reasons are told up to this length. */
const REASON_LETTERS = 100;

function show(listed: Surveyed[]): void {
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
  if (listed.some(({ kind }) => kind === 'manifest')) out(`\n${shares(listed)}`);
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
