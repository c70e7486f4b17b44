/** What Headrace knows of the connector for Stripe before it is opened. */
import type { Connector } from '../connector.js';
import { stripeConfigSchema, type StripeConfig } from './config.js';
import { STREAMS } from './streams.js';
import { usualLimits } from './usual-limits.js';

export const stripeConnector: Connector<StripeConfig> = {
  name: 'stripe',
  title: 'Stripe',
  about: 'Payments, customers, invoices and subscriptions of a Stripe account.',
  kind: 'native',
  schema: stripeConfigSchema,
  secrets: ['api_key'],
  environment: { api_key: 'STRIPE_API_KEY', base_url: 'STRIPE_BASE_URL' },
  places: {},
  dialect: 'stripe',
  // https://docs.stripe.com/webhooks#verify-manually
  webhookHeader: 'stripe-signature',
  questions: { start_date: 'Read from which day on? (empty: everything)' },
  streams: STREAMS.length,
  reference: async () => (await import('./reference.js')).reference(),
  example: { api_key: ['sk', 'test', 'docs000'].join('_') },
  limits: usualLimits,
  // Requests for connected accounts are counted for the platform's key.
  credential: ({ base_url, api_key, account }) => [base_url, api_key, account],
  async open(settings, parts) {
    const { stripeSource } = await import('./source.js');
    const source = await stripeSource(settings, parts);
    return { source, client: source.client, notes: [] };
  },
};
