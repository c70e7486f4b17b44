/** headrace.yaml: these schemas are the source of types, validation and docs/reference/configuration.md. */
import { z } from 'zod';
import type { DestinationSettings } from '../destinations/kind.js';
import { DESTINATIONS } from '../destinations/registry.js';

/** What a connection that names no destination is copied into. */
export const DEFAULT_DESTINATION = DESTINATIONS.list()[0]!.name;

/**
 * Destinations that come with Headrace: what a connection of the API may have. Each schema has a literal `type`, which the
 * type of a descriptor does not say.
 */
export const destinationSchema = z.discriminatedUnion(
  'type',
  DESTINATIONS.list().map(({ schema }) => schema) as unknown as [z.ZodObject<{ type: z.ZodLiteral<string> }>],
) as z.ZodType as z.ZodType<DestinationSettings>;

/**
 * Any destination that a file may name; one of the user's own is looked for in `loadConfig`, and checked once its code
 * is loaded.
 */
const anyDestination = z
  .looseObject({ type: z.string().min(1) })
  .transform((settings, context): DestinationSettings => {
    const kind = DESTINATIONS.find(settings.type);
    if (!kind) return { mode: 'upsert', ...settings };
    const parsed = kind.schema.safeParse(settings);
    if (parsed.success) return parsed.data;
    for (const issue of parsed.error.issues)
      context.issues.push({
        ...issue,
        input: settings,
        candidates: Object.keys(kind.schema.shape),
      } as (typeof context.issues)[number]);
    return z.NEVER;
  });

/** `source` is checked by its connector's own schema. */
const DURATION = 'a number and s, m, h or d, such as 15m';
const every = z.string(DURATION).regex(/^[1-9]\d{0,8}[smhd]$/, DURATION);
const appName = z.string().regex(/^[a-z][a-z0-9_.-]{0,62}$/, 'a name of a-z, 0-9, _, . and -, beginning with a letter');

export const scheduleSchema = z
  .strictObject({
    every: every
      .optional()
      .describe('Interval of headrace serve, such as 15m or 6h. Runs that were missed are not made up for.'),
    cron: z.string().min(1).max(120).optional().describe('Or a cron expression: minute hour day month weekday.'),
    time_zone: z.string().max(60).default('UTC').describe('Zone of the cron expression, such as Europe/Berlin.'),
    priority: z
      .int()
      .min(-1000)
      .max(1000)
      .default(0)
      .describe(
        'Higher goes first among the tasks of a concurrency partition; each step counts as a minute of waiting.',
      ),
  })
  .refine((schedule) => (schedule.every === undefined) !== (schedule.cron === undefined), 'either every or cron');

export const appSchema = z.strictObject({
  rate_limit: z.int().min(1).max(1_000_000_000_000).describe('Requests that the API allows in frequency_seconds.'),
  frequency_seconds: z.int().min(1).max(31_536_000).default(1).describe('Length of that window in seconds.'),
});

/** What is told of a connection: it failed, it is older than asked, its last run is not proven, all is well again. */
export const ALERT_KINDS = ['failed', 'late', 'unproven', 'recovered'] as const;

export const alertSchema = z.strictObject({
  url: z
    .url({ protocol: /^https?$/, error: 'an address that begins with https:// or http://' })
    .max(2000)
    .describe('Address that is told with POST; write it as ${ENV} where who knows it may write there.'),
  format: z
    .enum(['json', 'slack'])
    .default('json')
    .describe('json: an object with what happened; slack: a message, as Slack and what speaks like it take it.'),
  on: z
    .array(z.enum(ALERT_KINDS))
    .min(1)
    .default([...ALERT_KINDS])
    .describe('What is told.'),
});

export const connectionName = z
  .string()
  .regex(/^[a-z][a-z0-9_-]{0,39}$/, 'a name of a-z, 0-9, _ and -, at most 40 characters, beginning with a letter');

export const connectionSchema = z.strictObject({
  schedule: scheduleSchema.optional().describe('When headrace serve runs it by itself.'),
  app: appName.optional().describe('The API whose limit it shares. Default: the name of its connector or manifest.'),
  partition: z
    .string()
    .min(1)
    .max(200)
    .optional()
    .describe('Concurrency partition: what shares one rate limit. Default: one for each credential of an app.'),
  max_concurrent_processes: z
    .int()
    .min(1)
    .max(1000)
    .default(4)
    .describe('Tasks of this connection at once (max_concurrent_processes_per_connection).'),
  fresh_within: every
    .optional()
    .describe('How old what is stored may be, such as 6h: once it is older, the connection is late.'),
  alerts: z
    .array(alertSchema)
    .max(10)
    .optional()
    .describe('Who is told when it fails, is late, is unproven or has recovered, beside those of all connections.'),
  webhook_secret: z
    .string()
    .min(6)
    .max(500)
    .optional()
    .describe('Signing secret of the webhook endpoint; write it as ${ENV}. Turns on /webhooks/NAME of headrace serve.'),
  source: z.looseObject({
    connector: z
      .string()
      .min(1)
      .describe('Which connector reads: its name, or in a file the path of a module such as ./my-source.ts.'),
  }),
  destination: destinationSchema.default({ type: DEFAULT_DESTINATION, mode: 'upsert' }),
});

/** A connection of headrace.yaml: it may name code of the user's own. */
const fileConnection = connectionSchema.extend({
  destination: anyDestination.default({ type: DEFAULT_DESTINATION, mode: 'upsert' }),
});

export const fileSchema = z.strictObject({
  version: z.literal(1).default(1).describe('Layout of this file.'),
  data_dir: z.string().min(1).default('.headrace').describe('Folder of the embedded database, relative to this file.'),
  database: z
    .string()
    .min(1)
    .optional()
    .describe(
      'PostgreSQL of the scheduler, for a fleet on several machines. Default: $DATABASE_URL, else the embedded database.',
    ),
  direct_url: z
    .string()
    .min(1)
    .optional()
    .describe(
      'The same PostgreSQL past the pool (PgBouncer in transaction mode) that `database` leads to: for migrations, LISTEN and the session that proves that a worker lives. Default: $DATABASE_DIRECT_URL beside $DATABASE_URL, else `database`.',
    ),
  manifests_dir: z
    .string()
    .min(1)
    .default('manifests')
    .describe('Folder, relative to this file, of the manifests that connections made through the API may name.'),
  concurrency_floor: z
    .int()
    .min(1)
    .max(100)
    .default(1)
    .describe('Least cap that is stored for a concurrency partition: 2 lets a short task run beside a long one.'),
  apps: z
    .record(appName, appSchema)
    .default({})
    .describe(
      'Rate limits of apps, applied at start. A limit that was set by headrace app set-limit or through the API stays; the start says so.',
    ),
  ended_tasks_kept: every
    .default('7d')
    .describe('For how long tasks that ended are kept, such as 12h or 30d; dead letters stay.'),
  alerts: z
    .array(alertSchema)
    .max(10)
    .default([])
    .describe('Who is told when a connection fails, is late, is unproven or has recovered.'),
  connections: z.record(connectionName, fileConnection),
});

export type ConnectionSettings = z.infer<typeof connectionSchema>;
export type FileConfig = z.infer<typeof fileSchema>;
