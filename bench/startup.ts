/**
 * How soon the program is there: --help, and the first row committed by a sync on an existing embedded database.
 * Medians of several runs.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { configFor, MAIN, scratch, startSync, startTestbedProcess } from './lib/processes.js';
import { finish, printTable, round } from './lib/report.js';

const RUNS = 11;
const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!;
const time = (args: string[]) => {
  const started = performance.now();
  spawnSync(process.execPath, args);
  return performance.now() - started;
};
const help = median(Array.from({ length: RUNS }, () => time([MAIN, '--help'])));
const node = median(Array.from({ length: RUNS }, () => time(['-e', '0'])));

const { folder, drop } = scratch();
const testbed = await startTestbedProcess(['--rows', '2000', '--limit', 'stripe-live', '--latency', '50']);
writeFileSync(path.join(folder, 'headrace.yaml'), configFor(testbed.url, ['coupons'], { global: 100, endpoint: 25 }));
await startSync(folder, ['stripe']).done;
const firsts: number[] = [];
for (let i = 0; i < 3; i++) {
  writeFileSync(
    path.join(folder, 'headrace.yaml'),
    configFor(testbed.url, ['customers'], { global: 100, endpoint: 25 }).replace('"stripe":', `"run${i}":`),
  );
  const started = performance.now();
  let first = Number.NaN;
  await startSync(folder, [`run${i}`], (event) => {
    if (event['type'] === 'committed' && Number.isNaN(first)) first = performance.now() - started;
  }).done;
  firsts.push(first);
}
testbed.stop();
drop();
printTable(
  ['what', 'ms'],
  [
    ['node alone', Math.round(node)],
    ['headrace --help', Math.round(help)],
    ['first row committed', Math.round(median(firsts))],
  ],
);
finish({
  bench: 'startup',
  figures: { help_ms: round(help, 0), help_over_node: round(help / node), first_row_ms: round(median(firsts), 0) },
  targets: { help_ms: { atMost: 150 }, first_row_ms: { atMost: 1500 } },
});
