/**
 * Objects as Stripe's API reference describes them (version 2024-06-20), as templates: `«name»` stands for a value of the row, `«#name»`
 * for a number. Names: id, i (index), created, hash, name, amount, rev (revision), and `other:COLLECTION` for the id of a related object.
 */
export interface Collection {
  /** Path below /v1. */
  path: string;
  object: string;
  prefix: string;
  /** Whether the list takes `created`. */
  filter: boolean;
  /** The field that `created` filters on. */
  dateField: 'created' | 'date';
  /** Rows for each customer of the account, where nothing is asked for. */
  share: number;
  /** Deleted objects are still answered, as `{deleted: true}`. */
  keepsDeleted?: boolean;
  template: Record<string, unknown>;
}

const base = (object: string, more: Record<string, unknown>) => ({ id: '«id»', object, ...more });
const common = { livemode: false, metadata: { row: '«i»', revision: '«rev»' } };
const list = (url: string) => ({ object: 'list', data: [], has_more: false, url });
const address = { city: 'Lyon', country: 'FR', line1: '«i» rue de la Soie', line2: null, postal_code: '69001', state: null };

/** About 1.65 KB, the weight of a customer of a real account. */
const customer = base('customer', {
  address, balance: '«#amount»', created: '«#created»', currency: 'eur', default_source: null, delinquent: false,
  description: 'Customer «i», revision «rev»; a long-standing account whose notes are kept by several teams in this one field, as happens in practice, with the history of what was agreed, by whom, and when it has to be looked at again before the next renewal of the contract, and whom to call.',
  discount: null, email: 'customer-«i»@example.com', invoice_prefix: '«hash»',
  invoice_settings: { custom_fields: null, default_payment_method: null, footer: null, rendering_options: null },
  ...common,
  metadata: {
    row: '«i»', revision: '«rev»', segment: 'enterprise', region: 'emea', source: 'partner-import', owner: 'accounts-team-«hash»', crm_reference: 'CRM-«hash»-«hash»-«i»',
    campaign: 'autumn-newsletter-with-a-long-name-that-marketing-chose', contract: 'https://contracts.example.com/accounts/«hash»/documents/«i»/current', consent: 'newsletter,product-updates,surveys,events', notes: 'prefers invoices at the end of the quarter; «hash»«hash»«hash»«hash»',
  },
  name: '«name»', next_invoice_sequence: 3, phone: '+33 4 72 00 «hash»', preferred_locales: ['fr', 'en'], shipping: { address, name: '«name»', phone: null }, tax_exempt: 'none', test_clock: null,
});

const price = { active: true, billing_scheme: 'per_unit', created: '«#created»', currency: 'eur', lookup_key: null, nickname: null, product: '«other:products»', recurring: { interval: 'month', interval_count: 1, usage_type: 'licensed' }, type: 'recurring', unit_amount: '«#amount»', unit_amount_decimal: '«amount»' };

