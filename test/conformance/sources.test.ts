import { afterAll, beforeAll, describe, test } from 'vitest';
import { openSource } from '../../src/wiring/compose.js';
import { stripeConfigSchema, type StripeConfig } from '../../src/sources/stripe/config.js';
import { sourceConformance } from '../../src/sources/conformance.js';
import { startStripeTestbed, TESTBED_LIVE_KEY, type StripeTestbed } from '../../src/testbed/index.js';

let testbed: StripeTestbed;
beforeAll(async () => {
  testbed = await startStripeTestbed({
    rows: 450,
    shape: 'bulk',
    collections: { quotes: { rows: 250 }, 'checkout/sessions': { rows: 250 }, invoiceitems: { rows: 250 } },
  });
});
afterAll(() => testbed.close());

describe('stripe on the testbed', () => {
  const make = async () =>
    (
      await openSource({
        name: 'stripe',
        source: stripeConfigSchema.parse({
          connector: 'stripe',
          api_key: TESTBED_LIVE_KEY,
          base_url: testbed.url,
          rate_limit: { global: 2000, endpoint: 2000 },
        }) as StripeConfig,
        destination: { type: 'embedded', mode: 'upsert' },
        dataDir: '',
      })
    ).source;
  for (const { name, run } of sourceConformance(make, [
    'customers',
    'quotes',
    'checkout_sessions',
    'invoice_items',
    'invoices',
  ]))
    test(name, run);
});
