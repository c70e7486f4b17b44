/**
 * What the vendor's types do not tell, a line each with its source. "reference" is https://docs.stripe.com/api; "used"
 * is what Headrace has done since its first version, seen on real accounts; "seen: no" has to be confirmed on one.
 */

export const GROUPS = [
  'core',
  'billing',
  'connect',
  'issuing',
  'treasury',
  'terminal',
  'radar',
  'tax',
  'identity',
  'climate',
  'financial_connections',
  'reporting',
  'apps',
  'reference',
  'test',
  'money_management',
] as const;
export type Group = (typeof GROUPS)[number];

/** Groups that are read where nothing is chosen. */
export const DEFAULT_GROUPS: readonly Group[] = ['core', 'billing'];

/** The group of a list by how its path begins; the longest that fits counts. Headings of the reference. */
export const GROUP_OF_PATH: Readonly<Record<string, Group>> = {
  'v1/': 'core',
  'v1/accounts': 'connect',
  'v1/application_fees': 'connect',
  'v1/apps/': 'apps',
  'v1/billing/': 'billing',
  'v1/billing_portal/': 'billing',
  'v1/climate/': 'climate',
  'v1/country_specs': 'reference',
  'v1/credit_notes': 'billing',
  'v1/customers/{id}/balance_transactions': 'billing',
  'v1/customers/{id}/tax_ids': 'billing',
  'v1/entitlements/': 'billing',
  'v1/exchange_rates': 'reference',
  'v1/financial_connections/': 'financial_connections',
  'v1/forwarding/': 'apps',
  'v1/identity/': 'identity',
  'v1/invoice': 'billing',
  'v1/issuing/': 'issuing',
  'v1/plans': 'billing',
  'v1/product_catalog/': 'billing',
  'v1/quotes': 'billing',
  // Early fraud warnings and reviews were read before there were groups, transfers and top-ups as well: they stay core.
  'v1/radar/value_list': 'radar',
  'v1/reporting/': 'reporting',
  'v1/sigma/': 'reporting',
  'v1/subscription': 'billing',
  'v1/tax/': 'tax',
  'v1/tax_codes': 'reference',
  'v1/tax_ids': 'tax',
  'v1/terminal/': 'terminal',
  'v1/test_helpers/': 'test',
  'v1/treasury/': 'treasury',
  'v2/commerce/': 'money_management',
  'v2/core/': 'connect',
  'v2/money_management/': 'money_management',
};

/** Names that do not follow from their path. */
export const NAMES: Readonly<Record<string, string>> = {
  'v1/customers/{id}/payment_methods': 'payment_methods', // used
  'v1/customers/{id}/tax_ids': 'tax_ids', // used
  'v1/invoiceitems': 'invoice_items', // used
  'v1/payment_methods': 'all_payment_methods', // those of customers have the plain name
  'v1/radar/early_fraud_warnings': 'early_fraud_warnings', // used
  'v1/tax_ids': 'account_tax_ids', // those of customers have the plain name
};

/** The field that `created` filters on, where it is another. */
export const POSITIONS: Readonly<Record<string, string>> = {
  'v1/invoiceitems': 'date', // reference: invoice items have no `created`; used
};

/** Lists whose rows come newest first although their description does not say so: used, on real accounts. */
export const NEWEST_FIRST: ReadonlySet<string> = new Set([
  'v1/checkout/sessions',
  'v1/coupons',
  'v1/credit_notes',
  'v1/disputes',
  'v1/events',
  'v1/invoiceitems',
  'v1/payment_intents',
  'v1/plans',
  'v1/prices',
  'v1/promotion_codes',
  'v1/radar/early_fraud_warnings',
  'v1/setup_intents',
  'v1/subscription_schedules',
  'v1/subscriptions',
  'v1/topups',
]);

/** What a list has to be asked with to bring all of its rows. */
export const QUERIES: Readonly<Record<string, Record<string, string>>> = {
  'v1/subscriptions': { status: 'all' }, // reference: without it, canceled ones are left out; used
};

