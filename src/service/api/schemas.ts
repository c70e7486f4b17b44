/**
 * What the API takes and answers. The OpenAPI description, the client and the reference page are made from these
 * schemas. Long because it is a list: each schema stands by itself.
 */
import { z } from '@hono/zod-openapi';
import { SECRET_MASK } from '../../connections/secrets.js';
import { ALERT_KINDS, alertSchema, appSchema, connectionName, connectionSchema } from '../../config/schema.js';
import { CONNECTION_STATES } from '../../connections/overview.js';
import { ASKED_KINDS } from '../../fleet/tasks/kinds.js';
import { ROLES } from '../tokens.js';
import { LIMITS } from '../../base/bounds.js';

const time = z.string().openapi({ format: 'date-time', example: '2026-03-01T12:00:00.000Z' });
const count = z.int().min(0);
const json = z.record(z.string(), z.unknown());

export const errorSchema = z
  .object({
    error: z.object({
      code: z.string().describe('Stable identifier.'),
      message: z.string(),
      place: z.string().optional().describe('The setting or parameter that is wrong.'),
      expected: z.string().optional(),
      found: z.string().optional(),
      next: z.string().optional().describe('What to do next.'),
    }),
  })
  .openapi('Fault');

export const pageQuery = z.object({
  limit: z.coerce.number<string>().int().min(1).max(LIMITS.apiPageItems).default(50).describe('Items of one page.'),
});

export const stateSchema = z.enum(CONNECTION_STATES).openapi('ConnectionState');

export const connectionView = z
  .object({
    id: z.string(),
    app: z.string(),
    partition: z.string().describe('Concurrency partition: what shares one rate limit.'),
    managed_by: z.enum(['file', 'api']),
    state: stateSchema,
    paused: z.boolean(),
    running: count.describe('Tasks at once, now.'),
    max_concurrent_processes: count,
    dead: count.describe('Tasks that ended as dead letters.'),
    schedule: z
      .object({ every_seconds: z.int().nullable(), cron: z.string().nullable(), time_zone: z.string() })
      .nullable(),
    next_run_at: time.nullable(),
    last_run: z
      .object({ id: z.string(), outcome: z.string().nullable(), started_at: time, finished_at: time.nullable() })
      .nullable(),
    fresh_as_of: time.nullable().describe('Everything that the API had at this time is stored.'),
    freshness_seconds: z.int().nullable(),
    fresh_within_seconds: z.int().nullable().describe('How old what is stored may be, as was asked.'),
    late: z.boolean().describe('It is older than that.'),
    rows: count,
    requests: count,
    rejections: count,
    version: count,
  })
  .openapi('Connection');

export const connectionDetail = connectionView
  .extend({ settings: json.describe('As they were written; each secret reads ********.') })
  .openapi('ConnectionDetail');

const settings = {
  ...connectionSchema.shape,
  // An address that is stored is shown as a mask, and stays where that is sent back.
  alerts: z
    .array(
      alertSchema.extend({
        url: alertSchema.shape.url.or(z.literal(SECRET_MASK)).describe(alertSchema.shape.url.description!),
      }),
    )
    .max(10)
    .optional()
    .describe(connectionSchema.shape.alerts.description!),
  source: connectionSchema.shape.source.describe(
    'Connector and its settings, as in docs/reference/configuration.md. A secret that reads ******** keeps the stored one.',
  ),
};
export const newConnection = z.strictObject({ id: connectionName, ...settings }).openapi('NewConnection');
export const connectionEdit = z
  .strictObject({
    version: z
      .int()
      .min(1)
      .optional()
      .describe('The version that was read: an edit of somebody else meanwhile is refused.'),
    ...settings,
  })
  .openapi('ConnectionEdit');

export const probeView = z
  .object({
    ok: z.boolean(),
    account: z.string().optional(),
    destination: z.string().optional(),
    streams: z.array(z.string()).optional(),
    error: errorSchema.shape.error.optional(),
  })
  .openapi('Probe');

