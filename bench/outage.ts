/**
 * Something that all wait for goes away in the middle of a read, and comes back: the database, under one `sync` and under
 * three workers that share a read; the leader of such a read, and a borrower, that stand still. Prints what each process
 * says meanwhile. Rows missing and double, whether all go on by themselves, and pauses over 15 s without a stated reason.
 * --away S: how long (default 30), --only sync | shared | leader | borrower.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { startStripeTestbed, type StripeTestbed } from '../src/testbed/index.js';
import { configFor, MAIN, scratch } from './lib/processes.js';
import { finish, printTable, round } from './lib/report.js';
import { ask, PauseWatch, sleep } from './lib/resume-blows.js';
import { RestartableServer } from './lib/restartable-server.js';
import { urlOf } from './lib/target-url.js';

const { values } = parseArgs({ strict: false, options: { away: { type: 'string' }, only: { type: 'string' } } });
const AWAY_MS = Number(values['away'] ?? 30) * 1000;
const CASES = ['sync', 'shared', 'leader', 'borrower'] as const;
type Case = (typeof CASES)[number];
const ROWS = 60_000;
const RATE = { global: 40, endpoint: 40 };
const PAUSE_MS = 15_000;
/** All are over by then, or stuck. */
const MOST_MS = 240_000;
const WORKERS = 3;

interface Told {
  child: ChildProcess;
  name: string;
  watch: PauseWatch;
  events: Record<string, any>[];
  ended: Promise<number | null>;
}

interface Result {
  case: Case;
  seconds: number;
  missing: number;
  double: number;
  /** From the end of the outage to the next committed rows. */
  afterSeconds: number;
  unstated: number;
  isStuck: boolean;
}

let began = 0;
const say = (name: string, text: string) =>
  console.log(`${((performance.now() - began) / 1000).toFixed(1).padStart(6)} s  ${name.padEnd(10)} ${text}`);

/** A process whose lines of JSON are printed, each kind of line once where it repeats itself. */
function start(name: string, args: string[], folder: string, url: string): Told {
  const env = { ...process.env, DATABASE_URL: url, HEADRACE_DATA_DIR: path.join(folder, '.headrace') };
  const child = spawn(process.execPath, [MAIN, ...args, '--json'], { env, cwd: folder, stdio: 'pipe' });
  const told: Told = {
    child,
    name,
    watch: new PauseWatch(PAUSE_MS),
    events: [],
    ended: new Promise((resolve) => child.once('close', resolve)),
  };
  let rest = '';
  let last = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop()!;
    for (const line of lines) {
      const event = JSON.parse(line) as Record<string, any>;
      told.events.push(event);
      told.watch.note(event);
      const text = textOf(event);
      if (text !== '' && text !== last) say(name, text);
      last = text === '' ? last : text;
    }
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => say(name, `stderr: ${text.trim().slice(0, 300)}`));
  return told;
}

function textOf(event: Record<string, any>): string {
  if (event['type'] === 'committed' || event['type'] === 'split') return '';
  if (event['type'] === 'progress')
    return event['waits']
      .map(({ reason, limit }: { reason: string; limit?: string }) => `waits: ${reason} ${limit ?? ''}`)
      .join('; ');
  const { at: _, progress: __, summary, ...said } = event;
  return JSON.stringify(summary ? { ...said, outcome: summary.outcome } : said).slice(0, 300);
}

const rowsNow = async (server: RestartableServer, schema: string): Promise<{ rows: number; keys: number }> => {
  const [found] = await ask(
    server.target,
    `select count(*)::int as rows, count(distinct id)::int as keys from ${schema}.customers`,
  ).catch(() => []);
  return { rows: found?.['rows'] ?? 0, keys: found?.['keys'] ?? 0 };
};

async function until(holds: () => Promise<boolean>, mostMs = MOST_MS): Promise<boolean> {
  for (const endMs = performance.now() + mostMs; performance.now() < endMs; await sleep(100))
    if (await holds()) return true;
  return false;
}