/** Lists that want an object named: the parameter, and the list that has those objects. Types; the list: reference. */
export const PARENTS: Readonly<Record<string, { parameter: string; of: string }>> = {
  'v1/entitlements/active_entitlements': { parameter: 'customer', of: 'v1/customers' },
  'v1/financial_connections/transactions': { parameter: 'account', of: 'v1/financial_connections/accounts' },
  'v1/issuing/tokens': { parameter: 'card', of: 'v1/issuing/cards' },
  'v1/payment_attempt_records': { parameter: 'payment_record', of: 'v1/payment_records' },
  'v1/radar/value_list_items': { parameter: 'value_list', of: 'v1/radar/value_lists' },
  'v1/setup_attempts': { parameter: 'setup_intent', of: 'v1/setup_intents' },
  'v1/subscription_items': { parameter: 'subscription', of: 'v1/subscriptions' }, // used
  'v1/treasury/credit_reversals': { parameter: 'financial_account', of: 'v1/treasury/financial_accounts' },
  'v1/treasury/debit_reversals': { parameter: 'financial_account', of: 'v1/treasury/financial_accounts' },
  'v1/treasury/inbound_transfers': { parameter: 'financial_account', of: 'v1/treasury/financial_accounts' },
  'v1/treasury/outbound_payments': { parameter: 'financial_account', of: 'v1/treasury/financial_accounts' },
  'v1/treasury/outbound_transfers': { parameter: 'financial_account', of: 'v1/treasury/financial_accounts' },
  'v1/treasury/received_credits': { parameter: 'financial_account', of: 'v1/treasury/financial_accounts' },
  'v1/treasury/received_debits': { parameter: 'financial_account', of: 'v1/treasury/financial_accounts' },
  'v1/treasury/transaction_entries': { parameter: 'financial_account', of: 'v1/treasury/financial_accounts' },
  'v1/treasury/transactions': { parameter: 'financial_account', of: 'v1/treasury/financial_accounts' },
};

/** Lists that are another's with a parameter, as streams of their own. */
export const MORE_STREAMS: readonly { name: string; path: string; parameter: string; of: string; unless: string }[] = [
  // reference: `payout` brings the transactions of an automatic payout; of a manual one it is refused
  {
    name: 'payout_balance_transactions',
    path: 'v1/balance_transactions',
    parameter: 'payout',
    of: 'v1/payouts',
    unless: 'automatic=false',
  },
];

/** The field in a child's rows that names its parent, where it is not the parent's own name. Types. */
export const PARENT_FIELDS: Readonly<Record<string, string>> = {
  'v1/application_fees/{id}/refunds': 'fee',
  'v1/checkout/sessions/{id}/line_items': 'checkout_session',
  'v1/financial_connections/accounts/{id}/owners': 'account',
  'v1/payment_links/{id}/line_items': 'payment_link',
  'v1/products/{id}/features': 'product',
  'v2/core/accounts/{accountId}/persons': 'account',
};

/** Keys that are unique within their parent only. */
export const KEYS: Readonly<Record<string, string[]>> = {
  'v1/accounts/{id}/capabilities': ['account', 'id'], // reference: the id is the capability's name
  payout_balance_transactions: ['payout', 'id'], // seen: no
  'v1/products/{id}/features': ['product', 'id'], // seen: no
};

/** Lists that are no streams, and why. */
export const NOT_OFFERED: Readonly<Record<string, string>> = {
  'v1/apps/secrets': 'wants a scope, and which there are no list tells',
  'v1/billing/meters/{id}/event_summaries': 'sums over a time of one customer, computed when it is asked for',
  'v1/credit_notes/preview/lines': 'a preview of what does not exist yet',
  'v1/financial_connections/accounts/{id}/owners': 'wants an ownership, and which there are no list tells',
  'v1/sources/{id}/source_transactions': 'of sources, which no list has',
  'v1/tax/calculations/{id}/line_items': 'of calculations, which no list has and which expire',
  'v1/tax/locations': 'wants a type, and which there are no list tells',
  'v1/tax/transactions/{id}/line_items': 'of tax transactions, which no list has',
};

