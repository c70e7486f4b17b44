/** The `source` part of headrace.yaml for Stripe. */
import { z } from 'zod';
import { ceilingFields } from '../ceilings.js';
import { GROUPS } from './facts.js';
import { STREAMS } from './streams.js';
import { FIRST_VERSION, NEWEST_VERSION } from './versions.js';

const STREAM_NAMES = STREAMS.map((stream) => stream.name) as [string, ...string[]];
const streamName = z.enum(STREAM_NAMES);
/** `all` is one of the names, and may stand alone. */
const streamNames = z.array(z.enum(['all', ...STREAM_NAMES])).min(1);

export const stripeConfigSchema = z
  .strictObject({
    connector: z.literal('stripe'),
    api_key: z
      .string()
      .regex(
        /^(sk|rk)_(live|test)_[A-Za-z0-9_]+$/,
        'a secret or restricted key: sk_live_…, sk_test_…, rk_live_… or rk_test_…',
      )
      .describe('Secret or restricted key; write it as ${STRIPE_API_KEY}.')
      .meta({ title: 'API key', examples: ['sk_…'] }),
    account: z
      .string()
      .regex(/^acct_\w+$/, 'a connected account: acct_…')
      .optional()
      .describe('Connected account to read, for platforms (Stripe Connect).'),
    accounts: z
      .union([
        z.literal('all'),
        z
          .array(z.string().regex(/^acct_\w+$/, 'a connected account: acct_…'))
          .min(1)
          .max(10_000),
      ])
      .optional()
      .describe(
        "Connected accounts to read, instead of the key's own: `all`, or a list. Each has a ledger of its own, its rows are marked _headrace_account.",
      ),
    api_version: z
      .string()
      .regex(/^\d{4}-\d{2}-\d{2}(?:\.[a-z_]+)?$/, `a version such as ${NEWEST_VERSION}`)
      .optional()
      .describe(
        `Version of the API that rows are read at. Default: ${NEWEST_VERSION}; what was begun at another goes on with that. Known: ${FIRST_VERSION}, ${NEWEST_VERSION}; others work, without promised columns.`,
      ),
    base_url: z
      .url({ protocol: /^https?$/ })
      .default('https://api.stripe.com')
      .describe('Where the API is; change it for a proxy or a testbed.'),
    start_date: z.iso
      .date('a day such as 2024-05-31')
      .optional()
      .describe('Read nothing created before this day (UTC). Default: everything.'),
    streams: z
      .preprocess((value) => (value === 'all' ? ['all'] : value), streamNames)
      .meta({ type: 'array', items: z.toJSONSchema(streamNames).items, minItems: 1 })
      .optional()
      .describe('Read these streams only, or `all`. Default: those of `groups`.'),
    groups: z
      .array(z.enum(GROUPS))
      .min(1)
      .optional()
      .describe(
        'Read the streams of these groups; streams that are listed for each object of another have to be named. Default: core and billing.',
      ),
    exclude: z.array(streamName).default([]).describe('Leave these streams out.'),
    fields: z
      .partialRecord(streamName, z.array(z.string().min(1)).min(1))
      .optional()
      .describe('For a stream, store these fields only; its key and its date always stay.'),
    rate_limit: z
      .strictObject({
        global: z
          .int()
          .min(1)
          .max(10_000)
          .optional()
          .describe('Requests a second over all. Default: 100 for live keys, 25 for sandbox keys.'),
        endpoint: z.int().min(1).max(10_000).optional().describe('Requests a second for one endpoint. Default: 25.'),
      })
      .optional()
      .describe(
        'Limits that Stripe granted this account, where they differ from the usual ones: where the gate starts, not a ceiling.',
      ),
    ...ceilingFields,
  })
  .refine(({ account, accounts }) => account === undefined || accounts === undefined, {
    path: ['accounts'],
    message: 'either account or accounts: one connected account, or several',
  })
  .refine(({ streams, groups }) => groups === undefined || !streams?.includes('all'), {
    path: ['groups'],
    message: 'either groups, or streams: all, which has every group in it',
  })
  .refine(({ api_version }) => api_version === undefined || isDay(api_version.slice(0, 10)), {
    path: ['api_version'],
    message: `a version with a day that exists, such as ${NEWEST_VERSION}`,
  });

const isDay = (text: string) => z.iso.date().safeParse(text).success;

export type StripeConfig = z.infer<typeof stripeConfigSchema>;
