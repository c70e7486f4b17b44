/** The wiring for what is particular to manifests: the Airbyte protocol, and the tools for authors of connectors. */
import { systemClock } from '../base/clock.js';
import { DEFAULT_DESTINATION } from '../config/schema.js';
import { openSource, type OpenedSource } from '../connections/open.js';
import type { ConnectionConfig } from '../connections/resolve.js';
import { airbyteDestination, type AirbyteOutput } from '../destinations/airbyte/destination.js';
import type { Destination } from '../destinations/contract.js';
import { spanOnAxis } from '../engine/read/axes.js';
import type { AttemptEvent } from '../http/client.js';
import type { Exchange } from '../sources/connector.js';
import { manifestConnector } from '../sources/manifest/descriptor.js';
import type { DeclarativeSource } from '../sources/manifest/source.js';
import { streamsWithFiles } from '../sources/manifest/airbyte/catalog.js';
import type { AirbyteStreamState, ConfiguredCatalog } from '../sources/manifest/airbyte/messages.js';
import { migratedState } from '../sources/manifest/airbyte/migrations.js';
import { AirbyteStates } from '../sources/manifest/airbyte/states.js';

export { airbyteCatalog, streamsWithFiles } from '../sources/manifest/airbyte/catalog.js';
export { twinsFor } from '../sources/manifest/open.js';
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
  /** False: whoever reads knows no proof, so nothing is asked for its sake alone. Default: true. */
  proves?: boolean | undefined;
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
    proves: input.proves,
  };
  return (await openSource(connection, input.observe)) as OpenedConnector;
}

/** A destination that tells records and states as the protocol does. */
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
    migrate: (stream, state) => migratedState(source, stream, state),
  });
  return airbyteDestination(output, codec, new Set(streamsWithFiles(catalog)), () => systemClock.now());
}