export const estimateView = z
  .object({
    account: z.string(),
    requests: z.number().describe('Of all streams of which something can be told.'),
    seconds: z.number().describe('What they take at the limit.'),
    streams: z.array(
      z.object({
        stream: z.string(),
        rows: z.number().nullable().describe('Null: nothing can tell before it is read.'),
        low: z.number().nullable().describe('Where no number can be told, the rows lie between these.'),
        high: z.number().nullable(),
        requests: z.number().nullable(),
        exact: z.boolean(),
        key: z.array(z.string()).describe('Fields that tell its rows apart; none: rows are only ever added.'),
        follows: z
          .enum(['events', 'cursor', 'reread'])
          .describe('How later runs find what changed: told by events, past a cursor, or read whole once more.'),
        divided: z.enum(['range', 'slices', 'numbered', 'chain']).describe('How it can be divided among readers.'),
        error: z.string().optional(),
      }),
    ),
  })
  .openapi('Estimate');

export const scheduleQuery = z.object({
  every: z.string().max(20).optional().describe('An interval, such as 15m or 6h.'),
  cron: z.string().max(120).optional().describe('Or a cron expression: minute hour day month weekday.'),
  time_zone: z.string().max(60).default('UTC').describe('Zone of the cron expression.'),
});
export const scheduleView = z
  .object({ next: z.array(time).describe('The next three runs, were it set now.') })
  .openapi('SchedulePreview');

export const runRequest = z
  .strictObject({
    kind: z.enum(ASKED_KINDS).default('sync'),
    stream: z.string().min(1).max(200).optional().describe('Of a rescrape.'),
    gte: z.int().min(0).optional().describe('First unix second of a part (rescrape).'),
    lt: z.int().min(0).optional().describe('Its end, exclusive.'),
    parts: z.int().min(1).max(64).optional().describe('Workers that share the read (sync, full).'),
    accept_deletions: z
      .array(z.string().min(1).max(200))
      .min(1)
      .max(1_000)
      .optional()
      .describe('Streams whose missing rows are marked deleted, however many they are (sync, full).'),
    samples: z.int().min(0).max(1000).optional().describe('Of each stream (verify).'),
    priority: z.int().min(-1000).max(1000).optional(),
  })
  .openapi('RunRequest');

export const enqueued = z
  .object({ task: count, joined: z.boolean().describe('The same was asked for already.') })
  .openapi('Enqueued');
export const concerned = z.object({ tasks: count.describe('Tasks that it concerned.') }).openapi('Concerned');

const evidence = z.string().nullable().describe('Why it is believed to be read to its end; null: it is not yet.');
const doubt = z.string().nullable().describe('What makes that weak: it is complete, and not proven.');

export const streamView = z
  .object({
    stream: z.string(),
    is_new: z.boolean().describe('Nothing is stored of it yet.'),
    complete: z.boolean(),
    rows: count,
    pages: count.describe('What reading it again takes, about: requests as well.'),
    open: count.describe('Parts that are still to be read.'),
    key: z.array(z.string()),
    follows: z.string(),
    fields: z.array(z.object({ name: z.string(), type: z.string() })).describe('As the connector describes them.'),
    changed_at: time.nullable().describe('When a run last committed rows of it.'),
    stored: count.nullable().describe('Rows that the newest proof counted.'),
    evidence,
    doubt,
    faults: z.array(z.string()),
  })
  .openapi('StreamView');

export const rowsView = z
  .object({
    fields: z.array(z.string()),
    masked: z.array(z.string()).describe('Fields whose values are not told.'),
    rows: z.array(z.array(z.string().nullable())).describe('As texts; what is long is cut.'),
  })
  .openapi('Rows');

export const resetRequest = z
  .strictObject({
    stream: z.string().min(1).max(200),
    from: z.int().min(0).optional().describe('First unix second of a part; without from and before, the whole stream.'),
    before: z.int().min(0).optional().describe('End of the part, exclusive.'),
  })
  .openapi('ResetRequest');

