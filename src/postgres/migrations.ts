/**
 * Tables that Headrace keeps for itself, in schema `_headrace`. Forward only, under a lock; an older binary refuses a
 * newer layout.
 */
import type pg from 'pg';
import { FatalError } from '../base/errors.js';
import { BATCHES_APART_LAYOUT, BATCHES_LAYOUT } from './layouts/batches.js';
import { BUDGET_LAYOUT } from './layouts/budget.js';
import { EXCHANGE_LAYOUT, EXCHANGE_ONE_LAYOUT } from './layouts/exchange.js';
import { FLEET_LAYOUT } from './layouts/fleet.js';
import { INBOX_LAYOUT } from './layouts/inbox.js';
import { PATIENCE_LAYOUT } from './layouts/patience.js';
import { SCHEDULER_LAYOUT } from './layouts/scheduler.js';
import { SERVICE_LAYOUT } from './layouts/service.js';
import { SESSION_LAYOUT } from './layouts/session.js';
import { SINGLY_LAYOUT } from './layouts/singly.js';
import { SLOTS_LAYOUT } from './layouts/slots.js';
import { TAKEABLE_LAYOUT } from './layouts/takeable.js';
import { TURNS_LAYOUT } from './layouts/turns.js';
import { WATCHING_LAYOUT } from './layouts/watching.js';

export const INTERNAL_SCHEMA = '_headrace';

/** Advisory lock that serialises migrations, an arbitrary constant of Headrace's own. */
const MIGRATION_LOCK = 7_205_512_001;

/** Each entry is applied once, in order. Never edit one that was released. */
const MIGRATIONS: string[] = [
  `
  create table _headrace.state (
    connection text not null, stream text not null, key text not null,
    version bigint not null, value jsonb not null,
    primary key (connection, stream, key)
  ) with (fillfactor = 50);
  create table _headrace.counter (
    connection text not null, stream text not null,
    read bigint not null default 0, inserted bigint not null default 0, updated bigint not null default 0,
    unchanged bigint not null default 0, quarantined bigint not null default 0, deleted bigint not null default 0,
    primary key (connection, stream)
  ) with (fillfactor = 50);
  create table _headrace.run (
    id text primary key, connection text not null, host text not null, pid integer not null,
    started_at timestamptz not null default now(), finished_at timestamptz, outcome text, summary jsonb
  );
  create index run_connection on _headrace.run (connection, started_at desc);
  create table _headrace.seen (
    connection text not null, stream text not null, generation integer not null, key text not null,
    primary key (connection, stream, generation, key)
  );
  `,
  `
  create table _headrace.budget (
    scope text primary key, owner text, owner_until double precision not null default 0, state bytea
  ) with (fillfactor = 40);
  alter table _headrace.budget alter column state set storage main;
  create table _headrace.budget_member (
    scope text not null, member text not null, seen_at timestamptz not null, primary key (scope, member)
  ) with (fillfactor = 50);
  create table _headrace.budget_fence (
    scope text not null, task text not null, attempt bigint not null, primary key (scope, task)
  );
  `,
  SCHEDULER_LAYOUT,
  `
  create table _headrace.loan (
    id bigint generated always as identity primary key, connection text not null, run text not null,
      borrower text not null,
    state text not null default 'asked' check (state in ('asked', 'granted', 'returned')), stream text not null
      default '', range bigint not null default 0, first_id bigint not null default 0,
    seen_at timestamptz not null default clock_timestamp()
  ) with (fillfactor = 50);
  create index loan_run on _headrace.loan (connection, run);
  `,
  SERVICE_LAYOUT,
  BUDGET_LAYOUT,
  // A lease takes prepared statements now.
  `drop function _headrace.budget_take(text, text, boolean, interval, text);
    drop function _headrace.budget_keep(text, text, double precision, bytea);`,
  SESSION_LAYOUT,
  FLEET_LAYOUT,
  // The columns that are Headrace's; others in the same table are the user's own, and never written.
  `
  create table _headrace.field (
    schema text not null, relation text not null, name text not null, primary key (schema, relation, name)
  );
  `,
  WATCHING_LAYOUT,
  EXCHANGE_LAYOUT,
  INBOX_LAYOUT,
  SINGLY_LAYOUT,
  SLOTS_LAYOUT,
  TURNS_LAYOUT,
  EXCHANGE_ONE_LAYOUT,
  PATIENCE_LAYOUT,
  TAKEABLE_LAYOUT,
  BATCHES_LAYOUT,
  BATCHES_APART_LAYOUT,
];

export async function migrate(client: pg.Client): Promise<void> {
  const before = await layoutVersion(client);
  if (before === MIGRATIONS.length) return;
  await client.query('select pg_advisory_lock($1)', [MIGRATION_LOCK]);
  try {
    await client.query(`create schema if not exists ${INTERNAL_SCHEMA}`);
    await client.query(
      `create table if not exists ${INTERNAL_SCHEMA}.migration (version integer primary key,
        applied_at timestamptz not null default now())`,
    );
    for (let version = (await layoutVersion(client)) + 1; version <= MIGRATIONS.length; version++) {
      await client.query('begin');
      try {
        await client.query(MIGRATIONS[version - 1]!);
        await client.query(`insert into ${INTERNAL_SCHEMA}.migration (version) values ($1)`, [version]);
        await client.query('commit');
      } catch (error) {
        await client.query('rollback');
        throw error;
      }
    }
  } finally {
    await client.query('select pg_advisory_unlock($1)', [MIGRATION_LOCK]);
  }
}

/** The layout's version, 0 where there is none. Throws FatalError where it is newer than this binary knows. */
export async function layoutVersion(client: pg.Client): Promise<number> {
  const there = await client.query(`select to_regclass('${INTERNAL_SCHEMA}.migration') is not null as there`);
  if (!there.rows[0].there) return 0;
  const { rows } = await client.query(
    `select coalesce(max(version), 0)::int as version from ${INTERNAL_SCHEMA}.migration`,
  );
  const version = rows[0].version as number;
  if (version > MIGRATIONS.length) {
    throw new FatalError('the database was written by a newer Headrace', {
      code: 'layout_too_new',
      place: `schema ${INTERNAL_SCHEMA}`,
      expected: `layout ${MIGRATIONS.length} or older`,
      found: `layout ${version}`,
      next: 'update headrace',
    });
  }
  return version;
}