/** Children that no event names: those of a changed parent are listed again. Reference: they change with it alone. */
export const CHANGED_WITH_PARENT: ReadonlySet<string> = new Set([
  'v1/application_fees/{id}/refunds',
  'v1/checkout/sessions/{id}/line_items',
  'v1/credit_notes/{id}/lines',
  'v1/customers/{id}/balance_transactions',
  'v1/entitlements/active_entitlements',
  'v1/invoices/{id}/lines',
  'v1/payment_intents/{id}/amount_details_line_items',
  'v1/payment_links/{id}/line_items',
  'v1/products/{id}/features',
  'v1/quotes/{id}/computed_upfront_line_items',
  'v1/quotes/{id}/line_items',
  'v1/setup_attempts',
  'v1/subscription_items', // used
  'v1/transfers/{id}/reversals',
  'payout_balance_transactions',
]);

/** Lists that events cannot be told apart for: read again. */
export const READ_AGAIN: ReadonlySet<string> = new Set([
  'v1/tax_ids', // types: events of tax ids are those of customers
]);

const DAY = 86_400;
/** So many seconds back are read again, where nothing tells that a row changed. */
export const LOOKBACKS: Readonly<Record<string, number>> = {
  'v1/balance_transactions': 14 * DAY, // reference: pending becomes available within days; used
  'v1/events': 3_600, // used
};
/** Of others without events: what is older than that changes no more. Seen: no. */
export const USUAL_LOOKBACK = 30 * DAY;

/**
 * Objects that have no list of their own: the list of the object that changed with them, and the field that names it.
 */
export const TOLD_BY: Readonly<Record<string, { of: string; field: string }[]>> = {
  cash_balance: [{ of: 'v1/customers', field: 'customer' }],
  discount: [
    { of: 'v1/customers', field: 'customer' },
    { of: 'v1/subscriptions', field: 'subscription' },
  ],
  'entitlements.active_entitlement_summary': [{ of: 'v1/customers', field: 'customer' }],
};
/** Events that tell of the account that they came from: it was connected, or is not any more. Reference. */
export const TELLS_OF_ACCOUNT = /^account\.application\.(?:de)?authorized$/;

/** Objects of events that no stream has, and why. */
export const UNMAPPED: Readonly<Record<string, string>> = {
  balance: 'one object an account, which no list has',
  balance_settings: 'one object an account, which no list has',
  'billing.alert_triggered': 'it happens, and is kept nowhere',
  'billing_portal.session': 'no list has portal sessions',
  'financial_connections.authorization': 'no list has authorizations',
  mandate: 'no list has mandates',
  'reserve.hold': 'no list has reserves',
  'reserve.plan': 'no list has reserves',
  'reserve.release': 'no list has reserves',
  source_mandate_notification: 'no list has notifications',
  source_transaction: 'of sources, which no list has',
  'tax.settings': 'one object an account, which no list has',
  'v2.money_management.recipient_verification': 'no list has verifications',
};

/** Products that an account has to have: errors that say it has not end the stream, not the run. Reference. */
export const PRODUCT_OF_GROUP: Partial<Record<Group, string>> = {
  connect: 'Connect',
  issuing: 'Issuing',
  treasury: 'Treasury',
  terminal: 'Terminal',
  tax: 'Tax',
  identity: 'Identity',
  climate: 'Climate Orders',
  financial_connections: 'Financial Connections',
  reporting: 'Sigma',
  apps: 'Stripe Apps',
  money_management: 'Global Payouts',
};

/** Fields of 2024-06-20 that are elsewhere in the newest version (https://docs.stripe.com/changelog). */
export const MOVED: readonly { stream: string; field: string; to: string }[] = [
  { stream: 'charges', field: 'invoice', to: 'payments of the invoice (invoice_payments)' },
  { stream: 'invoices', field: 'charge', to: 'invoice_payments' },
  { stream: 'invoices', field: 'paid', to: 'status' },
  { stream: 'invoices', field: 'payment_intent', to: 'invoice_payments' },
  { stream: 'invoices', field: 'subscription', to: 'parent.subscription_details.subscription' },
  { stream: 'invoices', field: 'tax', to: 'total_taxes' },
  { stream: 'promotion_codes', field: 'coupon', to: 'promotion.coupon' },
  { stream: 'subscriptions', field: 'current_period_end', to: 'items, of each' },
  { stream: 'subscriptions', field: 'current_period_start', to: 'items, of each' },
];