export const streamLedger = z
  .object({
    stream: z.string(),
    generation: count,
    mode: z.string(),
    complete: z.boolean(),
    span: z.object({ gte: z.number(), lt: z.number() }),
    evidence,
    doubt,
    rows: count,
    pages: count,
    ranges: z.array(
      z.object({
        id: count,
        gte: z.number(),
        lt: z.number(),
        open: z.boolean(),
        rows: count,
        pages: count,
        evidence,
        doubt,
      }),
    ),
    open_slices: count,
  })
  .openapi('StreamLedger');

export const limitView = z
  .object({
    name: z.string(),
    scope: z.string(),
    per_second: z.number().nullable(),
    quota: z.number().optional(),
    window_ms: z.number().optional(),
    remaining: z.number().optional(),
    reset_ms: z.number().optional(),
    concurrency: z.number().optional(),
    used_per_second: z.number(),
    known_by: z
      .enum(['headers', 'body', 'rejections', 'prior', 'memory', 'searching', 'configuration'])
      .describe('How it was found out.'),
    rejections: z.number(),
  })
  .openapi('Limit');

const streamProgress = z.object({
  name: z.string(),
  status: z.string(),
  rows: count,
  pages: count,
  expected_pages: z.number(),
  expected_guessed: z.boolean().optional(),
  done: z
    .array(z.object({ from: z.number(), to: z.number() }))
    .describe('Committed parts of the span, from oldest (0) to newest (1).'),
  open_ranges: count,
  open_slices: count,
  limit: z
    .object({ name: z.string(), per_second: z.number().nullish(), used_per_second: z.number() })
    .nullish()
    .describe('What holds it to its pace: of the limits that count its requests, the one that is used most.'),
  error: z.string().optional(),
});
export const progressSchema = z
  .object({
    run_id: z.string(),
    elapsed_ms: z.number(),
    rows: count,
    rows_per_second: z.number(),
    requests: count,
    rejections: count,
    rejected_for: z.record(z.string(), z.number()),
    requests_per_second: z.number(),
    limit_per_second: z.number().nullish(),
    limits: z.array(
      z.object({
        name: z.string(),
        per_second: z.number().nullish(),
        used_per_second: z.number(),
        percent: z.number().nullish(),
        remaining: z.number().nullish(),
        quota: z.number().nullish(),
        known_by: z.string(),
        rejections: z.number().optional(),
      }),
    ),
    waits: z.array(
      z.object({ reason: z.string(), limit: z.string().nullish(), ms: z.number(), for_ms: z.number().nullish() }),
    ),
    left_ms: z.number().nullish(),
    left_at_least: z.boolean().optional(),
    buffered_bytes: z.number(),
    streams: z.array(streamProgress),
  })
  .openapi('Progress');

const OUTCOMES = ['complete', 'partial', 'failed', 'paused', 'cancelled', 'killed', 'dead'] as const;
export const runOutcome = z.enum(['running', ...OUTCOMES]);

export const runView = z
  .object({
    id: z.string(),
    connection: z.string(),
    task: count.nullable(),
    attempt: count.nullable(),
    kind: z.string(),
    worker: z.string().nullable(),
    started_at: time,
    updated_at: time,
    finished_at: time.nullable(),
    outcome: z
      .enum(OUTCOMES)
      .nullable()
      .describe('Null while it goes on. killed: its worker ended without a word; dead: its task gave up after it.'),
    rows: count,
    requests: count,
    rejections: count,
  })
  .openapi('Run');
export const runDetail = runView
  .extend({
    progress: progressSchema.nullable(),
    summary: json.nullable().describe('Proofs, problems and notes, once it ended.'),
    reason: z
      .object({ message: z.string(), code: z.string().optional(), next: z.string().optional() })
      .nullable()
      .describe('Why it ended without a summary, or why its task gave up.'),
  })
  .openapi('RunDetail');
