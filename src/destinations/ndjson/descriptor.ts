/** What Headrace knows of files as a destination before they are opened. */
import path from 'node:path';
import { z } from 'zod';
import { mode, type DestinationKind, type DestinationSettings } from '../kind.js';

const ndjsonSchema = z
  .strictObject({
    type: z.literal('ndjson'),
    path: z
      .string()
      .min(1)
      .describe('Folder for the files.')
      .meta({ title: 'Folder', examples: ['data'] }),
    mode,
  })
  .describe('Files of JSON lines, one a stream.');

export const ndjsonKind: DestinationKind<z.infer<typeof ndjsonSchema> & DestinationSettings> = {
  name: 'ndjson',
  title: 'files of JSON lines',
  about: 'Files of JSON lines, one a stream.',
  to: 'ndjson:FOLDER',
  start: 'ndjson:data',
  schema: ndjsonSchema,
  secrets: [],
  environment: {},
  paths: ['path'],
  fromText(text) {
    const folder = /^(?:ndjson:|file:)(.+)$/.exec(text)?.[1];
    return folder === undefined ? undefined : { type: 'ndjson', path: folder };
  },
  async open(settings) {
    const { ndjsonDestination } = await import('./destination.js');
    return ndjsonDestination(path.resolve(settings.path));
  },
};
