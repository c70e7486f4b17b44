/**
 * A fleet whose tasks an engine keeps, disturbed: its processes and its server are killed at random. What the audit
 * finds: caps exceeded by what worked at once, steps that never ended, steps that were done again although they had
 * ended before.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import path from 'node:path';
import type pg from 'pg';
import type { Random } from '../../src/base/random.js';
import { restateEngine } from '../../src/fleet/executors/restate/index.js';
import { Scheduler } from '../../src/fleet/scheduler/scheduler.js';
import { connect, type PostgresTarget } from '../../src/postgres/connect.js';
import { installed } from './installed.js';
import { freePort, restateBinary, RestateServer } from './restate.js';

export type EngineName = 'restate' | 'dbos';

export interface WorkflowFleetOptions {
  engine: EngineName;
  target: PostgresTarget;
  /** The same place, for libraries that want a URL. */
  url: string;
  /** Of the engine's own files. */
  folder: string;
  workflows: number;
  partitions: number;
  /** Processes that run steps. */
  processes: number;
  random: Random;
  /** Steps that end between two kills, about: by time alone, a slow machine would never come to an end. */
  killEverySteps: number;
  workMs: number;
  /** No more of them once so few are left. */
  peaceAt: number;
  giveUpMs: number;
}

export interface WorkflowFleetResult {
  seconds: number;
  kills: number;
  serverKills: number;
  /** Workflows that did not end, or ended otherwise than done. */
  lost: number;
  /** Rises of what runs above a cap. */
  over: number;
  /** Steps of ended workflows without an end. */
  missing: number;
  /** Ends of a step beyond the first: an end that was committed, but not journaled before a kill. */
  again: number;
  /** Counters that were wrong at the end, and slots that nobody gave back. */
  wrong: number;
}

const SDK = '@dbos-inc/dbos-sdk';
const VERSION = '5.3.0';
const STEPS = ['plan', 'read a', 'read b', 'changes', 'proof'];
const AT_ONCE = 400;
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Undefined where npm has none to install. */
export function dbosFolder(): string | undefined {
  return installed(`dbos-${VERSION}`, [`${SDK}@${VERSION}`]);
}

export const canRun = (engine: EngineName): boolean =>
  (engine === 'restate' ? restateBinary() : dbosFolder()) !== undefined;

const AUDIT = `
  create table if not exists effect (n bigint generated always as identity, workflow text not null, step text not null, what text not null);
  create table if not exists oracle (at timestamptz default clock_timestamp(), what text);
  create or replace function audit_rise() returns trigger language plpgsql as $$ begin
    if new.running > old.running and new.running > new.cap then insert into oracle (what) values (new.id || ' runs ' || new.running || ' of ' || new.cap); end if;
    if new.running <> (select count(*) from _headrace.slot where partition_id = new.id) + (case when new.running > old.running then 1 else 0 end)
      then insert into oracle (what) values (new.id || ' counts ' || new.running); end if;
    return null; end $$;
  create or replace trigger audit_rise after update of running on _headrace.partition for each row execute function audit_rise();`;

/** Starts, disturbs, waits for the end of all, and looks at what is left. */
export async function runWorkflowFleet(options: WorkflowFleetOptions): Promise<WorkflowFleetResult> {
  const { target, workflows, partitions, random, killEverySteps, peaceAt, giveUpMs } = options;
  const scheduler = await Scheduler.open(target, 3);
  const client = await connect(target, 'audit');
  await client.query(AUDIT);
  for (let p = 0; p < partitions; p++)
    await scheduler.define({
      id: `c${p}`,
      partition: `p${p}`,
      app: `app${p}`,
      limit: { requests: 2 * (1 + (p % 3)), frequencySeconds: 1 },
      maxConcurrent: 3,
    });
  const fleet = options.engine === 'restate' ? await restateFleet(options) : await dbosFleet(options);
  const startedMs = performance.now();
  const ids = Array.from({ length: workflows }, (_, n) => `w${n}`);
  const ended = new Map<string, string>();
  const counts = { kills: 0, serverKills: 0 };
  const stepsEnded = async () =>
    (await client.query(`select count(*)::int as n from effect where what = 'end'`)).rows[0].n as number;
  let killAt = killEverySteps;
  /** Somebody is killed once so many steps have ended since the last. */
  const disturb = async () => {
    if (ended.size >= workflows - peaceAt) return;
    const steps = await stepsEnded();
    if (steps < killAt) return;
    killAt = steps + killEverySteps * (0.5 + random.next());
    if (random.next() < 0.25 && (await fleet.killServer())) counts.serverKills++;
    else {
      fleet.killOne(random);
      counts.kills++;
    }
  };
  const open = new Set<string>();
  let next = 0;
  while (ended.size < workflows && performance.now() - startedMs < giveUpMs) {
    for (; open.size < AT_ONCE && next < ids.length; next++) open.add(ids[next]!);
    await fleet.submit([...open], (id) => ({
      connection: `c${Number(id.slice(1)) % partitions}`,
      kind: 'sync',
      payload: {},
      exclusive: false,
    }));
    for (const [id, state] of await fleet.outcomes([...open])) {
      ended.set(id, state);
      open.delete(id);
    }
    await disturb();
    await sleep(100);
  }
  const seconds = (performance.now() - startedMs) / 1000;
  // Slots of processes that were killed last come back with their lease.
  for (let tries = 0; tries < 50 && (await slots(client)) > 0; tries++) await sleep(200);
  await fleet.end();
  const wrong = (await scheduler.upkeep.reconcile()) + (await slots(client));
  const found = await audit(client, workflows);
  await client.end();
  await scheduler.close();
  const done = [...ended.values()].filter((state) => state === 'done').length;
  return { seconds, ...counts, lost: workflows - done, wrong, ...found };
}

