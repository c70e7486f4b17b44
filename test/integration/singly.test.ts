/** The short ways of a single task and of many do to every row what the statement for everything does. */
import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { seededRandom, type Random } from '../../src/base/random.js';
import { connect } from '../../src/postgres/connect.js';
import { Scheduler } from '../../src/fleet/scheduler/scheduler.js';
import { freshDatabase } from '../support.js';

let database: Awaited<ReturnType<typeof freshDatabase>>;
let scheduler: Scheduler;
let client: pg.Client;

beforeAll(async () => {
  database = await freshDatabase();
  scheduler = await Scheduler.open(database.target);
  client = await connect(database.target, 'test');
});
afterAll(async () => {
  await client?.end();
  await scheduler?.close();
  await database?.drop();
});

const CONNECTIONS = ['a', 'b', 'c', 'd', 'e'];
const DONE = `array['done'], array[null]::timestamptz[], false, array['{"code": "x"}']::jsonb[], array['{"rows": 1}']::jsonb[]`;

/** So many attempts that are done, as parameters of an exchange. */
function done(attempts: readonly { id: number; attempt: number }[]): string {
  const each = (value: string) => `array[${attempts.map(() => value).join()}]`;
  return `array[${attempts.map(({ id }) => id).join()}]::bigint[], array[${attempts.map(({ attempt }) => attempt).join()}],
    ${each(`'done'`)}, ${each('null')}::timestamptz[], ${each('null')}::jsonb[], ${each(`'{"rows": 1}'`)}::jsonb[]`;
}

/** All rows after `sql`, which is undone again: times of the wall clock apart. */
async function rowsAfter(sql: string): Promise<unknown> {
  await client.query('savepoint before');
  const { rows: answer } = await client.query(sql);
  const { rows } = await client.query(
    `select (select jsonb_agg(t order by id) from _headrace.task t) as tasks,
       (select jsonb_agg(c order by id) from _headrace.connection c) as connections,
       (select jsonb_agg(to_jsonb(p) - 'served_at' || jsonb_build_object('served',
         p.served_at > now() - interval '1 hour') order by id) from _headrace.partition p) as partitions`,
  );
  await client.query('rollback to before');
  // In which order rows of one statement come is nobody's business.
  const sorted = (answer as { id: string }[]).toSorted((a, b) => Number(a.id) - Number(b.id));
  return { answer: sorted, rows };
}

async function step(random: Random, running: { id: number; attempt: number }[]): Promise<void> {
  const dice = random.next();
  const one = CONNECTIONS[random.integer(CONNECTIONS.length)]!;
  if (dice < 0.35) {
    const tasks = Array.from({ length: 1 + random.integer(3) }, () => ({
      connection: CONNECTIONS[random.integer(CONNECTIONS.length)]!,
      kind: 'bench',
      exclusive: random.next() < 0.4,
      priority: random.integer(3) * 10,
      ...(random.next() < 0.3 ? { key: `k${random.integer(3)}` } : {}),
      ...(random.next() < 0.2 ? { runAt: new Date(Date.now() - 5000 + random.integer(10_000)) } : {}),
    }));
    await scheduler.enqueue(tasks, client);
  } else if (dice < 0.6) {
    const { rows } = await client.query('select id, attempt from _headrace.claim($1, $2)', [
      'w',
      1 + random.integer(3),
    ]);
    running.push(...(rows as typeof running));
  } else if (dice < 0.75 && running.length > 0) {
    const [ended] = running.splice(random.integer(running.length), 1);
    const state = ['done', 'again', 'dead'][random.integer(3)]!;
    await client.query(
      `select * from _headrace.settle(array[$1]::bigint[], array[$2]::int[], array[$3], array[null]::timestamptz[], $4,
        array[null]::jsonb[], array[null]::jsonb[])`,
      [ended!.id, ended!.attempt, state, state === 'again' && random.next() < 0.5],
    );
  } else {
    const action = ['pause', 'resume', 'resume', 'cancel', 'retry'][random.integer(5)]!;
    await client.query('select _headrace.control($1, $2, $3)', ['connection', one, action]);
  }
}

async function define(random: Random): Promise<void> {
  await client.query(`insert into _headrace.app (id, rate_limit, frequency_seconds, cap) values ('x', 4, 1, 2)`);
  for (const [n, id] of CONNECTIONS.entries())
    await client.query('select _headrace.define_connection($1, $2, $3, $4, $5)', [
      id,
      `p${n % 3}`,
      'x',
      1 + random.integer(3),
      1 + random.integer(2),
    ]);
  await client.query(
    `insert into _headrace.worker (id, host, pid, version, slots, started_at, seen_at, lease_until)
      values ('w', 'h', 1, 'v', 9, now(), now(), now() + interval '1 hour')`,
  );
  // None were served at the same time, so that it is known whose turn it is.
  await client.query(
    `update _headrace.partition set served_at = 'epoch'::timestamptz + right(id, 1)::int * interval '1 hour'`,
  );
  await client.query(`select set_config('headrace.now', (now() + interval '1 second')::text, true)`);
}

