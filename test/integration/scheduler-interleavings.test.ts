/**
 * Two and three clients step by step on a real PostgreSQL: every order in which their statements can follow each other,
 * each client in a transaction of its own that stays open between its steps. Who waits for a lock goes on when it is
 * free.
 */
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect } from '../../src/postgres/connect.js';
import { Scheduler } from '../../src/fleet/scheduler/scheduler.js';
import { freshDatabase } from '../support.js';

let database: Awaited<ReturnType<typeof freshDatabase>>;
let scheduler: Scheduler;
let clients: pg.Client[];
let watcher: pg.Client;

beforeAll(async () => {
  database = await freshDatabase();
  scheduler = await Scheduler.open(database.target);
  clients = await Promise.all([0, 1, 2].map((n) => connect(database.target, `client ${n}`)));
  watcher = await connect(database.target, 'watcher');
});
afterAll(async () => {
  await Promise.all([...(clients ?? []), watcher].filter(Boolean).map((client) => client.end()));
  await scheduler?.close();
  await database?.drop();
});

type Step =
  'claim' | 'exchange' | 'complete' | 'fail' | 'reap' | 'enqueue' | 'narrow' | 'widen' | 'pause' | 'resume' | 'cancel';

/** One client: it opens a transaction, does one thing, and commits; the test decides when each of the two happens. */
interface Client {
  connection: pg.Client;
  step: Step;
}

const SQL: Record<Step, string> = {
  claim: `select count(*) from _headrace.claim('w', 2)`,
  complete: `select count(*) from _headrace.settle((select array_agg(id) from _headrace.task where state = 'running'),
    (select array_agg(attempt) from _headrace.task where state = 'running'),
    (select array_agg('done'::text) from _headrace.task where state = 'running'),
    array_fill(null::timestamptz, array[9]), false, array_fill(null::jsonb, array[9]),
    array_fill(null::jsonb, array[9]))`,
  // One of each: the short way of a single task.
  exchange: `select count(*) from _headrace.exchange('w', 1,
    (select array[min(id)] from _headrace.task where state = 'running'),
    (select array[attempt] from _headrace.task where state = 'running' order by id limit 1), '{done}',
    array[null]::timestamptz[], array[null]::jsonb[], array[null]::jsonb[])`,
  fail: `select count(*) from _headrace.settle((select array_agg(id) from _headrace.task where state = 'running'),
    (select array_agg(attempt) from _headrace.task where state = 'running'),
    (select array_agg('again'::text) from _headrace.task where state = 'running'),
    array_fill(null::timestamptz, array[9]), true, array_fill(null::jsonb, array[9]),
    array_fill(null::jsonb, array[9]))`,
  reap: `select _headrace.reap()`,
  enqueue: `select count(*) from _headrace.enqueue('[{"connection":"a","kind":"k","key":"x"},{"connection":"b","kind":"k"}]')`,
  narrow: `select * from _headrace.set_limit('app', 2, 1, 1)`,
  widen: `select * from _headrace.set_limit('app', 6, 1, 3)`,
  pause: `select _headrace.control('connection', 'a', 'pause')`,
  resume: `select _headrace.control('connection', 'a', 'resume')`,
  cancel: `select _headrace.control('connection', 'b', 'cancel')`,
};

/**
 * What must hold whenever nothing is under way. `before`: how many ran when caps were last as high as they had to be.
 */
async function audit(where: string): Promise<void> {
  const { rows } = await watcher.query(`
    select 'partition ' || p.id || ' counts ' || p.running as fault from _headrace.partition p
      where p.running <> (select count(*) from _headrace.task t where t.state = 'running'
      and t.concurrency_partition_id = p.id)
    union all select 'connection ' || c.id || ' counts ' || c.running from _headrace.connection c
      where c.running <> (select count(*) from _headrace.task t where t.state = 'running' and t.connection_id = c.id)
    union all select 'connection over its cap' from _headrace.connection c where c.running > c.cap
    union all select 'exclusive twice' from _headrace.task where state = 'running' and exclusive group by connection_id
      having count(*) > 1
    union all select 'ready of ' || p.id from _headrace.partition p
      where p.ready <> exists (select 1 from _headrace.connection k where k.partition_id = p.id and k.head is not null
      and k.running < k.cap and not k.paused)
    union all select 'head of ' || c.id from _headrace.connection c
      where c.head is distinct from (select min(rank) from _headrace.task t where t.state = 'queued'
      and t.connection_id = c.id and (not t.exclusive or c.exclusive_running = 0))
    union all select 'a delayed task that nothing wakes' from _headrace.partition p
      where p.delayed_at is distinct from least(p.delayed_at,
      (select min(run_at) from _headrace.task t where t.state = 'delayed' and t.concurrency_partition_id = p.id))
      or (p.delayed_at is null and exists (select 1 from _headrace.task t where t.state = 'delayed'
        and t.concurrency_partition_id = p.id))
    union all select 'rows with another cap' from _headrace.task t join _headrace.partition p
      on p.id = t.concurrency_partition_id where t.max_concurrent_processes_per_concurrency_partition <> p.cap
      and t.state not in ('done', 'cancelled')
    union all select 'over its cap: ' || what from oracle`);
  expect(
    rows.map((row) => row.fault),
    where,
  ).toEqual([]);
}

const TABLES = ['app', 'partition', 'connection', 'worker', 'task'];
/** Those that are not made of others. */
const columnsOf = new Map<string, string>();