const curve = z.array(z.number());
const brokenCurve = z.array(z.number().nullable());
export const runSamples = z
  .object({
    at: z.array(time),
    elapsed_ms: curve,
    rows: curve.describe('Committed by then.'),
    rows_per_second: curve,
    requests_per_second: curve,
    limit_per_second: brokenCurve.describe('What the streams that were read might use together.'),
    rejections: curve.describe('Since the sample before.'),
    buffered_bytes: curve,
    limits: z
      .array(z.object({ name: z.string(), used: brokenCurve, per_second: brokenCurve, rejections: curve }))
      .describe('The fullest first.'),
    waits: z.array(z.object({ reason: z.string(), ms: z.number() })).describe('The longest first.'),
    slowness: z
      .array(z.object({ what: z.string(), ms: z.number(), share: z.number() }))
      .describe('What its time went into, the longest first; shares overlap.'),
  })
  .openapi('RunSamples');
export const eventView = z
  .object({ id: count, run: z.string(), connection: z.string(), at: time, event: z.looseObject({ type: z.string() }) })
  .openapi('RunEvent');

export const taskView = z
  .object({
    id: count,
    connection: z.string(),
    partition: z.string(),
    cap: count,
    kind: z.string(),
    state: z.enum(['queued', 'delayed', 'paused', 'running', 'done', 'dead', 'cancelled']),
    payload: json,
    priority: z.int(),
    attempt: count,
    failures: count,
    max_attempts: count,
    worker: z.string().nullable(),
    run_at: time,
    started_at: time.nullable(),
    ended_at: time.nullable(),
    error: z.object({ code: z.string(), message: z.string(), next: z.string().optional() }).nullable(),
    result: z.unknown().nullable(),
  })
  .openapi('Task');

export const slotView = z
  .object({
    workflow: z.string().describe('As its engine knows it.'),
    connection: z.string(),
    partition: z.string(),
    cap: count,
    worker: z.string().describe('Under whose lease it is held.'),
    exclusive: z.boolean(),
    taken_at: time,
  })
  .openapi('Slot');

export const partitionView = z
  .object({
    partition: z.string(),
    app: z.string(),
    cap: count.describe('max_concurrent_processes_per_concurrency_partition.'),
    running: count,
    waiting: count,
    paused: z.boolean(),
  })
  .openapi('Partition');
export const lastHour = z
  .object({
    minutes: z.array(time).describe('Sixty, the oldest first.'),
    limits: z
      .array(
        z.object({
          name: z.string(),
          used: z.array(z.number()).describe('Requests a second, over each whole minute.'),
          per_second: z.array(z.number().nullable()).describe('The limit; null: no run used it then.'),
          rejections: z.array(z.number()).describe('In each minute.'),
        }),
      )
      .describe('Those with most rejections first, then those that were used most.'),
  })
  .openapi('LastHour');
export const appView = z
  .object({
    app: z.string(),
    rate_limit: count,
    frequency_seconds: count,
    cap: count.describe('What follows from the limit for each partition.'),
    partitions: count,
    running: count,
    waiting: count,
  })
  .openapi('App');
/** The window has no default here: an edit that left it out would make of 100 a minute 100 a second. */
export const appLimit = z
  .strictObject({
    rate_limit: appSchema.shape.rate_limit,
    frequency_seconds: appSchema.shape.frequency_seconds.unwrap(),
  })
  .openapi('AppLimit');
export const limitSet = z
  .object({ cap: count, partitions: count, tasks: count.describe('Rows that follow.') })
  .openapi('LimitSet');

export const workerView = z
  .object({
    worker: z.string(),
    host: z.string(),
    pid: z.int(),
    version: z.string(),
    slots: count,
    running: count,
    draining: z.boolean(),
    seen_at: time,
  })
  .openapi('Worker');

