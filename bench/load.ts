/**
 * HTTP to committed rows, with no latency and no limit, beside COPY alone of the same rows into the same typed table,
 * in one run.
 * --rows N (default 200,000 and, for memory, ten times that; --quick leaves the second out).
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';
import { connect } from '../src/postgres/connect.js';
import { EmbeddedServer } from '../src/postgres/embedded/server.js';
import { configFor, LIVE_KEY, scratch, startSync, startTestbedProcess } from './lib/processes.js';
import { finish, printTable, round } from './lib/report.js';

const { values } = parseArgs({ strict: false, options: { rows: { type: 'string' }, quick: { type: 'boolean' } } });
const rows = Number(values['rows'] ?? 200_000);
const UNLIMITED = { global: 10_000, endpoint: 10_000 };

async function load(
  count: number,
  compare: boolean,
): Promise<{ rowsPerSecond: number; rssMib: number; copyPerSecond: number; bytes: number }> {
  const { folder, drop } = scratch();
  const testbed = await startTestbedProcess(['--rows', String(count), '--limit', 'none', '--shape', 'uniform']);
  const server = await EmbeddedServer.open(path.join(folder, '.headrace'));
  try {
    writeFileSync(path.join(folder, 'headrace.yaml'), configFor(testbed.url, ['customers'], UNLIMITED));
    const result = await startSync(folder, ['stripe', '--data-dir', '.headrace']).done;
    const finished = result.events.find((event) => event['type'] === 'finished');
    if (result.code !== 0 || finished?.['summary'].rows !== count)
      throw new Error(`the sync ended with ${result.code}: ${result.stderr}`);
    const seconds = finished['summary'].seconds as number;
    const client = await connect(server.target, 'bench');
    let copyPerSecond = 0;
    const {
      rows: [size],
    } = await client.query(
      'select avg(octet_length(to_jsonb(t)::text))::int as bytes from (select * from stripe.customers limit 1000) t',
    );
    if (compare) {
      const chunks: Buffer[] = [];
      for await (const chunk of client.query(copyTo('copy stripe.customers to stdout')) as AsyncIterable<Buffer>)
        chunks.push(chunk);
      await client.query('create table stripe.copy_alone (like stripe.customers including all)');
      await client.query('checkpoint');
      const started = performance.now();
      await pipeline(Readable.from(chunks), client.query(copyFrom('copy stripe.copy_alone from stdin')));
      copyPerSecond = count / ((performance.now() - started) / 1000);
    }
    await client.end();
    return { rowsPerSecond: count / seconds, rssMib: result.rssMib, copyPerSecond, bytes: size.bytes };
  } finally {
    testbed.stop();
    await server.close();
    drop();
  }
}

/** Pages of 100 rows that the testbed serves on one core: it must never be what is measured. */
async function testbedPagesPerSecond(): Promise<number> {
  const testbed = await startTestbedProcess(['--rows', '100000', '--limit', 'none', '--shape', 'uniform']);
  try {
    const headers = { authorization: `Bearer ${LIVE_KEY}` };
    const page = async (after = '') =>
      (await fetch(`${testbed.url}/v1/customers?limit=100${after && `&starting_after=${after}`}`, { headers })).text();
    const { data } = JSON.parse(await page()) as { data: { id: string }[] };
    const read = (count: number) =>
      Promise.all(
        Array.from({ length: 8 }, async () => {
          for (let i = 0; i < count / 8; i++) await page(data[i % 100]!.id);
        }),
      );
    await read(800);
    const before = testbed.cpuSeconds();
    await read(2400);
    return 2400 / (testbed.cpuSeconds() - before);
  } finally {
    testbed.stop();
  }
}

const pagesPerSecond = await testbedPagesPerSecond();
const small = await load(rows, true);
const large = values['quick'] ? undefined : await load(rows * 10, false);
printTable(
  ['rows', 'rows/s', 'COPY alone rows/s', 'share', 'RSS MiB'],
  [
    [
      rows,
      Math.round(small.rowsPerSecond),
      Math.round(small.copyPerSecond),
      round(small.rowsPerSecond / small.copyPerSecond, 2),
      Math.round(small.rssMib),
    ],
    ...(large ? [[rows * 10, Math.round(large.rowsPerSecond), '', '', Math.round(large.rssMib)]] : []),
  ],
);
console.log(`the testbed serves ${Math.round(pagesPerSecond)} pages/s on one core`);
finish({
  bench: 'load',
  figures: {
    testbed_pages_per_second: Math.round(pagesPerSecond),
    rows_per_second: Math.round(small.rowsPerSecond),
    share_of_copy: round(small.rowsPerSecond / small.copyPerSecond),
    rss_mib: Math.round(small.rssMib),
    row_bytes_in_table: small.bytes,
    ...(large
      ? { rss_mib_at_ten_times: Math.round(large.rssMib), rss_growth: round(large.rssMib / small.rssMib) }
      : {}),
  },
  targets: {
    testbed_pages_per_second: { atLeast: 1500 },
    rows_per_second: { atLeast: 30_000 },
    share_of_copy: { atLeast: 0.7 },
    rss_mib: { atMost: 250 },
    ...(large ? { rss_growth: { atMost: 1.1 } } : {}),
  },
});
