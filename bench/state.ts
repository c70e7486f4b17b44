/** Bytes of state a stream, looked at after every commit of a long and skewed read at a high degree of division. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { connect } from '../src/postgres/connect.js';
import { EmbeddedServer } from '../src/postgres/embedded/server.js';
import { configFor, scratch, startSync, startTestbedProcess } from './lib/processes.js';
import { finish, printTable } from './lib/report.js';

const { values } = parseArgs({ strict: false, options: { rows: { type: 'string' } } });
const results: [string, number, number][] = [];
for (const rows of [20_000, Number(values['rows'] ?? 300_000)]) {
  const { folder, drop } = scratch();
  const testbed = await startTestbedProcess([
    '--rows',
    String(rows),
    '--shape',
    'campaigns',
    '--limit',
    'none',
    '--latency',
    '40',
    '--collection',
    'charges=2000',
  ]);
  writeFileSync(
    path.join(folder, 'headrace.yaml'),
    configFor(testbed.url, ['customers', 'payment_methods'].slice(0, rows > 50_000 ? 1 : 2), {
      global: 3000,
      endpoint: 3000,
    }),
  );
  const server = await EmbeddedServer.open(path.join(folder, '.headrace'));
  const client = await connect(server.target, 'bench');
  const largest: Record<string, number> = {};
  let running = true;
  const done = startSync(folder, ['stripe']).done.then((result) => {
    running = false;
    return result;
  });
  while (running) {
    const found = await client
      .query(
        `select stream, sum(octet_length(key) + octet_length(value::text)) as bytes from _headrace.state group by 1`,
      )
      .catch(() => ({ rows: [] }));
    for (const row of found.rows) largest[row.stream] = Math.max(largest[row.stream] ?? 0, Number(row.bytes));
  }
  const result = await done;
  if (result.code !== 0) throw new Error(result.stderr);
  for (const [stream, bytes] of Object.entries(largest)) if (stream !== '_changes') results.push([stream, rows, bytes]);
  await client.end();
  testbed.stop();
  await server.close();
  drop();
}
printTable(['stream', 'customers', 'most bytes of state'], results);
finish({
  bench: 'state',
  figures: { most_bytes: Math.max(...results.map(([, , bytes]) => bytes)), streams_measured: results.length },
  targets: { most_bytes: { atMost: 20_000 }, streams_measured: { atLeast: 3 } },
});
