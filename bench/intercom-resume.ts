/**
 * conversation_parts of Intercom by its manifest, killed with SIGKILL at random moments and continued, into the
 * embedded database: rows missing, rows double, requests made again. --kills N (default 50), --conversations N (default
 * 4,000).
 */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { connect } from '../src/postgres/connect.js';
import { EmbeddedServer } from '../src/postgres/embedded/server.js';
import { seededRandom } from '../src/base/random.js';
import { startIntercomTestbed } from '../src/testbed/index.js';
import { MAIN, scratch, startTestbedProcess } from './lib/processes.js';
import { finish, printTable } from './lib/report.js';

const { values } = parseArgs({
  strict: false,
  options: { kills: { type: 'string' }, conversations: { type: 'string' } },
});
const kills = Number(values['kills'] ?? 50);
const conversations = Number(values['conversations'] ?? 4_000);
/** From the start of the process: most of it is reading. */
const LEAST_MS = 900;
const SPREAD_MS = 1600;

const random = seededRandom(7);
const { folder, drop } = scratch();
const testbed = await startTestbedProcess(
  ['--rows', String(conversations), '--limit', 'none', '--latency', '30'],
  'intercom',
);
writeFileSync(
  path.join(folder, 'config.json'),
  JSON.stringify({ access_token: 'intercom_headracetestbed', start_date: '2010-01-01T00:00:00Z' }),
);
const args = [
  MAIN,
  'sync',
  '--manifest',
  path.join(import.meta.dirname, '../test/manifests/source-intercom.yaml'),
  '--source-config',
  'config.json',
  '--base-url',
  testbed.url,
  '--streams',
  'conversation_parts',
  '--data-dir',
  '.headrace',
  '--max-rate',
  String(Math.max(20, conversations / (kills * 1.2))),
  '-q',
];

let killed = 0;
let failures = 0;
for (let code: number | null = null; code !== 0 && failures === 0;) {
  const child = spawn(process.execPath, args, { cwd: folder, stdio: 'ignore' });
  const timer =
    killed < kills ? setTimeout(() => child.kill('SIGKILL'), LEAST_MS + random.next() * SPREAD_MS) : undefined;
  code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  clearTimeout(timer);
  if (code === null) killed++;
  else if (code !== 0) failures++;
}

// The parts of a conversation follow from its number and the seed.
const same = await startIntercomTestbed({ rows: conversations });
const expected = new Set(
  Array.from({ length: conversations }, (_, i) =>
    same.api.conversationAt(i).parts.map((part) => String(part['id'])),
  ).flat(),
);
await same.close();
const server = await EmbeddedServer.open(path.join(folder, '.headrace'));
const client = await connect(server.target, 'bench');
const { rows } = await client.query<{ id: string }>('select id from intercom.conversation_parts');
await client.end();
await server.close();
const { requests } = await testbed.stats();
testbed.stop();
drop();

const distinct = new Set(rows.map(({ id }) => id));
const missing = [...expected].filter((id) => !distinct.has(id)).length;
const figures = {
  kills: killed,
  failures,
  missing,
  double: rows.length - distinct.size,
  unknown: [...distinct].filter((id) => !expected.has(id)).length,
  rows: rows.length,
  requests,
};
printTable(Object.keys(figures), [Object.values(figures)]);
finish({
  bench: 'intercom-resume',
  figures,
  targets: {
    kills: { atLeast: kills },
    failures: { atMost: 0 },
    missing: { atMost: 0 },
    double: { atMost: 0 },
    unknown: { atMost: 0 },
  },
});