async function audit(client: pg.Client, workflows: number): Promise<{ over: number; missing: number; again: number }> {
  const one = async (sql: string) => (await client.query(sql)).rows[0].n as number;
  const steps = await one(`select count(distinct (workflow, step))::int as n from effect where what = 'end'`);
  const ends = await one(`select count(*)::int as n from effect where what = 'end'`);
  return {
    over: await one('select count(*)::int as n from oracle'),
    missing: workflows * STEPS.length - steps,
    again: ends - steps,
  };
}

async function slots(client: pg.Client): Promise<number> {
  return (await client.query('select count(*)::int as n from _headrace.slot')).rows[0].n as number;
}

interface Fleet {
  /** Again, what was submitted before is the same workflow. */
  submit(ids: string[], task: (id: string) => Record<string, unknown>): Promise<void>;
  /** Of those that ended. */
  outcomes(ids: string[]): Promise<[string, string][]>;
  killOne(random: Random): void;
  /** False: it has no server of its own. */
  killServer(): Promise<boolean>;
  end(): Promise<void>;
}

/** Processes that are started again whenever they end. */
function keepRunning(count: number, workMs: number, argsOf: (n: number) => string[], onLine: (line: string) => void) {
  const children: ChildProcess[] = [];
  let running = true;
  const start = (n: number): Promise<void> =>
    new Promise((resolve) => {
      const script = path.join(import.meta.dirname, 'workflow-worker.mjs');
      const child = spawn(process.execPath, [script, ...argsOf(n)], {
        stdio: ['pipe', 'pipe', process.env['DEBUG_WORKFLOWS'] ? 'inherit' : 'ignore'],
        env: { ...process.env, WORK_MS: String(workMs) },
      });
      children[n] = child;
      child.stdin!.on('error', () => {});
      let rest = '';
      child.stdout!.setEncoding('utf8').on('data', (text: string) => {
        const lines = (rest + text).split('\n');
        rest = lines.pop()!;
        for (const line of lines) {
          if (line === 'ready') resolve();
          else if (line.startsWith('{')) onLine(line);
        }
      });
      child.once('exit', () => {
        resolve();
        if (running) void start(n);
      });
    });
  return {
    children,
    ready: Promise.all(Array.from({ length: count }, (_, n) => start(n))),
    end() {
      running = false;
      for (const child of children) child.kill('SIGKILL');
    },
  };
}

async function restateFleet({ target, folder, processes, workMs }: WorkflowFleetOptions): Promise<Fleet> {
  const server = await RestateServer.open(path.join(folder, 'restate'));
  const engine = restateEngine({ ingress: server.ingress, admin: server.admin });
  const ports = await Promise.all(Array.from({ length: processes }, () => freePort()));
  const own = keepRunning(
    processes,
    workMs,
    (n) => ['restate', JSON.stringify(target), String(ports[n])],
    () => {},
  );
  await own.ready;
  // A server delivers to one address of a service: several stand behind one balancer in production, and take turns here.
  let at = 0;
  await server.register(`http://127.0.0.1:${ports[0]}`);
  const handles = new Map<string, string>();
  return {
    async submit(ids, task) {
      const fresh = ids.filter((id) => !handles.has(id));
      await Promise.all(
        fresh.map(async (id) => {
          const handle = await engine.start(id, task(id) as never).catch(() => undefined);
          if (handle !== undefined) handles.set(id, handle);
        }),
      );
    },
    async outcomes(ids) {
      const out: [string, string][] = [];
      const known = ids.filter((id) => handles.has(id));
      for (let n = 0; n < known.length; n += 50)
        await Promise.all(
          known.slice(n, n + 50).map(async (id) => {
            const outcome = await engine.outcome(handles.get(id)!).catch(() => undefined);
            if (outcome) out.push([id, outcome.state]);
          }),
        );
      return out;
    },
    killOne(random) {
      own.children[random.integer(processes)]?.kill('SIGKILL');
      if (random.next() < 0.3) void server.register(`http://127.0.0.1:${ports[++at % processes]}`).catch(() => {});
    },
    async killServer() {
      await server.restart();
      return true;
    },
    async end() {
      own.end();
      await server.kill();
    },
  };
}

async function dbosFleet({ target, url, processes, workMs }: WorkflowFleetOptions): Promise<Fleet> {
  const started = new Set<string>();
  const sent = new Map<string, number>();
  const own = keepRunning(
    processes,
    workMs,
    (n) => ['dbos', JSON.stringify(target), dbosFolder()!, `executor-${n}`, url],
    (line) => started.add((JSON.parse(line) as { done: string }).done),
  );
  await own.ready;
  const client = await connect(target, 'outcomes');
  let at = 0;
  return {
    async submit(ids, task) {
      for (const id of ids) {
        if (started.has(id) || performance.now() - (sent.get(id) ?? -Infinity) < 5_000) continue;
        sent.set(id, performance.now());
        own.children[at++ % processes]!.stdin!.write(`${JSON.stringify({ start: id, task: task(id) })}\n`);
      }
      await Promise.resolve();
    },
    async outcomes(ids) {
      const { rows } = await client.query<{ id: string; status: string }>(
        `select workflow_uuid as id, status from dbos.workflow_status where workflow_uuid = any ($1) and status in ('SUCCESS', 'ERROR', 'CANCELLED')`,
        [ids],
      );
      return rows.map(({ id, status }) => [id, status === 'SUCCESS' ? 'done' : status]);
    },
    killOne(random) {
      own.children[random.integer(processes)]?.kill('SIGKILL');
    },
    killServer: () => Promise.resolve(false),
    async end() {
      own.end();
      await client.end();
    },
  };
}
