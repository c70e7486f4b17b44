/**
 * 60,000 tasks, 20 partitions at caps 1 to 3 with connections at caps 1 to 2, while workers are killed and stopped,
 * their connections cut, the database restarted and crashed, caps edited and urgent tasks put in. Then the audit: caps
 * exceeded, tasks lost, effects doubled. The same audit then watches pg-boss with group caps, undisturbed. --tasks N,
 * --workers N, --seed N, --partitions N (10,000, say: without pg-boss, and edits go to the first hundred of them).
 */
import { spawn, type ChildProcess } from 'node:child_process';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { connect } from '../src/postgres/connect.js';
import { seededRandom } from '../src/base/random.js';
import { Scheduler } from '../src/fleet/scheduler/scheduler.js';
import { AUDIT_TABLES, overruns, TASK_AUDIT } from './lib/caps-audit.js';
import { connectionOf, installPgBoss, runPgBoss } from './lib/pg-boss.js';
import { scratch } from './lib/processes.js';
import { finish, printTable, round } from './lib/report.js';
import { RestartableServer } from './lib/restartable-server.js';

const { values } = parseArgs({
  strict: false,
  options: {
    tasks: { type: 'string' },
    workers: { type: 'string' },
    seed: { type: 'string' },
    limit: { type: 'string' },
    partitions: { type: 'string' },
  },
});
const TASKS = Number(values['tasks'] ?? 60_000);
const WORKERS = Number(values['workers'] ?? 10);
const random = seededRandom(Number(values['seed'] ?? Date.now()));
const PARTITIONS = Number(values['partitions'] ?? 20);
/** Their caps are edited while tasks run. */
const EDITED = Math.min(PARTITIONS, 100);
const SLOTS = 6;
const GIVE_UP_MS = Number(values['limit'] ?? 520) * 1000;
/** Put in while the rest is worked off. */
const LATER = 0.2;
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const { folder, drop } = scratch();
const server = await RestartableServer.open(folder);
const { target } = server;

/** Of a database that may be away. */
async function insist<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (tries > 200) throw error;
      await sleep(100);
    }
  }
}
const sql = (text: string, parameters: unknown[] = []) =>
  insist(async () => {
    const client = await connect(target, 'audit');
    try {
      return (await client.query(text, parameters)).rows;
    } finally {
      await client.end();
    }
  });

const scheduler = await Scheduler.open(target, 2);
const limitOf = (cap: number) => ({ requests: cap * 2, frequencySeconds: 1 });
await sql(`${AUDIT_TABLES}
  create table effect (task bigint not null, attempt integer not null);
${TASK_AUDIT}`);
// As `define` does, in one statement.
await sql(
  `insert into _headrace.app (id, rate_limit, frequency_seconds) select 'app' || p, 2 * (1 + p % 3), 1
    from generate_series(0, ${PARTITIONS - 1}) p`,
);
await sql(
  `select count(_headrace.define_connection('c' || p || '_' || n, 'p' || p, 'app' || p, 1 + p % 3, 1 + (p + n) % 2))
    from generate_series(0, ${PARTITIONS - 1}) p, generate_series(0, 1) n`,
);
const tasksOf = (count: number, priority: () => number) =>
  Array.from({ length: count }, () => ({
    connection: `c${random.integer(PARTITIONS)}_${random.integer(2)}`,
    kind: 'bench',
    priority: priority(),
    maxAttempts: 1000,
  }));
const first = Math.round(TASKS * (1 - LATER));
for (let n = 0; n < first; n += 4000) await scheduler.enqueue(tasksOf(Math.min(4000, first - n), () => 0));

