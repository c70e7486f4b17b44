/**
 * Top-level fields of the streams that were there before the vendor's types were read, at version 2024-06-20, after its
 * API reference. `field:type`; integers are amounts in the smallest unit of the currency or unix seconds. Fields that
 * Stripe can expand to an object, and nested ones, are `json`. States that were begun at this version go on with it.
 */
export const FIELDS_2024: Readonly<Record<string, string>> = {
  balance_transactions: `
    id:string object:string amount:integer available_on:integer created:integer currency:string description:string
    exchange_rate:number fee:integer fee_details:json net:integer reporting_category:string source:json status:string
    type:string`,
  charges: `
    id:string object:string amount:integer amount_captured:integer amount_refunded:integer application:json
    application_fee:json application_fee_amount:integer balance_transaction:json billing_details:json
    calculated_statement_descriptor:string captured:boolean created:integer currency:string customer:json
    description:string destination:json dispute:json disputed:boolean failure_balance_transaction:json
    failure_code:string failure_message:string fraud_details:json invoice:json livemode:boolean metadata:json
    on_behalf_of:json order:json outcome:json paid:boolean payment_intent:json payment_method:string
    payment_method_details:json receipt_email:string receipt_number:string receipt_url:string refunded:boolean
    refunds:json review:json shipping:json source:json source_transfer:json statement_descriptor:string
    statement_descriptor_suffix:string status:string transfer:json transfer_data:json transfer_group:string`,
  checkout_sessions: `
    id:string object:string after_expiration:json allow_promotion_codes:boolean amount_subtotal:integer
    amount_total:integer automatic_tax:json billing_address_collection:string cancel_url:string
    client_reference_id:string client_secret:string consent:json consent_collection:json created:integer currency:string
    currency_conversion:json custom_fields:json custom_text:json customer:json customer_creation:string
    customer_details:json customer_email:string expires_at:integer invoice:json invoice_creation:json line_items:json
    livemode:boolean locale:string metadata:json mode:string payment_intent:json payment_link:json
    payment_method_collection:string payment_method_configuration_details:json payment_method_options:json
    payment_method_types:json payment_status:string phone_number_collection:json recovered_from:string
    redirect_on_completion:string return_url:string saved_payment_method_options:json setup_intent:json
    shipping_address_collection:json shipping_cost:json shipping_details:json shipping_options:json status:string
    submit_type:string subscription:json success_url:string tax_id_collection:json total_details:json ui_mode:string
    url:string`,
  coupons: `
    id:string object:string amount_off:integer applies_to:json created:integer currency:string currency_options:json
    duration:string duration_in_months:integer livemode:boolean max_redemptions:integer metadata:json name:string
    percent_off:number redeem_by:integer times_redeemed:integer valid:boolean`,
  credit_notes: `
    id:string object:string amount:integer amount_shipping:integer created:integer currency:string customer:json
    customer_balance_transaction:json discount_amount:integer discount_amounts:json effective_at:integer invoice:json
    lines:json livemode:boolean memo:string metadata:json number:string out_of_band_amount:integer pdf:string
    reason:string refund:json shipping_cost:json status:string subtotal:integer subtotal_excluding_tax:integer
    tax_amounts:json total:integer total_excluding_tax:integer type:string voided_at:integer`,
  customers: `
    id:string object:string address:json balance:integer cash_balance:json created:integer currency:string
    default_source:json delinquent:boolean description:string discount:json email:string invoice_credit_balance:json
    invoice_prefix:string invoice_settings:json livemode:boolean metadata:json name:string next_invoice_sequence:integer
    phone:string preferred_locales:json shipping:json sources:json subscriptions:json tax:json tax_exempt:string
    tax_ids:json test_clock:json`,
  disputes: `
    id:string object:string amount:integer balance_transactions:json charge:json created:integer currency:string
    evidence:json evidence_details:json is_charge_refundable:boolean livemode:boolean metadata:json payment_intent:json
    payment_method_details:json reason:string status:string`,
  early_fraud_warnings: `
    id:string object:string actionable:boolean charge:json created:integer fraud_type:string livemode:boolean
    payment_intent:json`,
  events: `
    id:string object:string account:string api_version:string created:integer data:json livemode:boolean
    pending_webhooks:integer request:json type:string`,
  invoice_items: `
    id:string object:string amount:integer currency:string customer:json date:integer description:string
    discountable:boolean discounts:json invoice:json livemode:boolean metadata:json period:json plan:json price:json
    proration:boolean quantity:integer subscription:json subscription_item:string tax_rates:json test_clock:json
    unit_amount:integer unit_amount_decimal:string`,
  invoices: `
    id:string object:string account_country:string account_name:string account_tax_ids:json amount_due:integer
    amount_paid:integer amount_remaining:integer amount_shipping:integer application:json application_fee_amount:integer
    attempt_count:integer attempted:boolean auto_advance:boolean automatic_tax:json billing_reason:string charge:json
    collection_method:string created:integer currency:string custom_fields:json customer:json customer_address:json
    customer_email:string customer_name:string customer_phone:string customer_shipping:json customer_tax_exempt:string
    customer_tax_ids:json default_payment_method:json default_source:json default_tax_rates:json description:string
    discount:json discounts:json due_date:integer effective_at:integer ending_balance:integer footer:string
    from_invoice:json hosted_invoice_url:string invoice_pdf:string issuer:json last_finalization_error:json
    latest_revision:json lines:json livemode:boolean metadata:json next_payment_attempt:integer number:string
    on_behalf_of:json paid:boolean paid_out_of_band:boolean payment_intent:json payment_settings:json period_end:integer
    period_start:integer post_payment_credit_notes_amount:integer pre_payment_credit_notes_amount:integer quote:json
    receipt_number:string rendering:json shipping_cost:json shipping_details:json starting_balance:integer
    statement_descriptor:string status:string status_transitions:json subscription:json subscription_details:json
    subtotal:integer subtotal_excluding_tax:integer tax:integer test_clock:json threshold_reason:json total:integer
    total_discount_amounts:json total_excluding_tax:integer total_tax_amounts:json transfer_data:json
    webhooks_delivered_at:integer`,
  payment_intents: `
    id:string object:string amount:integer amount_capturable:integer amount_details:json amount_received:integer
    application:json application_fee_amount:integer automatic_payment_methods:json canceled_at:integer
    cancellation_reason:string capture_method:string client_secret:string confirmation_method:string created:integer
    currency:string customer:json description:string invoice:json last_payment_error:json latest_charge:json
    livemode:boolean metadata:json next_action:json on_behalf_of:json payment_method:json
    payment_method_configuration_details:json payment_method_options:json payment_method_types:json processing:json
    receipt_email:string review:json setup_future_usage:string shipping:json source:json statement_descriptor:string
    statement_descriptor_suffix:string status:string transfer_data:json transfer_group:string`,
  payment_links: `
    id:string object:string active:boolean after_completion:json allow_promotion_codes:boolean application:json
    application_fee_amount:integer application_fee_percent:number automatic_tax:json billing_address_collection:string
    consent_collection:json currency:string custom_fields:json custom_text:json customer_creation:string
    inactive_message:string invoice_creation:json line_items:json livemode:boolean metadata:json on_behalf_of:json
    payment_intent_data:json payment_method_collection:string payment_method_types:json phone_number_collection:json
    restrictions:json shipping_address_collection:json shipping_options:json submit_type:string subscription_data:json
    tax_id_collection:json transfer_data:json url:string`,
  payment_methods: `
    id:string object:string acss_debit:json allow_redisplay:string au_becs_debit:json bacs_debit:json
    billing_details:json card:json created:integer customer:json ideal:json link:json livemode:boolean metadata:json
    paypal:json sepa_debit:json type:string us_bank_account:json`,
  payouts: `
    id:string object:string amount:integer application_fee:json application_fee_amount:integer arrival_date:integer
    automatic:boolean balance_transaction:json created:integer currency:string description:string destination:json
    failure_balance_transaction:json failure_code:string failure_message:string livemode:boolean metadata:json
    method:string original_payout:json reconciliation_status:string reversed_by:json source_type:string
    statement_descriptor:string status:string type:string`,
  plans: `
    id:string object:string active:boolean aggregate_usage:string amount:integer amount_decimal:string
    billing_scheme:string created:integer currency:string interval:string interval_count:integer livemode:boolean
    metadata:json meter:string nickname:string product:json tiers:json tiers_mode:string transform_usage:json
    trial_period_days:integer usage_type:string`,
  prices: `
    id:string object:string active:boolean billing_scheme:string created:integer currency:string currency_options:json
    custom_unit_amount:json livemode:boolean lookup_key:string metadata:json nickname:string product:json recurring:json
    tax_behavior:string tiers:json tiers_mode:string transform_quantity:json type:string unit_amount:integer
    unit_amount_decimal:string`,
  products: `
    id:string object:string active:boolean attributes:json created:integer default_price:json description:string
    images:json livemode:boolean marketing_features:json metadata:json name:string package_dimensions:json
    shippable:boolean statement_descriptor:string tax_code:json type:string unit_label:string updated:integer url:string`,
  promotion_codes: `
    id:string object:string active:boolean code:string coupon:json created:integer customer:json expires_at:integer
    livemode:boolean max_redemptions:integer metadata:json restrictions:json times_redeemed:integer`,
  quotes: `
    id:string object:string amount_subtotal:integer amount_total:integer application:json application_fee_amount:integer
    application_fee_percent:number automatic_tax:json collection_method:string computed:json created:integer
    currency:string customer:json default_tax_rates:json description:string discounts:json expires_at:integer
    footer:string from_quote:json header:string invoice:json invoice_settings:json line_items:json livemode:boolean
    metadata:json number:string on_behalf_of:json status:string status_transitions:json subscription:json
    subscription_data:json subscription_schedule:json test_clock:json total_details:json transfer_data:json`,
  refunds: `
    id:string object:string amount:integer balance_transaction:json charge:json created:integer currency:string
    description:string destination_details:json failure_balance_transaction:json failure_reason:string
    instructions_email:string metadata:json next_action:json payment_intent:json reason:string receipt_number:string
    source_transfer_reversal:json status:string transfer_reversal:json`,
  reviews: `
    id:string object:string billing_zip:string charge:json closed_reason:string created:integer ip_address:string
    ip_address_location:json livemode:boolean open:boolean opened_reason:string payment_intent:json reason:string
    session:json`,
  setup_intents: `
    id:string object:string application:json attach_to_self:boolean automatic_payment_methods:json
    cancellation_reason:string client_secret:string created:integer customer:json description:string
    flow_directions:json last_setup_error:json latest_attempt:json livemode:boolean mandate:json metadata:json
    next_action:json on_behalf_of:json payment_method:json payment_method_configuration_details:json
    payment_method_options:json payment_method_types:json single_use_mandate:json status:string usage:string`,
  subscription_items: `
    id:string object:string billing_thresholds:json created:integer discounts:json metadata:json plan:json price:json
    quantity:integer subscription:string tax_rates:json`,
  subscription_schedules: `
    id:string object:string application:json canceled_at:integer completed_at:integer created:integer current_phase:json
    customer:json default_settings:json end_behavior:string livemode:boolean metadata:json phases:json
    released_at:integer released_subscription:string status:string subscription:json test_clock:json`,
  subscriptions: `
    id:string object:string application:json application_fee_percent:number automatic_tax:json
    billing_cycle_anchor:integer billing_cycle_anchor_config:json billing_thresholds:json cancel_at:integer
    cancel_at_period_end:boolean canceled_at:integer cancellation_details:json collection_method:string created:integer
    currency:string current_period_end:integer current_period_start:integer customer:json days_until_due:integer
    default_payment_method:json default_source:json default_tax_rates:json description:string discount:json
    discounts:json ended_at:integer invoice_settings:json items:json latest_invoice:json livemode:boolean metadata:json
    next_pending_invoice_item_invoice:integer on_behalf_of:json pause_collection:json payment_settings:json
    pending_invoice_item_interval:json pending_setup_intent:json pending_update:json plan:json quantity:integer
    schedule:json start_date:integer status:string test_clock:json transfer_data:json trial_end:integer
    trial_settings:json trial_start:integer`,
  tax_ids: `
    id:string object:string country:string created:integer customer:json livemode:boolean owner:json type:string
    value:string verification:json`,
  tax_rates: `
    id:string object:string active:boolean country:string created:integer description:string display_name:string
    effective_percentage:number inclusive:boolean jurisdiction:string jurisdiction_level:string livemode:boolean
    metadata:json percentage:number state:string tax_type:string`,
  topups: `
    id:string object:string amount:integer balance_transaction:json created:integer currency:string description:string
    expected_availability_date:integer failure_code:string failure_message:string livemode:boolean metadata:json
    source:json statement_descriptor:string status:string transfer_group:string`,
  transfers: `
    id:string object:string amount:integer amount_reversed:integer balance_transaction:json created:integer
    currency:string description:string destination:json destination_payment:json livemode:boolean metadata:json
    reversals:json reversed:boolean source_transaction:json source_type:string transfer_group:string`,
};
