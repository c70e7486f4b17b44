/**
 * Webhooks at a steady rate into one `headrace serve`, which reads the objects that they name from a simulated Stripe
 * account meanwhile: how soon each is answered, counted from when it was due, and how often each object is read. Each
 * twentieth delivery is an event that was sent before. The sender, the API, the service and its database share the
 * machine; each tenth delivery also goes to a server that only answers, which tells what the machine itself takes.
 * --rate N a second (default 500), --seconds N (default 60).
 */
import { createHmac } from 'node:crypto';
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Agent, request } from 'undici';
import { connect } from '../src/postgres/connect.js';
import { EmbeddedServer } from '../src/postgres/embedded/server.js';
import { LIVE_KEY, MAIN, scratch, startTestbedProcess } from './lib/processes.js';
import { finish, printTable, round } from './lib/report.js';

const { values } = parseArgs({ strict: false, options: { rate: { type: 'string' }, seconds: { type: 'string' } } });
const RATE = Number(values['rate'] ?? 500);
const SECONDS = Number(values['seconds'] ?? 60);
const DELIVERIES = RATE * SECONDS;
/** One in so many is sent again, a second and more after it was sent first. */
const REPEATED = 20;
/** One in so many also goes to the bare server. */
const BESIDE = 10;
const CATCH_UP_SECONDS = 300;
const SECRET = 'whsec_bench_1234567890';
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const { folder, drop } = scratch();
// Its API allows more than events name, so that what is measured is the service.
const testbed = await startTestbedProcess(
  ['--rows', '100', '--collection', `charges=${DELIVERIES}`, '--limit', `${4 * RATE}/s`, '--latency', '20'].concat([
    '--seed',
    '7',
  ]),
);
writeFileSync(
  path.join(folder, 'headrace.yaml'),
  JSON.stringify({
    version: 1,
    data_dir: '.headrace',
    connections: {
      shop: {
        webhook_secret: SECRET,
        source: {
          connector: 'stripe',
          api_key: LIVE_KEY,
          base_url: testbed.url,
          streams: ['charges'],
          rate_limit: { global: 3 * RATE, endpoint: 3 * RATE },
        },
      },
    },
  }),
);
const database = await EmbeddedServer.open(path.join(folder, '.headrace'));
const service = spawn(process.execPath, [MAIN, 'serve', '--port', '0', '--json'], {
  cwd: folder,
  stdio: ['ignore', 'pipe', 'inherit'],
});
const url = await listening();
const bare = spawn(process.execPath, [path.join(import.meta.dirname, 'lib', 'bare-server.mjs')], {
  stdio: ['pipe', 'pipe', 'inherit'],
});
const bareUrl = await new Promise<string>((resolve) =>
  bare.stdout.once('data', (line: Buffer) => resolve(String(line).trim())),
);

/** Its address, once it listens; what it prints is read to the end all the while. */
function listening(): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    service.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text = (text + chunk).slice(-10_000);
      const line = text.split('\n').find((each) => each.includes('"listening"') && each.endsWith('}'));
      if (line !== undefined) resolve((JSON.parse(line) as { url: string }).url);
    });
    service.once('exit', (code) => reject(new Error(`the service ended with ${code}`)));
  });
}

/** Objects of the account, as events bring them. */
async function objects(): Promise<Record<string, unknown>[]> {
  const found: Record<string, unknown>[] = [];
  for (let after = ''; ;) {
    const { statusCode, body } = await request(`${testbed.url}/v1/charges?limit=100${after}`, {
      headers: { authorization: `Bearer ${LIVE_KEY}` },
    });
    if (statusCode !== 200) {
      await body.dump();
      await sleep(50);
      continue;
    }
    const page = (await body.json()) as { data: Record<string, unknown>[]; has_more: boolean };
    found.push(...page.data);
    if (!page.has_more) return found;
    after = `&starting_after=${String(page.data.at(-1)!['id'])}`;
  }
}

interface Delivery {
  body: string;
  signature: string;
}

const at = Math.floor(Date.now() / 1000);
const deliveries: Delivery[] = [];
for (const [n, object] of (await objects()).slice(0, DELIVERIES).entries()) {
  const again = n % REPEATED === REPEATED - 1 ? deliveries[n - 2 * RATE] : undefined;
  const event = { id: `evt_${n}`, object: 'event', type: 'charge.updated', data: { object } };
  const body = again?.body ?? JSON.stringify(event);
  const hmac = createHmac('sha256', SECRET).update(`${at}.${body}`).digest('hex');
  deliveries.push({ body, signature: `t=${at},v1=${hmac}` });
}
const distinct = new Set(deliveries.map(({ body }) => body)).size;
const readsBefore = (await testbed.stats()).perEndpoint['charges/:id'] ?? 0;

