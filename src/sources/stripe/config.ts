/** The `source` part of headrace.yaml for Stripe. */
import { z } from 'zod';
import { ceilingFields } from '../ceilings.js';
import { STREAMS } from './streams.js';

const streamName = z.enum(STREAMS.map((stream) => stream.name) as [string, ...string[]]);

export const stripeConfigSchema = z.strictObject({
  connector: z.literal('stripe'),
  api_key: z
    .string()
    .regex(
      /^(sk|rk)_(live|test)_[A-Za-z0-9_]+$/,
      'a secret or restricted key: sk_live_…, sk_test_…, rk_live_… or rk_test_…',
    )
    .describe('Secret or restricted key; write it as ${STRIPE_API_KEY}.')
    .meta({ title: 'a secret or restricted key', examples: ['sk_…'] }),
  account: z
    .string()
    .regex(/^acct_\w+$/, 'a connected account: acct_…')
    .optional()
    .describe('Connected account to read, for platforms (Stripe Connect).'),
  base_url: z.url().default('https://api.stripe.com').describe('Where the API is; change it for a proxy or a testbed.'),
  start_date: z.iso
    .date('a day such as 2024-05-31')
    .optional()
    .describe('Read nothing created before this day (UTC). Default: everything.'),
  streams: z.array(streamName).min(1).optional().describe('Read these streams only. Default: all.'),
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
});

export type StripeConfig = z.infer<typeof stripeConfigSchema>;
