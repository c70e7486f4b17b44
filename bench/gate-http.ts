/**
 * The gate over real HTTP: six kinds of server, 50 ms latency, one process and four that share their budget in
 * PostgreSQL, utilisation of what the server allows once the limit is known. Then one of four is killed. --seconds N
 * (default 60), --only ROW.
 */
import { parseArgs } from 'node:util';
import { connect } from '../src/postgres/connect.js';
import { EmbeddedServer } from '../src/postgres/embedded/server.js';
import { migrate } from '../src/postgres/migrations.js';
import { startFlood, tinyServer, type Flooded } from './lib/floods.js';
import { scratch } from './lib/processes.js';
import { finish, printTable, round } from './lib/report.js';

const { values } = parseArgs({ strict: false, options: { seconds: { type: 'string' }, only: { type: 'string' } } });
const seconds = Number(values['seconds'] ?? 60);
/** The search for a limit is not what is measured here, nor the last answers on their way. */
const WARM = Math.min(20, seconds / 3);
const END = 1;

interface Row {
  key: string;
  name: string;
  limit: string;
  dialect: string;
  perSecond: number;
  facts?: unknown[];
  ceilings?: unknown;
  /** Whole windows of so many seconds are counted. */
  window: number;
  /** Utilisation in virtual time, percent, from 4-gate.md. */
  virtual: number;
}

const fact = (requests: number, windowMs = 1000, more = {}) => [
  { name: 'requests', scope: 'credential', usual: { requests, windowMs }, ...more },
];
const ROWS: Row[] = [
  {
    key: 'token',
    name: 'token 100/s, no headers',
    limit: 'token',
    dialect: 'generic',
    perSecond: 100,
    facts: fact(100),
    window: 1,
    virtual: 99.6,
  },
  {
    key: 'fixed',
    name: 'fixed 1667/10 s, headers',
    limit: 'intercom',
    dialect: 'intercom',
    perSecond: 166.7,
    window: 10,
    virtual: 98.9,
  },
  {
    key: 'rolling',
    name: 'rolling 190/10 s, headers',
    limit: 'hubspot',
    dialect: 'hubspot',
    perSecond: 19,
    window: 10,
    virtual: 98.9,
  },
  {
    key: 'sliding',
    name: 'sliding 100/1 s, none',
    limit: 'sliding',
    dialect: 'generic',
    perSecond: 100,
    facts: fact(100),
    window: 1,
    virtual: 91.9,
  },
  {
    key: 'ietf',
    name: 'fixed 100/10 s, IETF fields',
    limit: 'ietf',
    dialect: 'generic',
    perSecond: 10,
    window: 10,
    virtual: 95,
  },
  {
    key: 'ban',
    name: '5/s, then a 30 s ban, remembered',
    limit: 'airtable',
    dialect: 'airtable',
    perSecond: 5,
    facts: fact(5, 1000, { banMs: 30_000 }),
    window: 1,
    virtual: 90,
  },
];

const { folder, drop } = scratch();
const server = await EmbeddedServer.open(`${folder}/.headrace`);
const client = await connect(server.target, 'bench');
await migrate(client);
const figures: Record<string, number> = {};
const targets: Record<string, { atMost: number } | { atLeast: number }> = {};
const table: (string | number)[][] = [];
let run = 0;

/** Accepted from one second to another. */
const between = (results: Flooded[], from: number, to: number) =>
  results.reduce((sum, { series }) => sum + series.slice(from * 10, to * 10).reduce((a, b) => a + b, 0), 0);

async function together(
  row: Row,
  processes: number,
  killAt?: number,
): Promise<{ results: (Flooded | undefined)[]; rejections: number }> {
  const testbed = await tinyServer(row.limit, 50);
  try {
    const scope = `bench ${++run}`;
    const floods = Array.from({ length: processes }, () =>
      startFlood({
        url: testbed.url,
        dialect: row.dialect,
        seconds,
        facts: row.facts,
        ceilings: row.ceilings,
        target: server.target,
        scope,
      }),
    );
    await Promise.all(floods.map((flood) => flood.ready));
    if (killAt !== undefined) setTimeout(() => floods[0]!.child.kill('SIGKILL'), killAt * 1000);
    const results = await Promise.all(floods.map((flood) => flood.done));
    return { results, rejections: testbed.stats().rejections };
  } finally {
    await testbed.close();
  }
}

for (const row of ROWS) {
  if (values['only'] !== undefined && values['only'] !== row.key) continue;
  // What a server counts in windows is compared over whole ones.
  const span = Math.floor((seconds - END - WARM) / row.window) * row.window;
  const [from, to] = [seconds - END - span, seconds - END];
  const one = await together(row, 1);
  const four = await together(row, 4);
  const used = (results: (Flooded | undefined)[]) =>
    (100 *
      between(
        results.filter((r) => r !== undefined),
        from,
        to,
      )) /
    (row.perSecond * span);
  const shares = four.results.map((result) => between([result!], from, to));
  const jain = shares.reduce((a, b) => a + b, 0) ** 2 / (shares.length * shares.reduce((a, b) => a + b * b, 0));
  const [single, shared] = [used(one.results), used(four.results)];
  table.push([
    row.name,
    round(row.virtual, 1),
    round(single, 1),
    one.rejections,
    round(shared, 1),
    four.rejections,
    round(jain, 3),
  ]);
  Object.assign(figures, {
    [`${row.key}_one`]: round(single, 1),
    [`${row.key}_four_less_than_one`]: round(single - shared, 1),
    [`${row.key}_fairness`]: round(jain),
  });
  Object.assign(targets, {
    [`${row.key}_one`]: { atLeast: row.virtual - 3 },
    [`${row.key}_four_less_than_one`]: { atMost: 3 },
    [`${row.key}_fairness`]: { atLeast: 0.95 },
  });
}

if (values['only'] === undefined || values['only'] === 'killed') {
  // Under a ceiling nothing is learned meanwhile: what is missing is what the dead one held.
  const killAt = Math.floor(seconds / 2);
  const { results } = await together(
    { ...ROWS[0]!, ceilings: { maxRate: { requests: 80, windowMs: 1000 } } },
    4,
    killAt,
  );
  const left = results.filter((result) => result !== undefined);
  const settled = between(left, seconds - END - 8, seconds - END) / 8;
  const lost = Math.max(0, settled * 4 - between(left, killAt, killAt + 4));
  figures['seconds_of_its_share_lost'] = round(lost / (settled / 4), 2);
  targets['seconds_of_its_share_lost'] = { atMost: 2 };
  figures['rate_after_a_kill'] = round(settled, 1);
  targets['rate_after_a_kill'] = { atLeast: 72 };
  table.push(["one of four killed, ceiling 80/s: the others' rate after", '', '', '', round(settled, 1), '', '']);
}
await client.end();
await server.close();
drop();
printTable(['server', 'virtual %', 'one %', 'rejected', 'four %', 'rejected', 'fairness (Jain)'], table);
finish({ bench: 'gate-http', figures, targets });
process.exit();
