import { base, common } from './collection.js';

const address = {
  city: 'Lyon',
  country: 'FR',
  line1: '«i» rue de la Soie',
  line2: null,
  postal_code: '69001',
  state: null,
};

/** About 1.65 KB, the weight of a customer of a real account. */
export const customer = base('customer', {
  address,
  balance: '«#amount»',
  created: '«#created»',
  currency: 'eur',
  default_source: null,
  delinquent: false,
  description:
    'Customer «i», revision «rev»; a long-standing account whose notes are kept by several teams in this one field, as happens in practice, with the history of what was agreed, by whom, and when it has to be looked at again before the next renewal of the contract, and whom to call.',
  discount: null,
  email: 'customer-«i»@example.com',
  invoice_prefix: '«hash»',
  invoice_settings: { custom_fields: null, default_payment_method: null, footer: null, rendering_options: null },
  ...common,
  metadata: {
    row: '«i»',
    revision: '«rev»',
    segment: 'enterprise',
    region: 'emea',
    source: 'partner-import',
    owner: 'accounts-team-«hash»',
    crm_reference: 'CRM-«hash»-«hash»-«i»',
    campaign: 'autumn-newsletter-with-a-long-name-that-marketing-chose',
    contract: 'https://contracts.example.com/accounts/«hash»/documents/«i»/current',
    consent: 'newsletter,product-updates,surveys,events',
    notes: 'prefers invoices at the end of the quarter; «hash»«hash»«hash»«hash»',
  },
  name: '«name»',
  next_invoice_sequence: 3,
  phone: '+33 4 72 00 «hash»',
  preferred_locales: ['fr', 'en'],
  shipping: { address, name: '«name»', phone: null },
  tax_exempt: 'none',
  test_clock: null,
});