// What is due goes out whatever was answered: a slow answer holds up none that come after it.
const agent = new Agent({ connections: 200, pipelining: 1 });
const latencies: number[] = [];
const bareLatencies: number[] = [];
let refused = 0;
const pending = new Set<Promise<void>>();
const startedMs = performance.now();
async function deliver({ body, signature }: Delivery, to: string, into: number[], dueMs: number): Promise<void> {
  try {
    const answer = await request(to, {
      method: 'POST',
      body,
      headers: { 'stripe-signature': signature, 'content-type': 'application/json' },
      dispatcher: agent,
    });
    await answer.body.dump();
    if (answer.statusCode !== 200) refused++;
  } catch {
    refused++;
  }
  into.push(performance.now() - dueMs);
}
for (let n = 0; n < deliveries.length;) {
  const now = performance.now();
  for (; n < deliveries.length && startedMs + (n * 1000) / RATE <= now; n++) {
    const dueMs = startedMs + (n * 1000) / RATE;
    const all = [deliver(deliveries[n]!, `${url}/webhooks/shop`, latencies, dueMs)];
    if (n % BESIDE === 0) all.push(deliver(deliveries[n]!, bareUrl, bareLatencies, dueMs));
    for (const sent of all) {
      pending.add(sent);
      void sent.then(() => pending.delete(sent));
    }
  }
  await sleep(1);
}
await Promise.all(pending);
const endedMs = performance.now();

const client = await connect(database.target, 'bench');
const waiting = async () =>
  (await client.query('select count(*)::int as n from _headrace.webhook_event where handled_at is null')).rows[0]
    .n as number;
const behind = await waiting();
while ((await waiting()) > 0 && performance.now() - endedMs < CATCH_UP_SECONDS * 1000) await sleep(200);
const caughtUp = (performance.now() - endedMs) / 1000;
const unread = await waiting();
const reads = ((await testbed.stats()).perEndpoint['charges/:id'] ?? 0) - readsBefore;
const rows = (await client.query('select count(*)::int as n from shop.charges').catch(() => ({ rows: [{ n: 0 }] })))
  .rows[0].n as number;
const stored = (await client.query('select count(*)::int as n from _headrace.webhook_event')).rows[0].n as number;
await client.end();
const closed = new Promise((resolve) => service.once('close', resolve));
if (service.exitCode === null) {
  service.kill('SIGKILL');
  await closed;
}
await database.close();
testbed.stop();
bare.stdin.end();
await agent.close();
drop();

const sorted = latencies.toSorted((a, b) => a - b);
const part = (share: number, of = sorted) => of[Math.min(of.length - 1, Math.floor(of.length * share))]!;
const bareSorted = bareLatencies.toSorted((a, b) => a - b);
printTable(
  [`${RATE} webhooks a second for ${SECONDS} s`, 'value'],
  [
    ['sent, of them again', `${deliveries.length}, ${deliveries.length - distinct}`],
    ['not answered with 200', refused],
    ['answered after, median', `${round(part(0.5), 1)} ms`],
    ['99th percentile', `${round(part(0.99), 1)} ms`],
    ['a bare server beside it', `${round(part(0.5, bareSorted), 1)} ms, ${round(part(0.99, bareSorted), 1)} ms`],
    ['the slowest', `${round(sorted.at(-1)!, 1)} ms`],
    ['events stored', `${stored} of ${distinct}`],
    ['objects read', `${reads} for ${distinct}`],
    ['rows', rows],
    ['behind at the end', `${behind} events, ${round(caughtUp, 1)} s`],
    ['cores; load of the machine', `${availableParallelism()}; ${round(loadavg()[0]!, 1)}`],
  ],
);
finish({
  bench: 'webhooks',
  figures: {
    sent: deliveries.length,
    refused,
    answered_p50_ms: round(part(0.5), 1),
    answered_p99_ms: round(part(0.99), 1),
    bare_p99_ms: round(part(0.99, bareSorted), 1),
    answered_most_ms: round(sorted.at(-1)!, 1),
    events_lost: distinct - stored,
    events_unread: unread,
    reads_too_many: reads - distinct,
    rows_missing: distinct - rows,
    caught_up_seconds: round(caughtUp, 1),
  },
  targets: {
    refused: { atMost: 0 },
    answered_p99_ms: { atMost: 50 },
    events_lost: { atMost: 0 },
    events_unread: { atMost: 0 },
    reads_too_many: { atMost: 0 },
    rows_missing: { atMost: 0 },
  },
});