const counts = { kill: 0, stop: 0, cut: 0, restart: 0, crash: 0, edit: 0, urgent: 0, refused: 0 };
const workers: (ChildProcess | undefined)[] = [];
const stopped = new Set<ChildProcess>();
let running = true;
function startWorker(slot: number): void {
  if (!running) return;
  const child = spawn(
    process.execPath,
    [path.join(import.meta.dirname, 'lib', 'chaos-worker.mjs'), JSON.stringify(target), String(SLOTS)],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  );
  workers[slot] = child;
  child.stdout!.setEncoding('utf8').on('data', (text: string) => (counts.refused += text.split('\n').length - 1));
  child.once('exit', () => {
    stopped.delete(child);
    if (workers[slot] === child) startWorker(slot);
  });
}
for (let slot = 0; slot < WORKERS; slot++) startWorker(slot);

let added = first;
const startedMs = performance.now();
/** One disturbance. */
async function disturb(): Promise<void> {
  const dice = random.next();
  const child = workers[random.integer(WORKERS)];
  if (dice < 0.3 && child) {
    counts.kill++;
    child.kill('SIGKILL');
  } else if (dice < 0.55 && child && !stopped.has(child) && stopped.size < WORKERS / 2) {
    counts.stop++;
    stopped.add(child);
    child.kill('SIGSTOP');
    setTimeout(
      () => {
        stopped.delete(child);
        child.kill('SIGCONT');
      },
      200 + random.next() * 3500,
    );
  } else if (dice < 0.7) {
    counts.cut++;
    await sql(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'headrace scheduler'
        and pid <> pg_backend_pid() order by random() limit 1`,
    );
  } else if (dice < 0.83) {
    counts.edit++;
    await insist(() => scheduler.setLimit(`app${random.integer(EDITED)}`, limitOf(1 + random.integer(3))));
  } else if (dice < 0.99 && added < TASKS) {
    counts.urgent++;
    const count = Math.min(TASKS - added, 100);
    // A batch whose answer was lost may have been taken: only what is there counts.
    const before = added;
    await insist(async () => {
      const [{ n }] = (await sql('select count(*) as n from _headrace.task')) as [{ n: number }];
      if (n < before + count) await scheduler.enqueue(tasksOf(count - (n - before), () => random.integer(60)));
    });
    added += count;
  }
}
let restarts = 0;
let left = TASKS;
let lookAtMs = 0;
while (left > 0 && performance.now() - startedMs < GIVE_UP_MS) {
  // The last few are left in peace, or one that was unlucky would never end.
  if (left > TASKS * 0.005) await disturb();
  await sleep(10 + random.next() * 60);
  const share = 1 - left / TASKS;
  if (share > (restarts + 1) * 0.08) {
    const how = restarts++ % 2 === 0 ? 'fast' : 'immediate';
    counts[how === 'fast' ? 'restart' : 'crash']++;
    await server.restart(how);
  }
  if (left < TASKS * 0.02 && added < TASKS) {
    await insist(() => scheduler.enqueue(tasksOf(TASKS - added, () => 0)));
    added = TASKS;
  }
  if (performance.now() < lookAtMs) continue;
  const [{ n }] = (await sql(`select count(*) as n from _headrace.task where state = 'done'`)) as [{ n: number }];
  left = TASKS - n;
  lookAtMs = performance.now() + 700;
}
const seconds = (performance.now() - startedMs) / 1000;
for (const task of await sql(`select t.id, t.state, t.attempt, t.failures, t.run_at - now() as due, t.error,
  p as partition, c as connection
  from _headrace.task t join _headrace.partition p on p.id = t.concurrency_partition_id join _headrace.connection c
    on c.id = t.connection_id where t.state <> 'done' limit 5`))
  console.log('not done:', JSON.stringify(task));
running = false;
for (const child of workers) child?.kill('SIGKILL');

const client = await connect(target, 'audit');
const found = await overruns(client);
const [effects] = (await client.query(`select count(*) as n, count(distinct task) as tasks from effect`)).rows as [
  { n: number; tasks: number },
];
const [state] = (
  await client.query(`select count(*) as n, count(*) filter (where state = 'done') as done from _headrace.task`)
).rows as [{ n: number; done: number }];
const oracle = (await client.query('select what from oracle')).rows;
await client.end();
const [{ n: wrong }] = (await sql(
  `select count(*) as n from _headrace.partition p
    where running <> (select count(*) from _headrace.task t where t.concurrency_partition_id = p.id
    and t.state = 'running')`,
)) as [{ n: number }];
await scheduler.close();

const rows: (string | number)[][] = [
  [
    `Headrace, ${state.n} tasks, disturbed`,
    found.starts / 2,
    found.over + oracle.length,
    state.n - state.done,
    effects.n - effects.tasks,
    `${round(seconds, 0)} s`,
  ],
];
const figures: Record<string, number> = {
  tasks: state.n,
  caps_exceeded: found.over + oracle.length,
  two_attempts_at_once: found.doubled,
  tasks_lost: state.n - state.done + (state.done - effects.tasks),
  effects_doubled: effects.n - effects.tasks,
  counters_wrong: wrong,
  kills: counts.kill,
  stops: counts.stop,
  connections_cut: counts.cut,
  restarts: counts.restart,
  crashes: counts.crash,
  cap_edits: counts.edit,
  urgent_inserts: counts.urgent,
  stale_completions_refused: counts.refused,
};

const boss = PARTITIONS === 20 ? installPgBoss() : undefined;
if (boss) {
  const CAP = 2;
  const GROUPS = 20;
  const admin = await connect(target, 'audit');
  await admin.query('create database boss');
  await admin.end();
  const theirTarget = { ...target, options: { ...target.options, database: 'boss' } };
  runPgBoss(boss, 'pg-boss-fill.mjs', [connectionOf(theirTarget), String(GROUPS), '200']);
  const audit = await connect(theirTarget, 'audit');
  await audit.query(`${AUDIT_TABLES}
    insert into audit_log (grp, change, cap) select 'g' || g, 0, ${CAP} from generate_series(0, ${GROUPS - 1}) g;
    create function audit_job() returns trigger language plpgsql as $$ begin
      if new.state = 'active' and old.state <> 'active' then insert into audit_log (grp, task, change) values (new.group_id, new.id, 1);
      elsif old.state = 'active' and new.state <> 'active' then insert into audit_log (grp, task, change) values (new.group_id, new.id, -1); end if;
      return null; end $$;
    create trigger audit after update on pgboss.job for each row execute function audit_job();`);
  await new Promise<void>((resolve, reject) => {
    let open = 8;
    for (let n = 0; n < 8; n++) {
      const child = spawn(
        boss.node,
        [
          path.join(import.meta.dirname, 'lib', 'pg-boss-claimer.mjs'),
          connectionOf(theirTarget),
          '1',
          '60',
          String(CAP),
        ],
        { cwd: boss.folder, stdio: ['pipe', 'ignore', 'inherit'] },
      );
      child.stdin.end('go\n');
      child.once('error', reject).once('exit', () => --open === 0 && resolve());
    }
  });
  const theirs = await overruns(audit);
  await audit.end();
  rows.push([`pg-boss ${boss.version}, ${theirs.starts} tasks, undisturbed`, theirs.starts, theirs.over, '', '', '']);
  figures['pg_boss_caps_exceeded_share'] = round(theirs.over / theirs.starts);
}
await server.stop();
drop();
printTable([`${PARTITIONS} partitions`, 'starts', 'caps exceeded', 'tasks lost', 'effects doubled', 'took'], rows);
console.log(
  `disturbed by: ${Object.entries(counts)
    .map(([name, n]) => `${n} ${name}`)
    .join(', ')}`,
);
finish({
  bench: 'scheduler-chaos',
  figures,
  targets: {
    tasks: { atLeast: TASKS },
    caps_exceeded: { atMost: 0 },
    two_attempts_at_once: { atMost: 0 },
    tasks_lost: { atMost: 0 },
    effects_doubled: { atMost: 0 },
    counters_wrong: { atMost: 0 },
    ...(boss ? { pg_boss_caps_exceeded_share: { atLeast: 0.001 } } : {}),
  },
});
process.exit();
