/** The catalog of the Airbyte protocol: what `discover` prints, and what a platform configured of it. */
import { airbyteStream } from '../catalog.js';
import type { JsonObject } from '../document/read.js';
import type { DeclarativeSource } from '../source.js';
import type { AirbyteStream, ConfiguredCatalog } from './messages.js';

/** Streams whose files the platform wants. */
export function streamsWithFiles(catalog: ConfiguredCatalog): string[] {
  return catalog.streams.filter(({ include_files }) => include_files === true).map(({ stream }) => stream.name);
}

/** The catalog as Airbyte's `discover` prints it. */
export function airbyteCatalog({ source }: { source: DeclarativeSource }): AirbyteStream[] {
  const { kit } = source;
  return [...source.definitions.values()].map((stream) =>
    airbyteStream(stream, {
      manifest: kit.manifest,
      config: kit.config,
      templates: kit.templates,
      twins: kit.twins,
      dynamicSchema: () => source.streams.find(({ name }) => name === stream['name'])?.schema as JsonObject | undefined,
    }),
  );
}
