/**
 * HTTP to committed rows, with no latency and no limit, beside COPY alone of the same rows into the same typed table: its
 * text and its binary format, on one connection. In turns, in one run: the median of the rounds counts.
 * --rows N (200,000 of 1.65 KB; 1.5 times that of 200 B; ten times that for memory, which --quick leaves out), --rounds N.
 */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import type pg from 'pg';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';
import { Agent } from 'undici';
import { connect } from '../src/postgres/connect.js';
import { EmbeddedServer } from '../src/postgres/embedded/server.js';
import { LIVE_KEY, scratch, startSync } from './lib/processes.js';
import { finish, printTable, round } from './lib/report.js';

const { values } = parseArgs({
  strict: false,
  options: { rows: { type: 'string' }, rounds: { type: 'string' }, quick: { type: 'boolean' } },
});
const rows = Number(values['rows'] ?? 200_000);
const rounds = Number(values['rounds'] ?? 3);
const SERVER = path.join(import.meta.dirname, 'lib', 'rows-server.mjs');
const CHAINS = 12;
const FORMATS = ['text', 'binary'] as const;

interface Rows {
  count: number;
  bytes: number;
  disturbed?: boolean;
}

interface Measured {
  rowsPerSecond: number;
  cpuPerMillion: number;
  rssMib: number;
  copy: Record<(typeof FORMATS)[number], number>;
}

interface RowsServer {
  url: string;
  start: number;
  end: number;
  stop(): void;
}

async function serve({ count, bytes, disturbed = false }: Rows): Promise<RowsServer> {
  const child = spawn(process.execPath, [SERVER, String(count), String(bytes), disturbed ? '1' : '0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const line = await new Promise<string>((resolve) => {
    child.stdout.setEncoding('utf8').once('data', (text: string) => resolve(text.trim()));
  });
  const [url, start, end] = line.split(' ');
  return { url: url!, start: Number(start), end: Number(end), stop: () => void child.kill('SIGKILL') };
}

/** Runs in turns: kinds of rows, `rounds` times, each beside COPY. `withCopy`: false for memory alone. */
async function measure(kinds: Rows[], times: number, withCopy: boolean): Promise<Measured[][]> {
  const { folder, drop } = scratch();
  const server = await EmbeddedServer.open(path.join(folder, '.headrace'));
  const client = await connect(server.target, 'bench');
  const servers = await Promise.all(kinds.map(serve));
  try {
    const all: Measured[][] = kinds.map(() => []);
    const names = Array.from({ length: times }, (_, turn) => kinds.map((_, kind) => `load_${kind}_${turn}`));
    const connections = Object.fromEntries(
      names.flatMap((each) => each.map((name, kind) => [name, configOf(servers[kind]!.url)])),
    );
    writeFileSync(
      path.join(folder, 'headrace.yaml'),
      JSON.stringify({ version: 1, data_dir: '.headrace', connections }),
    );
    for (const turn of names)
      for (const [kind, name] of turn.entries())
        all[kind]!.push(await load(kinds[kind]!, name, folder, client, withCopy));
    return all;
  } finally {
    for (const each of servers) each.stop();
    await client.end();
    await server.close();
    drop();
  }
}

const configOf = (url: string) => ({
  source: {
    connector: 'stripe',
    api_key: LIVE_KEY,
    base_url: url,
    streams: ['customers'],
    rate_limit: { global: 10_000, endpoint: 10_000 },
    max_rate: 10_000,
    max_endpoint_rate: 10_000,
  },
});

async function load(kind: Rows, name: string, folder: string, client: pg.Client, withCopy: boolean): Promise<Measured> {
  await client.query('checkpoint');
  const result = await startSync(folder, [name, '--data-dir', '.headrace']).done;
  const finished = result.events.find((event) => event['type'] === 'finished');
  // Rows that were set aside are told by the exit code.
  if (result.code !== (kind.disturbed ? 3 : 0) || !finished)
    throw new Error(`the sync ended with ${result.code}: ${result.stderr}`);
  await assertStored(kind, name, client);
  const seconds = finished['summary'].seconds as number;
  const measured: Measured = {
    rowsPerSecond: kind.count / seconds,
    cpuPerMillion: (result.cpuSeconds / kind.count) * 1e6,
    rssMib: result.rssMib,
    copy: { text: Number.NaN, binary: Number.NaN },
  };
  if (withCopy)
    for (const format of FORMATS)
      measured.copy[format] = await copyAlone(`${name}.customers`, kind.count, format, client);
  await client.query(`drop schema ${name} cascade`);
  return measured;
}

/** The table itself: every row once, and what does not fit set aside. */
async function assertStored({ count, disturbed }: Rows, name: string, client: pg.Client): Promise<void> {
  const { rows: found } = await client.query(
    `select count(*)::int as rows, count(distinct id)::int as keys, count(created)::int as dated,
       (select count(*)::int from ${name}._headrace_quarantine) as aside from ${name}.customers`,
  );
  const { rows: stored, keys, dated, aside } = found[0];
  const isWhole = stored + aside === count && keys === stored && dated === stored;
  // Every second row that is disturbed has a value that does not fit.
  if (!isWhole || aside !== (disturbed ? count / 200 : 0))
    throw new Error(`${stored} rows, ${keys} keys and ${aside} set aside instead of ${count}`);
}