async function play(kind: Case, server: RestartableServer, testbed: StripeTestbed): Promise<Result> {
  began = performance.now();
  say('bench', `case ${kind}, away for ${AWAY_MS / 1000} s`);
  const { folder, drop } = scratch();
  const schema = kind === 'sync' ? 'stripe' : kind;
  const url = urlOf(server.target);
  const parts = kind === 'sync' ? [syncOf(folder, testbed.url, url)] : await fleetOf(folder, schema, testbed.url, url);
  const isOver =
    kind === 'sync'
      ? async () => parts[0]!.events.some(({ type }) => type === 'finished')
      : async () =>
          (
            await ask(
              server.target,
              `select 1 from _headrace.task where kind = 'sync' and connection_id = '${schema}' and state = 'done'`,
            )
          ).length > 0;
  await until(async () => (await rowsNow(server, schema)).rows > ROWS / 6);
  if (kind !== 'sync') await until(async () => (await loans(server, schema)).length >= WORKERS - 1, 20_000);
  say('bench', 'away');
  await away(kind, server, parts, schema);
  const backMs = performance.now();
  const before = await rowsNow(server, schema);
  say('bench', `back, ${before.rows} rows stored`);
  await until(async () => (await rowsNow(server, schema)).rows > before.rows);
  const afterSeconds = (performance.now() - backMs) / 1000;
  const ended = await until(isOver);
  for (const part of parts) part.child.kill('SIGKILL');
  await Promise.all(parts.map((part) => part.ended));
  const { rows, keys } = await rowsNow(server, schema);
  drop();
  return {
    case: kind,
    seconds: (performance.now() - began) / 1000,
    missing: ROWS - keys,
    double: rows - keys,
    afterSeconds,
    // Workers do not tell each commit: of them, how soon rows come again is what is looked at.
    unstated: kind === 'sync' ? parts[0]!.watch.unstated : Number(afterSeconds * 1000 > PAUSE_MS),
    isStuck: !ended,
  };
}

function syncOf(folder: string, api: string, url: string): Told {
  writeFileSync(path.join(folder, 'headrace.yaml'), configFor(api, ['customers'], RATE));
  return start('sync', ['sync', 'stripe', '--to', url], folder, url);
}

async function fleetOf(folder: string, name: string, api: string, url: string): Promise<Told[]> {
  const file = path.join(folder, 'headrace.yaml');
  const { connections } = JSON.parse(configFor(api, ['customers'], RATE)) as { connections: { stripe: object } };
  const settings = {
    ...connections.stripe,
    max_concurrent_processes: WORKERS,
    destination: { type: 'postgres', url: '${DATABASE_URL}' },
  };
  writeFileSync(file, JSON.stringify({ version: 1, connections: { [name]: settings } }));
  const parts = Array.from({ length: WORKERS }, (_, i) =>
    start(`worker ${i + 1}`, ['worker', '--slots', '1', '--config', file], folder, url),
  );
  await until(async () => parts.every(({ events }) => events.some(({ type }) => type === 'joined')));
  const asked = start(
    'enqueue',
    ['task', 'enqueue', name, 'sync', '--parts', String(WORKERS), '--config', file],
    folder,
    url,
  );
  await asked.ended;
  return parts;
}

const loans = (server: RestartableServer, schema: string) =>
  ask(server.target, `select borrower from _headrace.loan where connection = '${schema}' and state = 'granted'`);

async function away(kind: Case, server: RestartableServer, parts: Told[], schema: string): Promise<void> {
  if (kind === 'sync' || kind === 'shared') return server.restart('fast', AWAY_MS);
  const leads = ({ events }: Told) =>
    events.some((event) => event['type'] === 'task_started' && event['kind'] === 'sync');
  const granted = new Set((await loans(server, schema)).map(({ borrower }) => String(borrower)));
  const borrows = ({ events }: Told) =>
    events.some(
      (event) => event['type'] === 'task_started' && granted.has(`task/${event['task']}/${event['attempt']}`),
    );
  const chosen = parts.find(kind === 'leader' ? leads : borrows)!;
  say('bench', `${chosen.name} stands still`);
  chosen.child.kill('SIGSTOP');
  await sleep(AWAY_MS);
  chosen.child.kill('SIGCONT');
}

const results: Result[] = [];
for (const kind of CASES.filter((each) => values['only'] === undefined || values['only'] === each)) {
  const database = scratch();
  const server = await RestartableServer.open(path.join(database.folder, 'server'));
  const testbed = await startStripeTestbed({
    collections: { customers: { rows: ROWS, shape: 'uniform' } },
    seed: 5,
    latency: { medianMs: 80, sigma: 0.3 },
  });
  try {
    results.push(await play(kind, server, testbed));
  } finally {
    await testbed.close();
    await server.stop();
    database.drop();
  }
}
printTable(
  ['case', 'seconds', 'missing', 'double', 'first rows after, s', 'unstated pauses', 'stuck'],
  results.map((each) => [
    each.case,
    round(each.seconds, 1),
    each.missing,
    each.double,
    round(each.afterSeconds, 1),
    each.unstated,
    String(each.isStuck),
  ]),
);
const sum = (of: (result: Result) => number) => results.reduce((total, each) => total + of(each), 0);
finish({
  bench: 'outage',
  figures: {
    rows_missing: sum(({ missing }) => missing),
    rows_double: sum(({ double }) => double),
    stuck: sum(({ isStuck }) => Number(isStuck)),
    pauses_unstated: sum(({ unstated }) => unstated),
  },
  targets: {
    rows_missing: { atMost: 0 },
    rows_double: { atMost: 0 },
    stuck: { atMost: 0 },
    pauses_unstated: { atMost: 0 },
  },
});
