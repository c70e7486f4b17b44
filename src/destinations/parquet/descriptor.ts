/** What Headrace knows of Parquet files as a destination before they are opened: in a folder, or in a bucket of S3. */
import path from 'node:path';
import { z } from 'zod';
import { REGION, REGION_FORM } from './credentials.js';
import { mode, type DestinationKind, type DestinationSettings } from '../kind.js';

const day = z
  .string()
  .min(1)
  .optional()
  .describe(
    'Field whose day parts the files of a stream, as _headrace_day=2026-11-28, when they are compacted: seconds since 1970, or a date as text.',
  )
  .meta({ title: 'Field for days', examples: ['created'] });

const parquetSchema = z
  .strictObject({
    type: z.literal('parquet'),
    path: z
      .string()
      .min(1)
      .describe('Folder for the files.')
      .meta({ title: 'Folder', examples: ['lake'] }),
    partition_by_day: day,
    mode,
  })
  .describe('Parquet files in a folder, for which the optional package @duckdb/node-api is needed.');

export const parquetKind: DestinationKind<z.infer<typeof parquetSchema> & DestinationSettings> = {
  name: 'parquet',
  title: 'Parquet files in a folder',
  about: 'Parquet files in a folder: typed, compressed, for DuckDB, pandas and Spark.',
  to: 'parquet:FOLDER',
  start: 'parquet:lake',
  schema: parquetSchema,
  secrets: [],
  environment: {},
  paths: ['path'],
  can: ['query', 'compact'],
  fromText(text) {
    const folder = /^parquet:(.+)$/.exec(text)?.[1];
    return folder === undefined ? undefined : { type: 'parquet', path: folder };
  },
  async open({ path: folder, partition_by_day }) {
    const { parquetDestination } = await import('./destination.js');
    const { FolderStore } = await import('./store.js');
    return parquetDestination(new FolderStore(path.resolve(folder)), partition_by_day);
  },
};

const s3Schema = z
  .strictObject({
    type: z.literal('s3'),
    url: z
      .string()
      .regex(/^s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:\/.*)?$/, 's3://bucket/prefix')
      .describe('The bucket, and what the names of all objects begin with.')
      .meta({ title: 'Bucket', examples: ['s3://my-bucket/lake'] }),
    endpoint: z
      .url({ protocol: /^https?$/ })
      .optional()
      .describe('Of a server that is not Amazon’s. Default: $AWS_ENDPOINT_URL, or Amazon.')
      .meta({ title: 'Endpoint', examples: ['https://minio.example.com'] }),
    region: z
      .string()
      .regex(REGION, REGION_FORM)
      .optional()
      .describe('Default: $AWS_REGION, or us-east-1.')
      .meta({ title: 'Region' }),
    access_key_id: z
      .string()
      .min(1)
      .optional()
      .describe('Default: $AWS_ACCESS_KEY_ID.')
      .meta({ title: 'Access key', examples: ['${AWS_ACCESS_KEY_ID}'] }),
    secret_access_key: z
      .string()
      .min(1)
      .optional()
      .describe('Write it as ${ENV}. Default: $AWS_SECRET_ACCESS_KEY.')
      .meta({ title: 'Secret access key', examples: ['${AWS_SECRET_ACCESS_KEY}'] }),
    session_token: z
      .string()
      .min(1)
      .optional()
      .describe('Default: $AWS_SESSION_TOKEN.')
      .meta({ title: 'Session token' }),
    partition_by_day: day,
    mode,
  })
  .describe('Parquet files in a bucket of S3, or of a server that speaks as it does.');

export const s3Kind: DestinationKind<z.infer<typeof s3Schema> & DestinationSettings> = {
  name: 's3',
  title: 'Parquet files in a bucket of S3',
  about: 'Parquet files in a bucket of S3, or of a server that speaks as it does.',
  to: 's3://BUCKET/PREFIX',
  start: 's3://my-bucket/lake',
  schema: s3Schema,
  secrets: ['secret_access_key', 'session_token'],
  environment: { access_key_id: 'AWS_ACCESS_KEY_ID', secret_access_key: 'AWS_SECRET_ACCESS_KEY' },
  paths: [],
  can: ['query', 'compact'],
  fromText: (text) => (text.startsWith('s3://') ? { type: 's3', url: text } : undefined),
  async assertTargets({ endpoint }, egress) {
    if (endpoint !== undefined) await egress.assertResolved(new URL(endpoint).hostname);
  },
  async open(settings, { egress }) {
    const { parquetDestination } = await import('./destination.js');
    const { S3Store } = await import('./s3.js');
    const { credentialsOf } = await import('./credentials.js');
    // What the process's environment holds is for who starts it, not for who writes a connection through the API.
    const environment = egress === undefined ? process.env : {};
    const { systemClock } = await import('../../base/clock.js');
    const store = new S3Store({ url: settings.url, ...credentialsOf(settings, environment) }, systemClock, egress);
    return parquetDestination(store, settings.partition_by_day);
  },
};