test('whatever came before, claims and ends change the same rows in the same way (10 histories)', async () => {
  for (let seed = 1; seed <= 10; seed++) {
    const random = seededRandom(seed);
    await client.query('begin');
    await define(random);
    const running: { id: number; attempt: number }[] = [];
    for (let n = 0; n < 30; n++) {
      await step(random, running);
      const at = `history ${seed}, step ${n}`;
      for (const count of [1, 2, 9])
        expect(await rowsAfter(`select * from _headrace.claim('w', ${count})`), at).toEqual(
          await rowsAfter(`select * from _headrace.claim_many('w', ${count})`),
        );
      for (const { id, attempt } of [
        ...running.slice(0, 2),
        ...running.slice(0, 1).map((each) => ({ ...each, attempt: 99 })),
        { id: -1, attempt: 1 },
      ])
        expect(
          await rowsAfter(`select * from _headrace.settle(array[${id}]::bigint[], array[${attempt}], ${DONE})`),
          at,
        ).toEqual(
          await rowsAfter(`select * from _headrace.settle_many(array[${id}]::bigint[], array[${attempt}], ${DONE})`),
        );
      const many = `${done(running.length > 0 ? running : [{ id: -1, attempt: 1 }])}`.replace(
        '::timestamptz[],',
        '::timestamptz[], false,',
      );
      expect(await rowsAfter(`select * from _headrace.settle(${many})`), at).toEqual(
        await rowsAfter(`select * from _headrace.settle_many(${many})`),
      );
      const stale = running.slice(0, 1).map((each) => ({ ...each, attempt: 99 }));
      for (const [ended, count] of [
        [running.slice(0, 1), 1],
        [running.slice(0, 1), 2],
        [[...running.slice(1, 4), ...stale], 0],
        [running.slice(0, 3), 1],
        [running, 9],
      ] as const) {
        if (ended.length === 0) continue;
        const call = (name: string) => rowsAfter(`select * from _headrace.${name}('w', ${count}, ${done(ended)})`);
        expect(await call('exchange'), at).toEqual(await call('exchange_many'));
      }
    }
    await client.query('rollback');
  }
});

const NOTHING = `array[-1, -2]::bigint[], array[1, 1], array['done', 'done'], array[null, null]::timestamptz[],
  array[null, null]::jsonb[], array[null, null]::jsonb[]`;
test.each([
  `_headrace.claim('w', 1)`,
  `_headrace.exchange('w', 1, ${NOTHING})`,
  `_headrace.exchange('w', 2, ${NOTHING})`,
])('a partition whose flag promises what is not there hides no task of another, and is mended: %s', async (call) => {
  await client.query('begin');
  await define(seededRandom(1));
  await client.query(`select * from _headrace.enqueue('[{"connection": "b", "kind": "bench"}]')`);
  await client.query(
    `update _headrace.partition set ready = true, served_at = 'epoch'::timestamptz + case when id = 'p1'
      then interval '1 hour' else '0' end`,
  );
  await client.query(`update _headrace.connection set head = now() where id = 'a'`);
  const { rows } = await client.query(`select connection_id from ${call}`);
  expect(rows).toEqual([{ connection_id: 'b' }]);
  expect((await client.query('select id from _headrace.partition where ready')).rows).not.toContainEqual({ id: 'p0' });
  await client.query('rollback');
});

test.each([1, 3])('what changes between a look at a partition and its lock is seen: %i at a time', async (count) => {
  const own = await freshDatabase();
  const fleet = await Scheduler.open(own.target, 1);
  const sessions = await Promise.all(Array.from({ length: 4 }, () => connect(own.target, 'test')));
  const role = `slow_${own.target.options.database ?? 'x'}_${count}`.replace(/\W/g, '_');
  try {
    const limit = { requests: 100, frequencySeconds: 1 };
    await fleet.define({ id: 'c', partition: 'p', app: 'x', limit, maxConcurrent: 50 });
    await fleet.enqueue(Array.from({ length: 300 }, () => ({ connection: 'c', kind: 'bench' })));
    await fleet.join({ id: 'w', host: 'h', pid: 1, version: 'v', slots: 9 }, 60_000);
    // Rows of partitions are read slowly, so that others come between: by a policy, which whoever owns them is free of.
    await fleet.pool.query(`create role ${role}`);
    await fleet.pool.query(`grant usage on schema _headrace to ${role}`);
    await fleet.pool.query(`grant all on all tables in schema _headrace to ${role}`);
    await fleet.pool.query('alter table _headrace.partition enable row level security');
    await fleet.pool.query(`create policy slow on _headrace.partition using (pg_sleep(0.003) is not null)`);
    const taken: number[] = [];
    await Promise.all(
      sessions.map(async (session) => {
        await session.query(`set role ${role}`);
        let mine: { id: number; attempt: number }[] = [];
        for (let n = 0; n < 60; n++) {
          const call = mine.length > 0 ? `exchange('w', ${count}, ${done(mine)})` : `claim('w', ${count})`;
          const { rows } = await session.query(`select id, attempt from _headrace.${call} where attempt is not null`);
          mine = rows as typeof mine;
          taken.push(...mine.map(({ id }) => id));
        }
      }),
    );
    expect(taken.length).toBeGreaterThan(10);
    expect(new Set(taken).size).toBe(taken.length);
  } finally {
    await Promise.all(sessions.map((session) => session.end()));
    await fleet.pool.query(`drop owned by ${role}`).catch(() => {});
    await fleet.pool.query(`drop role if exists ${role}`).catch(() => {});
    await fleet.close();
    await own.drop();
  }
});