export const COLLECTIONS: Collection[] = [
  define('balance_transactions', 'balance_transaction', 'txn', 4, { amount: '«#amount»', available_on: '«#created»', created: '«#created»', currency: 'eur', description: null, exchange_rate: null, fee: 30, fee_details: [{ amount: 30, currency: 'eur', type: 'stripe_fee' }], net: '«#amount»', reporting_category: 'charge', source: '«other:charges»', status: 'available', type: 'charge' }),
  define('charges', 'charge', 'ch', 3, { amount: '«#amount»', amount_captured: '«#amount»', amount_refunded: 0, balance_transaction: '«other:balance_transactions»', billing_details: { email: 'customer-«i»@example.com' }, captured: true, created: '«#created»', currency: 'eur', customer: '«other:customers»', description: 'Charge «i»', disputed: false, failure_code: null, invoice: null, paid: true, payment_intent: '«other:payment_intents»', receipt_email: null, refunded: false, status: 'succeeded', ...common }),
  define('checkout/sessions', 'checkout.session', 'cs', 1, { amount_total: '«#amount»', cancel_url: null, created: '«#created»', currency: 'eur', customer: '«other:customers»', expires_at: '«#created»', mode: 'payment', payment_status: 'paid', status: 'complete', success_url: 'https://example.com/ok', ...common }),
  define('coupons', 'coupon', 'co', 0.01, { amount_off: null, created: '«#created»', currency: null, duration: 'once', max_redemptions: null, name: 'Coupon «i»', percent_off: 12.5, times_redeemed: 3, valid: true, ...common }, { keepsDeleted: true }),
  define('credit_notes', 'credit_note', 'cn', 0.05, { amount: '«#amount»', created: '«#created»', currency: 'eur', customer: '«other:customers»', invoice: '«other:invoices»', lines: list('/v1/credit_notes/«id»/lines'), number: 'CN-«i»', reason: null, status: 'issued', total: '«#amount»', type: 'post_payment', ...common }),
  define('customers', 'customer', 'cus', 1, customer, { keepsDeleted: true }),
  define('disputes', 'dispute', 'dp', 0.02, { amount: '«#amount»', charge: '«other:charges»', created: '«#created»', currency: 'eur', evidence: {}, evidence_details: { due_by: null }, is_charge_refundable: false, reason: 'general', status: 'needs_response', ...common }),
  define('radar/early_fraud_warnings', 'radar.early_fraud_warning', 'issfr', 0.02, { actionable: true, charge: '«other:charges»', created: '«#created»', fraud_type: 'made_with_stolen_card', livemode: false, payment_intent: '«other:payment_intents»' }),
  define('invoiceitems', 'invoiceitem', 'ii', 1, { amount: '«#amount»', currency: 'eur', customer: '«other:customers»', date: '«#created»', description: 'Item «i»', discountable: true, invoice: '«other:invoices»', period: { end: '«#created»', start: '«#created»' }, quantity: 1, unit_amount: '«#amount»', ...common }, { dateField: 'date' }),
  define('invoices', 'invoice', 'in', 2, { account_country: 'FR', amount_due: '«#amount»', amount_paid: '«#amount»', attempt_count: 1, billing_reason: 'subscription_cycle', created: '«#created»', currency: 'eur', customer: '«other:customers»', due_date: null, lines: list('/v1/invoices/«id»/lines'), number: 'INV-«i»', paid: true, period_end: '«#created»', period_start: '«#created»', status: 'paid', subscription: '«other:subscriptions»', subtotal: '«#amount»', total: '«#amount»', ...common }),
  define('payment_intents', 'payment_intent', 'pi', 3, { amount: '«#amount»', amount_received: '«#amount»', capture_method: 'automatic', created: '«#created»', currency: 'eur', customer: '«other:customers»', description: null, latest_charge: '«other:charges»', payment_method_types: ['card'], status: 'succeeded', ...common }),
  define('payment_links', 'payment_link', 'plink', 0.02, { active: true, currency: 'eur', url: 'https://buy.stripe.com/test_«hash»', ...common }, { filter: false }),
  define('payouts', 'payout', 'po', 0.1, { amount: '«#amount»', arrival_date: '«#created»', automatic: true, balance_transaction: '«other:balance_transactions»', created: '«#created»', currency: 'eur', destination: null, method: 'standard', status: 'paid', type: 'bank_account', ...common }),
  define('plans', 'plan', 'plan', 0.01, { active: true, amount: '«#amount»', amount_decimal: '«amount»', created: '«#created»', currency: 'eur', interval: 'month', interval_count: 1, nickname: null, product: '«other:products»', usage_type: 'licensed', ...common }, { keepsDeleted: true }),
  define('prices', 'price', 'price', 0.02, { ...price, ...common }),
  define('products', 'product', 'prod', 0.02, { active: true, created: '«#created»', default_price: '«other:prices»', description: null, images: [], name: 'Product «i»', type: 'service', updated: '«#created»', ...common }, { keepsDeleted: true }),
  define('promotion_codes', 'promotion_code', 'promo', 0.02, { active: true, code: 'CODE«i»', coupon: { id: '«other:coupons»', object: 'coupon' }, created: '«#created»', customer: null, expires_at: null, max_redemptions: null, times_redeemed: 0, ...common }),
  define('quotes', 'quote', 'qt', 0.05, { amount_subtotal: '«#amount»', amount_total: '«#amount»', created: '«#created»', currency: 'eur', customer: '«other:customers»', expires_at: '«#created»', number: 'QT-«i»', status: 'draft', ...common }, { filter: false }),
  define('refunds', 'refund', 're', 0.1, { amount: '«#amount»', balance_transaction: '«other:balance_transactions»', charge: '«other:charges»', created: '«#created»', currency: 'eur', payment_intent: '«other:payment_intents»', reason: null, status: 'succeeded', ...common }),
  define('reviews', 'review', 'prv', 0.01, { billing_zip: null, charge: '«other:charges»', closed_reason: null, created: '«#created»', livemode: false, open: true, opened_reason: 'rule', payment_intent: '«other:payment_intents»', reason: 'rule' }),
  define('setup_intents', 'setup_intent', 'seti', 0.3, { created: '«#created»', customer: '«other:customers»', description: null, payment_method: null, payment_method_types: ['card'], status: 'succeeded', usage: 'off_session', ...common }),
  define('subscription_schedules', 'subscription_schedule', 'sub_sched', 0.02, { canceled_at: null, completed_at: null, created: '«#created»', customer: '«other:customers»', end_behavior: 'release', phases: [], status: 'active', subscription: '«other:subscriptions»', ...common }),
  define('subscriptions', 'subscription', 'sub', 0.4, { billing_cycle_anchor: '«#created»', cancel_at_period_end: false, canceled_at: null, collection_method: 'charge_automatically', created: '«#created»', currency: 'eur', current_period_end: '«#created»', current_period_start: '«#created»', customer: '«other:customers»', items: list('/v1/subscription_items?subscription=«id»'), latest_invoice: '«other:invoices»', start_date: '«#created»', status: 'active', ...common }),
  define('tax_rates', 'tax_rate', 'txr', 0.005, { active: true, country: 'FR', created: '«#created»', description: null, display_name: 'TVA', inclusive: false, jurisdiction: 'FR', percentage: 20, ...common }),
  define('topups', 'topup', 'tu', 0.02, { amount: '«#amount»', balance_transaction: '«other:balance_transactions»', created: '«#created»', currency: 'eur', description: null, status: 'succeeded', ...common }),
  define('transfers', 'transfer', 'tr', 0.2, { amount: '«#amount»', amount_reversed: 0, balance_transaction: '«other:balance_transactions»', created: '«#created»', currency: 'eur', description: null, destination: 'acct_connected', reversals: list('/v1/transfers/«id»/reversals'), reversed: false, source_type: 'card', transfer_group: null, ...common }),
  define('events', 'event', 'evt', 0.2, { account: null, api_version: '2019-08-14', created: '«#created»', data: { object: { id: '«other:customers»', object: 'customer' } }, livemode: false, pending_webhooks: 0, request: { id: null, idempotency_key: null }, type: 'customer.updated' }),
];