const describedFields = {
  name: z.string(),
  title: z.string(),
  about: z.string(),
  storable: z.boolean().describe('A connection made through the API may use it; others are written in headrace.yaml.'),
  secrets: z.array(z.string()).describe('Settings that hold secrets.'),
  environment: z.record(z.string(), z.string()).describe('Environment variables that settings are usually taken from.'),
};
export const connectorView = z
  .object({
    ...describedFields,
    kind: z.enum(['native', 'manifest', 'own']),
    settings: json.describe('JSON schema of source: titles, help, examples, and secrets as writeOnly.'),
    dialect: z.string().nullable().describe('How the API tells of its limits; null: it depends on the settings.'),
    definition: z
      .object({ setting: z.string().nullable(), config: z.string() })
      .nullable()
      .describe(
        'It reads by a definition: the settings that name it, null where it is known, and that hold what it asks for.',
      ),
  })
  .openapi('Connector');

const definitionFields = {
  name: z.string(),
  connector: z.string().describe('The connector that reads by it.'),
};
export const definitionView = z.object(definitionFields).openapi('Definition');
export const definitionDetail = z
  .object({
    ...definitionFields,
    title: z.string(),
    config: json.describe('JSON schema of what it asks for, as the definition has it.'),
    documentation: z.string().nullable().describe('Address of its documentation.'),
  })
  .openapi('DefinitionDetail');

export const destinationView = z
  .object({
    ...describedFields,
    kind: z.enum(['native', 'own']),
    settings: json.describe('JSON schema of destination: titles, help, examples, and secrets as writeOnly.'),
  })
  .openapi('Destination');

export const overviewSchema = z
  .object({
    version: z.string(),
    role: z.enum(ROLES),
    connections: z.record(z.string(), count).describe('By state.'),
    tasks: z.record(z.string(), count).describe('By state; those that ended well are left out.'),
    workers: count,
    slots: count,
    partitions: count,
  })
  .openapi('Overview');

export const alertTarget = z
  .object({
    shown: z.string().describe('Its host: the address is a secret.'),
    format: z.enum(['json', 'slack']),
    on: z.array(z.enum(ALERT_KINDS)),
    connection: z.string().nullable().describe('Of this one alone; null: of all.'),
  })
  .openapi('AlertTarget');
export const alertView = z
  .object({
    id: count,
    connection: z.string(),
    kind: z.enum([...ALERT_KINDS, 'test']),
    shown: z.string().describe('Host of who is told.'),
    message: z.string(),
    made_at: time,
    next_at: time.nullable().describe('When it is tried next; null: it was delivered, or given up.'),
    attempts: count,
    delivered_at: time.nullable(),
    error: z.string().nullable().describe('What went wrong with the last try.'),
  })
  .openapi('Alert');

export const tokenView = z
  .object({
    id: z.string(),
    name: z.string(),
    role: z.enum(ROLES),
    created_at: time,
    expires_at: time.nullable(),
    last_used_at: time.nullable(),
  })
  .openapi('Token');
export const newToken = z
  .strictObject({
    name: z.string().min(1).max(LIMITS.tokenNameLength),
    role: z.enum(ROLES),
    expires_in_days: z.int().min(1).max(LIMITS.tokenDays).optional().describe('Default: it does not expire.'),
  })
  .openapi('NewToken');
export const tokenMade = tokenView
  .extend({ token: z.string().describe('Shown once, and never again.') })
  .openapi('TokenMade');

/**
 * Answers agree with their schemas by the tests, which compare every one of them; the compiler cannot see through
 * `wire`.
 */
// oxlint-disable-next-line typescript/no-explicit-any
export type Answer = any;

const names = new Map<string, string>();
/** More are no names of the code. */
const MOST_NAMES = 5_000;

function wireName(name: string): string {
  const known = names.get(name);
  if (known !== undefined) return known;
  const made = /^[a-z][a-zA-Z0-9]*$/.test(name)
    ? name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
    : name;
  if (names.size < MOST_NAMES) names.set(name, made);
  return made;
}

/** camelCase of the code to snake_case of the wire, keys only. Numbers that JSON has no word for become null. */
export function wire(value: unknown): Answer {
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  if (Array.isArray(value)) return value.map(wire);
  if (typeof value !== 'object' || value === null) return value;
  const out: Record<string, unknown> = {};
  for (const [name, inner] of Object.entries(value)) if (inner !== undefined) out[wireName(name)] = wire(inner);
  return out;
}
