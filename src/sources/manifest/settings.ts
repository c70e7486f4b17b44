/** Settings of a connection that reads by a manifest. */
import { z } from 'zod';
import { ceilingFields } from '../ceilings.js';

export const manifestSourceSchema = z.strictObject({
  connector: z.literal('manifest').describe("Read by a manifest of Airbyte's declarative language."),
  manifest: z.string().min(1).describe('The manifest.yaml of the connector; relative to this file.'),
  config: z
    .record(z.string(), z.unknown())
    .default({})
    .describe("What the connector's own specification asks for; write secrets as ${ENV}."),
  components: z
    .string()
    .min(1)
    .optional()
    .describe("A TypeScript or JavaScript module with twins of the manifest's Python classes."),
  files: z
    .string()
    .min(1)
    .optional()
    .describe(
      'A folder for the files that records point to; relative to this file. Default: files are left where they are.',
    ),
  base_url: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe("Where the API is, instead of the manifest's own address: a proxy or a testbed."),
  streams: z.array(z.string().min(1)).min(1).optional().describe('Read these streams only. Default: all.'),
  exclude: z.array(z.string().min(1)).default([]).describe('Leave these streams out.'),
  ...ceilingFields,
});

export type ManifestSourceConfig = z.infer<typeof manifestSourceSchema>;