function define(path: string, object: string, prefix: string, share: number, template: Record<string, unknown>, options: Partial<Pick<Collection, 'filter' | 'dateField' | 'keepsDeleted'>> = {}): Collection {
  return { path, object, prefix, share, filter: true, dateField: 'created', ...options, template: 'object' in template ? template : base(object, template) };
}

/** Objects that live below another: for each parent, none to three. */
export const CHILDREN = {
  payment_method: (id: string, customer: string, created: number) => ({ id, object: 'payment_method', billing_details: { address: null, email: null, name: null, phone: null }, card: { brand: 'visa', exp_month: 8, exp_year: 2031, last4: '4242' }, created, customer, livemode: false, metadata: {}, type: 'card' }),
  tax_id: (id: string, customer: string, created: number) => ({ id, object: 'tax_id', country: 'FR', created, customer, livemode: false, type: 'eu_vat', value: 'FR00000000000', verification: { status: 'verified' } }),
  subscription_item: (id: string, subscription: string, created: number) => ({ id, object: 'subscription_item', billing_thresholds: null, created, metadata: {}, price: { id: 'price_0', object: 'price' }, quantity: 1, subscription, tax_rates: [] }),
  line_item: (id: string, invoice: string, created: number) => ({ id, object: 'line_item', amount: 100, currency: 'eur', description: `Line of ${invoice}`, discountable: true, invoice, livemode: false, metadata: {}, period: { end: created, start: created }, quantity: 1, type: 'invoiceitem' }),
} as const;