async function copyAlone(table: string, count: number, format: string, client: pg.Client): Promise<number> {
  const chunks: Buffer[] = [];
  for await (const chunk of client.query(copyTo(`copy ${table} to stdout (format ${format})`)) as AsyncIterable<Buffer>)
    chunks.push(chunk);
  await client.query(`drop table if exists ${table}_copy; create table ${table}_copy (like ${table} including all)`);
  await client.query('checkpoint');
  const started = performance.now();
  await pipeline(Readable.from(chunks), client.query(copyFrom(`copy ${table}_copy from stdin (format ${format})`)));
  const perSecond = count / ((performance.now() - started) / 1000);
  await client.query(`drop table ${table}_copy`);
  return perSecond;
}

/** CPU seconds a million rows for their pages alone: asked for, and their bytes received. */
async function httpAlone(kind: Rows): Promise<number> {
  const server = await serve(kind);
  const agent = new Agent({ connections: 32 });
  const before = process.cpuUsage();
  try {
    const width = (server.end - server.start) / CHAINS;
    const walk = async (chain: number) => {
      const gte = Math.ceil(server.start + chain * width);
      const lt = Math.ceil(server.start + (chain + 1) * width);
      for (let after = ''; ;) {
        const path = `/v1/customers?limit=100&created[gte]=${gte}&created[lt]=${lt}${after && `&starting_after=${after}`}`;
        const { body } = await agent.request({ origin: server.url, path, method: 'GET' });
        const chunks: Buffer[] = [];
        for await (const chunk of body as AsyncIterable<Buffer>) chunks.push(chunk);
        const bytes = Buffer.concat(chunks);
        if (!bytes.includes('"has_more":true', bytes.length - 100)) return;
        const at = bytes.lastIndexOf('"id":"cus_') + 6;
        after = bytes.toString('latin1', at, at + 18);
      }
    };
    await Promise.all(Array.from({ length: CHAINS }, (_, chain) => walk(chain)));
  } finally {
    server.stop();
    await agent.destroy();
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / kind.count;
}

const median = (numbers: number[]): number => numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!;
const medians = (all: Measured[]): Measured => ({
  rowsPerSecond: median(all.map((each) => each.rowsPerSecond)),
  cpuPerMillion: median(all.map((each) => each.cpuPerMillion)),
  rssMib: Math.max(...all.map((each) => each.rssMib)),
  copy: { text: median(all.map(({ copy }) => copy.text)), binary: median(all.map(({ copy }) => copy.binary)) },
});

const LARGE = { count: rows, bytes: 1650 };
const SMALL = { count: rows * 1.5, bytes: 200 };
const httpPerMillion = await httpAlone(LARGE);
const [large, disturbed, small] = (await measure([LARGE, { ...LARGE, disturbed: true }, SMALL], rounds, true)).map(
  medians,
) as [Measured, Measured, Measured];
const many = values['quick'] ? undefined : medians((await measure([{ ...LARGE, count: rows * 10 }], 1, false))[0]!);
const line = (what: string, { rowsPerSecond, copy, cpuPerMillion, rssMib }: Measured) => [
  what,
  Math.round(rowsPerSecond),
  Number.isNaN(copy.text) ? '' : Math.round(copy.text),
  Number.isNaN(copy.text) ? '' : Math.round(copy.binary),
  Number.isNaN(copy.text) ? '' : round(rowsPerSecond / copy.text, 2),
  round(cpuPerMillion, 1),
  Math.round(rssMib),
];
printTable(
  ['rows', 'rows/s', 'COPY text', 'COPY binary', 'of text', 'CPU s a million', 'RSS MiB'],
  [
    line(`${LARGE.count} of 1.65 KB`, large),
    line('one in 100 disturbed', disturbed),
    line(`${SMALL.count} of 200 B`, small),
    ...(many ? [line(`${rows * 10} of 1.65 KB`, many)] : []),
  ],
);
console.log(`HTTP alone takes ${round(httpPerMillion, 1)} s of CPU a million rows of 1.65 KB`);
finish({
  bench: 'load',
  figures: {
    rows_per_second: Math.round(large.rowsPerSecond),
    share_of_copy: round(large.rowsPerSecond / large.copy.text),
    share_of_copy_small: round(small.rowsPerSecond / small.copy.text),
    small_rows_per_second: Math.round(small.rowsPerSecond),
    disturbed_share: round(disturbed.rowsPerSecond / large.rowsPerSecond),
    cpu_per_million: round(large.cpuPerMillion, 1),
    http_cpu_per_million: round(httpPerMillion, 1),
    rss_mib: Math.round(large.rssMib),
    ...(many ? { rss_mib_at_ten_times: Math.round(many.rssMib), rss_growth: round(many.rssMib / large.rssMib) } : {}),
  },
  targets: {
    share_of_copy: { atLeast: 0.85 },
    share_of_copy_small: { atLeast: 0.6 },
    disturbed_share: { atLeast: 0.9 },
    cpu_per_million: { atMost: 30 },
    rss_mib: { atMost: 250 },
    ...(many ? { rss_mib_at_ten_times: { atMost: 250 }, rss_growth: { atMost: 1.1 } } : {}),
  },
});
