/** The wiring for what is particular to manifests: the Airbyte protocol, and the tools for authors of connectors. */
import { systemClock } from '../base/clock.js';
import { openSource, type OpenedSource } from '../connections/open.js';
import type { ConnectionConfig } from '../connections/resolve.js';
import { DEFAULT_DESTINATION } from '../config/schema.js';
import { manifestConnector } from '../sources/manifest/descriptor.js';
import { AirbyteStates } from '../sources/manifest/airbyte/states.js';
import { airbyteStream } from '../sources/manifest/catalog.js';
import type { DeclarativeSource } from '../sources/manifest/source.js';
import type { JsonObject } from '../sources/manifest/document/read.js';
import type { Exchange } from '../sources/connector.js';
import type { Twins } from '../sources/manifest/runtime/twin.js';
import { twinOf } from '../sources/manifest/runtime/twins.js';
import { TWINS } from '../sources/manifest/twins/registry.js';
import { loadTwins } from '../sources/manifest/open.js';
import { airbyteDestination, type AirbyteOutput } from '../destinations/airbyte/destination.js';
import type { Destination } from '../destinations/contract.js';
import type { AttemptEvent } from '../http/client.js';
import { spanOnAxis } from '../engine/read/axes.js';
import type { AirbyteStream, AirbyteStreamState, ConfiguredCatalog } from '../sources/manifest/airbyte/messages.js';

export { loadManifest } from '../sources/manifest/document/manifest.js';
export { airbyteSpecification } from '../sources/manifest/specification.js';
export { compareManifests, type Change } from '../sources/manifest/tools/compare.js';
export { coverageOf } from '../sources/manifest/tools/coverage.js';
export { lintConnector, type Finding } from '../sources/manifest/tools/lint.js';
export { readConfigFile } from '../config/connector-file.js';

export interface OpenedConnector extends OpenedSource {
  source: DeclarativeSource;
}

export interface ConnectorInput {
  manifest: string;
  config: Record<string, unknown>;
  components?: string | undefined;
  baseUrl?: string | undefined;
  streams?: string[] | undefined;
  files?: { folder: string; streams: string[] } | undefined;
  onConfigChange?: ((config: Record<string, unknown>) => void) | undefined;
  observe?: ((event: AttemptEvent) => void) | undefined;
  onExchange?: ((exchange: Exchange) => void) | undefined;
}

/** A manifest opened for its own sake, without a destination. */
export async function openConnector(input: ConnectorInput): Promise<OpenedConnector> {
  const connection: ConnectionConfig = {
    name: 'airbyte',
    dataDir: '',
    destination: { type: DEFAULT_DESTINATION, mode: 'append' },
    onConfigChange: input.onConfigChange,
    onExchange: input.onExchange,
    source: {
      connector: manifestConnector.name,
      manifest: input.manifest,
      config: input.config,
      components: input.components,
      base_url: input.baseUrl,
      streams: input.streams,
      exclude: [],
      files: input.files?.folder,
    },
    fileStreams: input.files?.streams,
  };
  return (await openSource(connection, input.observe)) as OpenedConnector;
}

/** Twins that come with Headrace, and the user's own. */
export async function twinsWith(components: string | undefined): Promise<Twins> {
  return components === undefined ? TWINS : { ...TWINS, ...(await loadTwins(components)) };
}

/** Streams whose files the platform wants. */
export function streamsWithFiles(catalog: ConfiguredCatalog): string[] {
  return catalog.streams.filter(({ include_files }) => include_files === true).map(({ stream }) => stream.name);
}

/** The catalog as Airbyte's `discover` prints it. */
export function airbyteCatalog({ source }: OpenedConnector): AirbyteStream[] {
  const { kit } = source;
  return [...source.definitions.values()].map((stream) =>
    airbyteStream(stream, {
      manifest: kit.manifest,
      config: kit.config,
      templates: kit.templates,
      dynamicSchema: () => source.streams.find(({ name }) => name === stream['name'])?.schema as JsonObject | undefined,
    }),
  );
}

export function airbyteTarget(
  { source }: OpenedConnector,
  catalog: ConfiguredCatalog,
  states: AirbyteStreamState[],
  output: AirbyteOutput,
): Destination {
  const codec = new AirbyteStates({
    source,
    catalog,
    states,
    intervalOf: (stream) => source.intervals.get(stream),
    spanOf: (stream, history) => spanOnAxis(stream.division, history, false),
    migrate: (stream, state) => migrated(source, stream, state),
  });
  return airbyteDestination(output, codec, new Set(streamsWithFiles(catalog)), () => systemClock.now());
}

function migrated(source: DeclarativeSource, stream: string, state: JsonObject): JsonObject | undefined {
  const definition = source.definitions.get(stream);
  const migrations = Array.isArray(definition?.['state_migrations'])
    ? (definition['state_migrations'] as JsonObject[])
    : [];
  let current: JsonObject | undefined;
  for (const component of migrations) {
    if (component['type'] !== 'CustomStateMigration') continue;
    const next = twinOf(source.kit, component).migrateState?.(current ?? state, {
      component,
      config: source.kit.config,
    });
    if (next) current = next as JsonObject;
  }
  return current;
}
