/**
 * What statements of the scheduler cost one core of the database, in a database that is filled already: medians of the
 * server's own time, so that a busy machine says about the same as an idle one.
 */
import type pg from 'pg';
import { readFileSync } from 'node:fs';
import { connect, type PostgresTarget } from '../../src/postgres/connect.js';
import type { Scheduler } from '../../src/fleet/scheduler/scheduler.js';
import type { Costs } from './scale-world.js';

export interface Measured extends Costs {
  /** One look at all counters and a step of flags. */
  recount: number;
  /** Taking and giving back a slot. */
  slot: number;
  /** Of a session of the server that has run these statements, MiB of its own. */
  sessionMib: number;
}

const WORKERS = 2000;
const TIMES = 60;

export async function measureCosts(
  target: PostgresTarget,
  scheduler: Scheduler,
  connection: string,
): Promise<Measured> {
  const client = await connect(target, 'costs');
  await client.query(
    `insert into _headrace.worker (id, host, pid, version, slots, started_at, seen_at, lease_until)
     select 'cost' || n, 'h', n, 'v', 16, now(), now(), now() + interval '1 hour' from generate_series(1, ${WORKERS}) n`,
  );
  await client.query('analyze _headrace.worker');
  const cost = async (sql: string, times = TIMES) => median(await timesOf(client, sql, times));
  const claim = await scheduler.claim('cost1', 16);
  const heartbeat = await cost(`select count(*) from _headrace.heartbeat('cost1', interval '1 hour')`);
  await scheduler.complete(claim);
  const slot = await cost(
    `select _headrace.take_slot('s', 'cost1', '${connection}', false), _headrace.give_slot('s', 'cost1')`,
  );
  const exchange = await cost(
    `select count(*) from _headrace.claim('cost1', 1) c, lateral _headrace.settle(array[c.id], array[c.attempt], '{done}', array[null]::timestamptz[], false, array[null]::jsonb[], array[null]::jsonb[])`,
    400,
  );
  while ((await scheduler.complete(await scheduler.claim('cost1', 200))).length > 0);
  const out: Measured = {
    heartbeat,
    slot,
    exchange,
    emptyClaim: await cost(`select count(*) from _headrace.claim('cost1', 1)`),
    turn: await cost(`select _headrace.turn('costs', interval '1 hour')`),
    reap: await cost('select _headrace.reap() + _headrace.reap_slots()', 20),
    recount: await cost(
      `select (select count(*) from _headrace.miscounted()), (select last from _headrace.stale('', 500))`,
      5,
    ),
    progress: await cost(
      `insert into _headrace.run_record as r (id, connection_id, kind, started_at, progress) values ('costs', '${connection}', 'sync', now(), to_jsonb(repeat('x', 3000)))
       on conflict (id) do update set progress = excluded.progress, updated_at = clock_timestamp()`,
    ),
    tick: 0,
    sessionMib: await sessionMib(client),
  };
  await client.query(`delete from _headrace.worker where id like 'cost%'`);
  await client.query(`delete from _headrace.run_record where id = 'costs'`);
  await client.end();
  return out;
}

async function timesOf(client: pg.Client, sql: string, times: number): Promise<number[]> {
  const out: number[] = [];
  for (let n = 0; n < times; n++) {
    const { rows } = await client.query(`explain (analyze, timing off, format json) ${sql}`);
    out.push((rows[0]['QUERY PLAN'] as [{ 'Execution Time': number }])[0]['Execution Time']);
  }
  return out;
}

/** Memory that is the session's alone; 0 where the system does not tell. */
async function sessionMib(client: pg.Client): Promise<number> {
  const pid = (await client.query('select pg_backend_pid() as pid')).rows[0].pid as number;
  try {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
    const kib = [...text.matchAll(/^Private_(?:Clean|Dirty):\s+(\d+) kB/gm)].reduce(
      (sum, match) => sum + Number(match[1]),
      0,
    );
    return kib / 1024;
  } catch {
    return 0;
  }
}

function median(list: number[]): number {
  return list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)]!;
}
