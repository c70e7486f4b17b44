/**
 * What is kept for who watches: how a run went over time, why one ended, and alerts with their delivery.
 *
 * Samples are few whatever a run takes: the worker that writes them thins them out. An alert is made by whoever sees a
 * connection's problems change first, which `alert_state` decides; it is sent by whoever knows its target.
 */
export const WATCHING_LAYOUT = `
create table _headrace.run_sample (
  run_id text not null references _headrace.run_record on delete cascade, tick integer not null,
    at timestamptz not null, sample jsonb not null, primary key (run_id, tick)
);
create index run_sample_at on _headrace.run_sample (at);
alter table _headrace.run_record add column reason jsonb;

create table _headrace.alert_state (
  connection_id text primary key, problems text[] not null default '{}', since timestamptz not null
    default clock_timestamp()
) with (fillfactor = 50);
-- next_at: when it is tried next; null, it was delivered or given up. target: a digest of its address, which is a secret.
create table _headrace.alert_delivery (
  id bigint generated always as identity primary key, connection_id text not null, kind text not null
    check (kind in ('failed', 'late', 'unproven', 'recovered', 'test')),
  target text not null, shown text not null, payload jsonb not null, made_at timestamptz not null
    default clock_timestamp(), next_at timestamptz default clock_timestamp(),
  attempts integer not null default 0, delivered_at timestamptz, error text
);
create index alert_delivery_due on _headrace.alert_delivery (next_at) where next_at is not null;
create index alert_delivery_made on _headrace.alert_delivery (made_at desc, id desc);
`;
