/**
 * What the benches of DuckDB and Parquet share: rows from pages in memory to committed, rows over HTTP, dlt into the
 * same kind of place beside it, and kills of real processes.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { DataRecord, JsonSchema } from '../../src/base/catalog.js';
import { parseJson } from '../../src/base/json.js';
import { seededRandom } from '../../src/base/random.js';
import type { Destination } from '../../src/destinations/contract.js';
import { startStripeTestbed } from '../../src/testbed/index.js';
import { configFor, LIVE_KEY, scratch, startSync, startTestbedProcess } from './processes.js';
import { printTable, round } from './report.js';

const UNLIMITED = { global: 10_000, endpoint: 10_000 };
const PAGE = 100;
/** As the engine hands them over: about 4 MB. */
const PAGES_A_BATCH = 28;

/** Where a bench stores, by a folder of its own. */
export interface Store {
  kind: 'duckdb' | 'parquet';
  /** `--to`. */
  to(folder: string): string;
  open(folder: string): Destination;
  /** Ids of a stream that are stored, each as often as it is. */
  ids(folder: string, stream: string): Promise<string[]>;
}

/** Rows a second from parsed pages to commits, no network in between. */
export async function appended(store: Store, rows: number): Promise<{ rowsPerSecond: number; rowBytes: number }> {
  const { folder, drop } = scratch();
  const testbed = await startStripeTestbed({ rows: 0, collections: { customers: { rows: 5000 } }, limit: 'none' });
  const pages: DataRecord[][] = [];
  let bytes = 0;
  for (let after = ''; pages.length < 50;) {
    const answer = await fetch(`${testbed.url}/v1/customers?limit=${PAGE}${after}`, {
      headers: { authorization: `Bearer ${LIVE_KEY}` },
    });
    const text = await answer.text();
    bytes += text.length;
    const { data } = parseJson(text) as { data: DataRecord[] };
    pages.push(data);
    after = `&starting_after=${String(data.at(-1)!['id'])}`;
  }
  await testbed.close();
  const destination = store.open(folder);
  const session = await destination.open({
    connection: 'stripe',
    runId: 'bench',
    streams: [{ name: 'customers', schema: schemaOfRow(pages[0]![0]!), primaryKey: ['id'], mode: 'upsert' }],
    readOnly: false,
    startedMs: 0,
  });
  const started = performance.now();
  let done = 0;
  let commits: Promise<unknown>[] = [];
  while (done < rows) {
    const prepared = Array.from({ length: PAGES_A_BATCH }, () => {
      const at = done;
      done += PAGE;
      const records = pages[(at / PAGE) % pages.length]!.map((row, i) => ({
        ...row,
        id: `${String(row['id'])}${at + i}`,
      }));
      return session.prepare({ stream: 'customers', records, page: '1.1.1', version: 1 });
    });
    commits.push(session.commit({ rows: prepared, state: [], firstLoad: true }));
    if (commits.length === 3) commits = (await commits.shift(), commits);
  }
  await Promise.all(commits);
  await session.finishRun('complete', {});
  const seconds = (performance.now() - started) / 1000;
  await session.close();
  await destination.close();
  drop();
  return { rowsPerSecond: done / seconds, rowBytes: Math.round(bytes / pages.length / PAGE) };
}

/** Columns as a connector would declare them. */
function schemaOfRow(row: DataRecord): JsonSchema {
  const typeOf = (value: unknown) =>
    typeof value === 'number'
      ? 'integer'
      : typeof value === 'string' || typeof value === 'boolean'
        ? typeof value
        : 'object';
  const properties = Object.entries(row).map(([field, value]) => [field, { type: [typeOf(value), 'null'] }]);
  return { type: 'object', properties: Object.fromEntries(properties) as Record<string, JsonSchema> };
}

/** Rows a second of `headrace sync`, and of dlt where there is one, from one server that is not limited. */
export async function overHttp(
  store: Store,
  rows: number,
): Promise<{ rowsPerSecond: number; rssMib: number; dltPerSecond: number | undefined }> {
  const { folder, drop } = scratch();
  const testbed = await startTestbedProcess(['--rows', String(rows), '--limit', 'none', '--shape', 'uniform']);
  try {
    writeFileSync(path.join(folder, 'headrace.yaml'), configFor(testbed.url, ['customers'], UNLIMITED));
    const result = await startSync(folder, ['stripe', '--to', store.to(folder)]).done;
    const finished = result.events.find((event) => event['type'] === 'finished');
    if (result.code !== 0 || finished?.['summary'].proofs[0].stored !== rows)
      throw new Error(`the sync ended with ${result.code}: ${result.stderr}`);
    const rowsPerSecond = rows / (finished['summary'].seconds as number);
    return { rowsPerSecond, rssMib: result.rssMib, dltPerSecond: dlt(store.kind, testbed.url, folder, rows) };
  } finally {
    testbed.stop();
    drop();
  }
}

