/** headrace singer: any connector as a Singer tap. Nothing but messages goes to stdout, one a line. */
import { LIMITS } from '../../base/bounds.js';
import { systemClock } from '../../base/clock.js';
import { ConfigError, messageOf } from '../../base/errors.js';
import { readInputFile } from '../../base/input-file.js';
import type { RunEvent } from '../../engine/report/events.js';
import { runSync } from '../../engine/run/sync.js';
import type { Source } from '../../sources/contract.js';
import {
  newRunId,
  openSource,
  readConfigFile,
  resolveConnection,
  type ConnectionConfig,
  type ConnectionFlags,
} from '../../wiring/compose.js';
import {
  catalogOf,
  parseSingerState,
  selectionOf,
  singerDestination,
  type CatalogInput,
} from '../../wiring/compose-singer.js';
import { EXIT_OF } from '../exit-codes.js';
import { pipeTo } from '../pipe-out.js';
import { onStop } from '../signals.js';
import { note, out } from '../terminal/output.js';
import { summaryText } from '../terminal/summary.js';

interface Flags extends Pick<ConnectionFlags, 'manifest' | 'components' | 'baseUrl'> {
  config?: string;
  catalog?: string;
  properties?: string;
  state?: string;
  discover?: boolean;
  acceptDeletions?: string[];
}

export async function command([name]: (string | undefined)[], flags: Flags): Promise<number> {
  const connection = await connectionOf(name, flags);
  return flags.discover ? discover(connection) : read(connection, flags);
}

/** The connector is the argument, the manifest, or `connector` of the configuration. */
async function connectionOf(name: string | undefined, flags: Flags): Promise<ConnectionConfig> {
  const { manifest, components, baseUrl, config: sourceConfig } = flags;
  const written = sourceConfig === undefined ? {} : readConfigFile(sourceConfig);
  const connector = name ?? written['connector'];
  if (manifest === undefined && typeof connector !== 'string')
    throw new ConfigError('which connector?', {
      code: 'no_connector',
      place: sourceConfig ?? '--config',
      expected: 'the name of a connector as the argument or as "connector" of the configuration, or --manifest FILE',
      found: connector === undefined ? 'none' : JSON.stringify(connector),
      next: 'headrace connectors lists them',
    });
  return resolveConnection(
    manifest === undefined ? (connector as string) : name,
    {
      manifest,
      components,
      baseUrl,
      sourceConfig,
    },
    process.env,
  );
}

async function discover(connection: ConnectionConfig): Promise<number> {
  const { source } = await openSource(connection);
  try {
    await source.check(new AbortController().signal);
    out(JSON.stringify(catalogOf(inputsOf(source)), undefined, 2));
  } finally {
    await source.close();
  }
  return EXIT_OF.complete;
}

async function read(given: ConnectionConfig, flags: Flags): Promise<number> {
  const state =
    flags.state === undefined ? { bookmarks: {} } : parseSingerState(readJson(flags.state, '--state'), flags.state);
  const { connection, without } = await chosen(given, flags.catalog ?? flags.properties);
  const controller = new AbortController();
  // Until the process ends: a target that ended is an error of the run, not a reader that has seen enough.
  onStop({ first: () => controller.abort() });
  const opened = await openSource(connection);
  try {
    for (const message of opened.notes) note(`note: ${message}`);
    const summary = await runSync({
      source: opened.source,
      destination: singerDestination({
        write: (text) => target.write(text),
        state,
        without,
        acceptDeletions: flags.acceptDeletions ?? [],
        now: () => systemClock.now(),
        say: (message) => note(`note: ${message}`),
      }),
      permits: opened.permits,
      gateStatus: opened.gateStatus,
      limits: opened.limits,
      connection: connection.name,
      runId: newRunId(),
      mode: 'upsert',
      clock: systemClock,
      signal: controller.signal,
      emit: tell,
    });
    target.check();
    note(summaryText(summary, 'the same command with the last STATE as --state'));
    return EXIT_OF[summary.outcome];
  } finally {
    await opened.source.close();
  }
}

/** The connection with the streams of the catalog alone. */
async function chosen(
  connection: ConnectionConfig,
  file: string | undefined,
): Promise<{ connection: ConnectionConfig; without: ReadonlyMap<string, ReadonlySet<string>> }> {
  if (file === undefined) return { connection, without: new Map() };
  const catalog = readJson(file, '--catalog');
  const { source } = await openSource(connection);
  try {
    const { streams, without } = selectionOf(catalog, inputsOf(source), file);
    if (streams.length === 0)
      throw new ConfigError('the catalog chooses no stream', {
        code: 'bad_catalog',
        place: file,
        expected: '"selected": true in the metadata of a stream',
        found: 'none',
      });
    return { connection: { ...connection, source: { ...connection.source, streams } }, without };
  } finally {
    await source.close();
  }
}

function inputsOf(source: Source): CatalogInput[] {
  return source.streams
    .filter(({ stored }) => stored)
    .map(({ name, schema, primaryKey, follow }) => ({
      name,
      schema,
      primaryKey,
      isIncremental: follow.kind !== 'reread',
    }));
}

const target = pipeTo('target', 'see what it says; then run again with the last state that it handed back');

/** What a person who looks at the log should know. */
function tell(event: RunEvent): void {
  if (event.type === 'note') note(`note: ${event.message}`);
  if (event.type === 'stream') note(`${event.stream}: ${event.status}${event.message ? `: ${event.message}` : ''}`);
}

function readJson(file: string, flag: string): unknown {
  try {
    return JSON.parse(readInputFile(file, LIMITS.stateFileBytes).toString('utf8'));
  } catch (error) {
    throw new ConfigError(`${flag} cannot be read`, {
      code: 'bad_file',
      place: file,
      expected: 'JSON',
      found: messageOf(error).slice(0, 160),
      next: 'check the path and the file',
    });
  }
}
