/** Stripe's streams: where each is listed, how it can be divided, and how it follows changes. One line a stream. */
import type { Follow } from '../contract.js';

export interface StreamDefinition {
  name: string;
  /** Path below /v1; `{parent}` stands for the parent's id. */
  path: string;
  /** `object` of its rows, by which an event names the stream. */
  object: string;
  /**
   * `range`: the list takes `created`; `chain`: it does not; `child`: it is listed for each object of another stream.
   */
  shape: 'range' | 'chain' | { parent: string };
  /** The field that `created` filters on; `created` unless said. */
  position: string;
  query: Record<string, string>;
  follow: Follow;
}

/** Objects may show up in lists and events a little late. */
const LOOKBACK_SECONDS = 3_600;
/** A balance transaction turns from pending to available within days, and no event tells. */
const BALANCE_LOOKBACK_SECONDS = 14 * 86_400;

const events: Follow = { kind: 'events' };
const byCreated = (lookback: number): Follow => ({ kind: 'cursor', lookback });

export const STREAMS: StreamDefinition[] = [
  range('balance_transactions', 'balance_transactions', 'balance_transaction', byCreated(BALANCE_LOOKBACK_SECONDS)),
  range('charges', 'charges', 'charge'),
  range('checkout_sessions', 'checkout/sessions', 'checkout.session'),
  range('coupons', 'coupons', 'coupon'),
  range('credit_notes', 'credit_notes', 'credit_note'),
  range('customers', 'customers', 'customer'),
  range('disputes', 'disputes', 'dispute'),
  range('early_fraud_warnings', 'radar/early_fraud_warnings', 'radar.early_fraud_warning'),
  range('events', 'events', 'event', byCreated(LOOKBACK_SECONDS)),
  { ...range('invoice_items', 'invoiceitems', 'invoiceitem'), position: 'date' },
  range('invoices', 'invoices', 'invoice'),
  range('payment_intents', 'payment_intents', 'payment_intent'),
  { ...range('payment_links', 'payment_links', 'payment_link'), shape: 'chain' },
  {
    ...range('payment_methods', 'customers/{parent}/payment_methods', 'payment_method'),
    shape: { parent: 'customers' },
  },
  range('payouts', 'payouts', 'payout'),
  range('plans', 'plans', 'plan'),
  range('prices', 'prices', 'price'),
  range('products', 'products', 'product'),
  range('promotion_codes', 'promotion_codes', 'promotion_code'),
  { ...range('quotes', 'quotes', 'quote'), shape: 'chain' },
  range('refunds', 'refunds', 'refund'),
  range('reviews', 'reviews', 'review'),
  range('setup_intents', 'setup_intents', 'setup_intent'),
  { ...range('subscription_items', 'subscription_items', 'subscription_item'), shape: { parent: 'subscriptions' } },
  range('subscription_schedules', 'subscription_schedules', 'subscription_schedule'),
  { ...range('subscriptions', 'subscriptions', 'subscription'), query: { status: 'all' } },
  { ...range('tax_ids', 'customers/{parent}/tax_ids', 'tax_id'), shape: { parent: 'customers' } },
  range('tax_rates', 'tax_rates', 'tax_rate'),
  range('topups', 'topups', 'topup'),
  range('transfers', 'transfers', 'transfer'),
];

function range(name: string, path: string, object: string, follow: Follow = events): StreamDefinition {
  return { name, path, object, shape: 'range', position: 'created', query: {}, follow };
}