/** Queued, running, delayed and orphaned tasks, two connections in one partition. */
async function prepare(): Promise<void> {
  for (const id of ['a', 'b'])
    await scheduler.define({
      id,
      partition: 'p',
      app: 'app',
      limit: { requests: 4, frequencySeconds: 1 },
      maxConcurrent: 2,
    });
  for (const id of ['w', 'dead']) await scheduler.join({ id, host: 'h', pid: 1, version: 't', slots: 9 }, 3_600_000);
  await scheduler.enqueue([
    { connection: 'a', kind: 'k', exclusive: true },
    { connection: 'b', kind: 'k' },
    { connection: 'a', kind: 'k', exclusive: true },
    { connection: 'a', kind: 'k', key: 'x' },
    { connection: 'b', kind: 'k' },
  ]);
  await scheduler.claim('dead', 1);
  await watcher.query(`update _headrace.worker set lease_until = now() - interval '1 second' where id = 'dead'`);
  await scheduler.enqueue([{ connection: 'b', kind: 'k', runAt: new Date(Date.now() - 1000) }]);
  for (const name of TABLES) await watcher.query(`create table kept_${name} as table _headrace.${name}`);
  const { rows } = await watcher.query(
    `select table_name as table, string_agg(quote_ident(column_name), ', ') as columns from information_schema.columns
      where table_schema = '_headrace' and is_generated = 'NEVER' group by table_name`,
  );
  for (const { table, columns } of rows) columnsOf.set(table, columns);
}

/** As it was prepared: row by row and without triggers, since to prepare it anew takes longer than what is tried. */
async function restore(): Promise<void> {
  await watcher.query(`begin; set local session_replication_role = replica;
    ${TABLES.toReversed()
      .map((name) => `delete from _headrace.${name};`)
      .join(' ')} delete from oracle;
    ${TABLES.map((name) => {
      const columns = columnsOf.get(name)!;
      return `insert into _headrace.${name} (${columns}) overriding system value select ${columns} from kept_${name};`;
    }).join(' ')} commit`);
}

/** All orders of so many `begin and do`, `commit` pairs. */
function orders(count: number): number[][] {
  const out: number[][] = [];
  const walk = (order: number[], left: number[]) => {
    if (left.every((n) => n === 0)) out.push(order);
    left.forEach((n, i) => {
      if (n > 0) walk([...order, i], left.with(i, n - 1));
    });
  };
  walk(
    [],
    Array.from({ length: count }, () => 2),
  );
  return out;
}

async function isWaiting(connection: pg.Client): Promise<boolean> {
  const pid = (connection as unknown as { processID: number }).processID;
  const { rows } = await watcher.query(
    `select wait_event_type = 'Lock' as waits from pg_stat_activity where pid = $1`,
    [pid],
  );
  return rows[0]?.waits === true;
}

async function play(actors: Client[], order: number[]): Promise<void> {
  const started = new Set<number>();
  const pending = new Map<number, Promise<unknown>>();
  const failures: unknown[] = [];
  for (const turn of order) {
    const { connection, step } = actors[turn]!;
    if (!started.has(turn)) {
      started.add(turn);
      await connection.query('begin');
      const asked = connection.query(SQL[step]).catch((error: Error) => failures.push(error));
      pending.set(turn, asked);
      // Done, or seen to wait for somebody's lock.
      let done = false;
      void asked.then(() => (done = true));
      for (let i = 0; !done && i < 200 && !(await isWaiting(connection)); i++)
        await new Promise((resolve) => setTimeout(resolve, 1));
    } else {
      // The commit waits for its statement, which waits for the commits of others.
      const asked = pending.get(turn)!;
      pending.set(
        turn,
        asked.then(() => connection.query('commit')),
      );
      await Promise.race([pending.get(turn), new Promise((resolve) => setTimeout(resolve, 5))]);
    }
  }
  await Promise.all(pending.values());
  expect(failures).toEqual([]);
}

const PAIRS: Step[] = [
  'claim',
  'exchange',
  'complete',
  'fail',
  'reap',
  'enqueue',
  'narrow',
  'widen',
  'pause',
  'resume',
  'cancel',
];
const TRIPLES: [Step, Step, Step][] = [
  ['claim', 'claim', 'narrow'],
  ['claim', 'complete', 'enqueue'],
  ['claim', 'reap', 'complete'],
  ['claim', 'reap', 'narrow'],
  ['complete', 'reap', 'enqueue'],
  ['claim', 'pause', 'enqueue'],
  ['claim', 'claim', 'complete'],
  ['fail', 'enqueue', 'claim'],
  ['exchange', 'exchange', 'enqueue'],
  ['exchange', 'reap', 'narrow'],
];

describe('interleavings', () => {
  beforeAll(async () => {
    await watcher.query(`create table oracle (what text);
      create function rises() returns trigger language plpgsql as $$ begin
        if new.running > old.running and new.running > new.cap then insert into oracle
          values (tg_table_name || ' ' || new.id); end if; return null; end $$;
      create trigger rises after update on _headrace.partition for each row execute function rises();
      create trigger rises after update on _headrace.connection for each row execute function rises();`);
    await prepare();
  });

  test('of two clients, all pairs in all orders', async () => {
    for (const one of PAIRS)
      for (const other of PAIRS)
        for (const order of orders(2).filter(([first]) => first === 0)) {
          await restore();
          await play(
            [
              { connection: clients[0]!, step: one },
              { connection: clients[1]!, step: other },
            ],
            order,
          );
          await audit(`${one}, ${other}: ${order.join('')}`);
        }
  });

  test('of three clients, in all orders', async () => {
    for (const steps of TRIPLES)
      for (const order of orders(3)) {
        await restore();
        await play(
          steps.map((step, i) => ({ connection: clients[i]!, step })),
          order,
        );
        await audit(`${steps.join(', ')}: ${order.join('')}`);
      }
  });
});
