/**
 * The service's API with 10,000 connections stored: 20 clients, each of which lists, reads and edits in turns, ten
 * requests a second and client (thousands of times what a person does). Then the same as fast as it is answered: what
 * this machine can take, and no target, since a queue of 20 has no other latency than 20 divided by that. The built
 * `headrace serve` on a database of its own; clients in this process.
 * --connections N, --clients N, --seconds N.
 */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Pool as HttpPool } from 'undici';
import { ConnectionStore } from '../src/connections/connection-store.js';
import { SecretBox } from '../src/connections/secrets.js';
import { EmbeddedServer } from '../src/postgres/embedded/server.js';
import { seededRandom } from '../src/base/random.js';
import { Scheduler } from '../src/fleet/scheduler/scheduler.js';
import { LIVE_KEY, MAIN, scratch } from './lib/processes.js';
import { finish, printTable, round } from './lib/report.js';

const { values } = parseArgs({
  strict: false,
  options: { connections: { type: 'string' }, clients: { type: 'string' }, seconds: { type: 'string' } },
});
const CONNECTIONS = Number(values['connections'] ?? 10_000);
const CLIENTS = Number(values['clients'] ?? 20);
const SECONDS = Number(values['seconds'] ?? 20);
const TOKEN = 'the-token-of-the-bench';
const SECRET_KEY = 'b2'.repeat(32);
const WARM_MS = 3000;

const { folder, drop } = scratch();
const server = await EmbeddedServer.open(path.join(folder, 'data'));
const nameOf = (n: number) => `customer-${String(n).padStart(5, '0')}`;
const settings = (n: number, every: string) => ({
  source: { connector: 'stripe', api_key: `${LIVE_KEY}${n}`, base_url: 'http://127.0.0.1:9', streams: ['customers'] },
  destination: { type: 'embedded', mode: 'upsert' },
  schedule: { every },
  max_concurrent_processes: 4,
  app: `app${n % 50}`,
  partition: `app${n % 50}/${n % 2000}`,
});
{
  const scheduler = await Scheduler.open(server.target, 8);
  const store = new ConnectionStore(scheduler.pool, SecretBox.from(SECRET_KEY));
  const isSecret = (at: readonly string[]) => at.at(-1) === 'api_key';
  let next = 0;
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      while (next < CONNECTIONS) {
        const n = next++;
        const id = nameOf(n);
        await scheduler.define({
          id,
          partition: `app${n % 50}/${n % 2000}`,
          app: `app${n % 50}`,
          limit: { requests: 100, frequencySeconds: 1 },
          maxConcurrent: 4,
        });
        await store.write(id, store.seal(id, settings(n, '30d'), isSecret), undefined, 0);
      }
    }),
  );
  // Each has run: what is listed of runs is looked for among as many.
  await scheduler.pool.query(
    `insert into _headrace.run_record (id, connection_id, kind, started_at, finished_at, outcome, progress)
      select k.id || '-' || g, k.id, 'sync', now() - g * interval '6 hours',
      now() - g * interval '6 hours' + interval '5 minutes', 'complete', '{"rows": 100}'
      from _headrace.connection_config k, generate_series(1, 5) g`,
  );
  await scheduler.pool.query(
    `insert into _headrace.connection_total (connection_id, runs, rows, last_run_id, last_outcome, fresh_as_of)
      select id, 5, 500, id || '-1', 'complete', now() - interval '6 hours' from _headrace.connection_config`,
  );
  await scheduler.pool.query(
    `insert into _headrace.schedule (connection_id, kind, every_seconds, next_at) select id, 'sync', 2592000,
      now() + interval '29 days' from _headrace.connection_config`,
  );
  await scheduler.pool.query('analyze');
  await scheduler.close();
}