function dlt(kind: Store['kind'], url: string, folder: string, rows: number): number | undefined {
  const python = process.env['HEADRACE_DLT_PYTHON'];
  const ran =
    python &&
    spawnSync(python, [path.join(import.meta.dirname, 'dlt-load.py'), kind, url, LIVE_KEY, folder], {
      encoding: 'utf8',
      maxBuffer: 1 << 26,
    });
  if (!ran || ran.status !== 0) {
    console.log(
      `dlt is left out: HEADRACE_DLT_PYTHON names ${python ? `a Python that failed: ${ran && (ran.stderr ?? '').split('\n').at(-2)}` : 'no Python with dlt (pip install "dlt[duckdb,parquet]" in a venv)'}`,
    );
    return undefined;
  }
  const { seconds, rows: loaded } = JSON.parse(ran.stdout.trim().split('\n').at(-1)!) as Record<string, number>;
  if (loaded !== rows) throw new Error(`dlt loaded ${loaded} rows of ${rows}`);
  return rows / seconds!;
}

/** Kills `headrace sync` at random instants, runs it again to the end, and compares what is stored with the account. */
export async function killed(
  store: Store,
  kills: number,
  seed: number,
): Promise<{ killed: number; missing: number; double: number; stored: number }> {
  const random = seededRandom(seed);
  const streams = { customers: 4000, charges: 4000 };
  const sum = { killed: 0, missing: 0, double: 0, stored: 0 };
  for (let round = 1; sum.killed < kills; round++) {
    const { folder, drop } = scratch();
    const testbed = await startStripeTestbed({
      rows: 0,
      collections: Object.fromEntries(Object.entries(streams).map(([name, rows]) => [name, { rows }])),
      seed: seed + round,
      latency: { medianMs: 20, sigma: 0.3 },
      faults: { '500': 0.01, reset: 0.01, cut: 0.01 },
    });
    writeFileSync(
      path.join(folder, 'headrace.yaml'),
      configFor(testbed.url, Object.keys(streams), { global: 200, endpoint: 100 }),
    );
    for (let tries = 0, complete = false; !complete; tries++) {
      const run = startSync(folder, ['stripe', '--to', store.to(folder)]);
      const before = testbed.stats().requests;
      const until = before + 1 + Math.floor(random.next() * 30);
      const isLast = tries >= 12 || sum.killed >= kills;
      const look = setInterval(() => {
        if (!isLast && testbed.stats().requests >= until) run.child.kill('SIGKILL');
      }, 2);
      const result = await run.done;
      clearInterval(look);
      if (result.code === null) sum.killed++;
      else if (result.code === 0) complete = true;
      else throw new Error(`round ${round}, seed ${seed}: ended with ${result.code}: ${result.stderr}`);
    }
    for (const stream of Object.keys(streams)) {
      const ids = await store.ids(folder, stream);
      const stored = new Set(ids);
      const account = testbed.api.rows.get(stream)!;
      for (let i = 0; i < account.size; i++) if (!stored.has(account.idOf(i))) sum.missing++;
      sum.double += ids.length - stored.size;
      sum.stored += ids.length;
    }
    await testbed.close();
    drop();
  }
  return sum;
}

/** Runs all of it, prints it, and gives the figures. */
export async function storeBench(
  store: Store,
  rows: number,
  kills: number,
  seed: number,
): Promise<Record<string, number>> {
  const alone = await appended(store, rows);
  const http = await overHttp(store, rows);
  const kill = kills > 0 ? await killed(store, kills, seed) : undefined;
  const ratio = http.dltPerSecond && http.rowsPerSecond / http.dltPerSecond;
  printTable(
    ['rows', 'bytes a row', 'appended rows/s', 'over HTTP rows/s', 'dlt rows/s', 'times dlt', 'RSS MiB'],
    [
      [
        rows,
        alone.rowBytes,
        Math.round(alone.rowsPerSecond),
        Math.round(http.rowsPerSecond),
        http.dltPerSecond ? Math.round(http.dltPerSecond) : 'left out',
        ratio ? round(ratio, 1) : '',
        Math.round(http.rssMib),
      ],
    ],
  );
  if (kill)
    printTable(['kills', 'rows stored', 'missing', 'double'], [[kill.killed, kill.stored, kill.missing, kill.double]]);
  return {
    appended_rows_per_second: Math.round(alone.rowsPerSecond),
    http_rows_per_second: Math.round(http.rowsPerSecond),
    rss_mib: Math.round(http.rssMib),
    ...(ratio ? { times_dlt: round(ratio, 1) } : {}),
    ...(kill ? { kills: kill.killed, rows_missing: kill.missing, rows_double: kill.double } : {}),
  };
}