writeFileSync(path.join(folder, 'headrace.yaml'), 'data_dir: data\nconnections: {}\n');
const child = spawn(process.execPath, [MAIN, 'serve', '--port', '0', '--slots', '1', '--json'], {
  cwd: folder,
  env: { ...process.env, HEADRACE_SECRET_KEY: SECRET_KEY, HEADRACE_TOKEN: TOKEN },
  stdio: ['ignore', 'pipe', 'inherit'],
});
const url = await new Promise<string>((resolve, reject) => {
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const found = /"url":"([^"]+)"/.exec(text);
    if (found) resolve(found[1]!);
  });
  child.once('exit', (code) => reject(new Error(`the service ended with ${code}`)));
});

const http = new HttpPool(url, { connections: CLIENTS, pipelining: 1 });
type Took = Record<'list' | 'read' | 'edit', number[]>;
const random = seededRandom(1);
let failed = 0;
let took: Took | undefined;
let over = false;
async function ask(kind: keyof Took, method: 'GET' | 'PUT', at: string, body?: unknown): Promise<void> {
  const startedMs = performance.now();
  const response = await http.request({
    method,
    path: `/api/v1${at}`,
    headers: {
      authorization: `Bearer ${TOKEN}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  await response.body.text();
  if (response.statusCode !== 200) failed++;
  took?.[kind].push(performance.now() - startedMs);
}
const pause = (meanMs: number) => new Promise((resolve) => setTimeout(resolve, -Math.log(1 - random.next()) * meanMs));
async function client(thinkMs: number): Promise<void> {
  while (!over) {
    const n = random.integer(CONNECTIONS);
    for (const [kind, method, at, body] of [
      ['list', 'GET', `/connections?limit=50&after=${nameOf(n)}`, undefined],
      ['read', 'GET', `/connections/${nameOf(n)}`, undefined],
      [
        'edit',
        'PUT',
        `/connections/${nameOf(n)}`,
        { ...settings(n, `${30 + random.integer(60)}d`), source: { ...settings(n, '').source, api_key: '********' } },
      ],
    ] as const) {
      if (thinkMs > 0) await pause(thinkMs);
      await ask(kind, method, at, body);
    }
  }
}
async function measure(thinkMs: number, seconds: number): Promise<Took> {
  over = false;
  const clients = Array.from({ length: CLIENTS }, () => client(thinkMs));
  await new Promise((resolve) => setTimeout(resolve, WARM_MS));
  const own: Took = { list: [], read: [], edit: [] };
  took = own;
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  took = undefined;
  over = true;
  await Promise.all(clients);
  return own;
}
const paced = await measure(100, SECONDS);
const flooded = await measure(0, SECONDS / 2);
await http.close();
child.kill('SIGTERM');
await new Promise((resolve) => child.once('exit', resolve));
await server.close();
drop();

const at = (list: number[], share: number) =>
  list.toSorted((a, b) => a - b)[Math.min(list.length - 1, Math.floor(list.length * share))] ?? Number.NaN;
const figures: Record<string, number> = { connections: CONNECTIONS, clients: CLIENTS, failed };
const rowsOf = (name: string, all: Took, seconds: number) =>
  Object.entries(all).map(([kind, list]) => {
    figures[`${kind}_${name}_p99_ms`] = round(at(list, 0.99), 1);
    figures[`${kind}_${name}_per_second`] = round(list.length / seconds, 0);
    return [
      `${kind}, ${name}`,
      list.length,
      round(list.length / seconds, 0),
      round(at(list, 0.5), 1),
      round(at(list, 0.9), 1),
      round(at(list, 0.99), 1),
      round(at(list, 1), 1),
    ];
  });
const rows = [...rowsOf('paced', paced, SECONDS), ...rowsOf('flooded', flooded, SECONDS / 2)];
printTable(
  [
    `${CONNECTIONS} connections, ${CLIENTS} clients`,
    'requests',
    'per second',
    'median ms',
    '90% ms',
    '99% ms',
    'most ms',
  ],
  rows,
);
finish({
  bench: 'api',
  figures,
  targets: {
    failed: { atMost: 0 },
    list_paced_p99_ms: { atMost: 50 },
    read_paced_p99_ms: { atMost: 50 },
    edit_paced_p99_ms: { atMost: 50 },
  },
});
