/**
 * Whole runs in virtual time, each decided by a seed: rows lost or invented, `complete` said falsely, runs that stand
 * still. --seeds N (default 1,000), --from N, --without FEATURES, --mutants (puts faults of old back, one at a time,
 * and counts the seeds until each is found), --replay SEED (prints its history).
 */
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import type { Finding } from '../test/simulation/world/oracle.js';
import { scenarioOf, type Feature } from '../test/simulation/world/scenario.js';
import { play } from '../test/simulation/world/world.js';
import { MUTANTS, REPOSITORY, withMutant } from './lib/mutants.js';
import { finish, printTable, round, type Report } from './lib/report.js';

const { values } = parseArgs({
  strict: false,
  options: {
    seeds: { type: 'string' },
    from: { type: 'string' },
    without: { type: 'string' },
    mutants: { type: 'boolean' },
    replay: { type: 'string' },
  },
});
const from = Number(values['from'] ?? 1);
const seeds = Number(values['seeds'] ?? 1_000);
const without = String(values['without'] ?? '');
const WORKERS = Math.max(1, Math.min(2, availableParallelism()));
const MUTANT_SEEDS = 1_000;

interface Failed {
  seed: number;
  step: number;
  findings: Finding[];
}

const textOf = ({ seed, step, findings }: Failed) =>
  `seed ${seed}, step ${step}: ${findings.map(({ kind, detail }) => `${kind}: ${detail}`).join('; ')}`;

interface Outcome {
  failed: Failed[];
  sums: { seeds: number; runs: number; requests: number; steps: number; cpuMs: number };
}

/** Plays seeds in processes side by side, at most `until` failures in each. */
async function playAll(folder: string, first: number, count: number, until: number, left: string): Promise<Outcome> {
  const all: Outcome = { failed: [], sums: { seeds: 0, runs: 0, requests: 0, steps: 0, cpuMs: 0 } };
  const take = (line: string) => {
    const told = JSON.parse(line) as Failed | { sums: Outcome['sums'] };
    if ('seed' in told) {
      all.failed.push(told);
      // At once, for who ends it before its end.
      console.log(textOf(told));
    } else for (const key of Object.keys(all.sums) as (keyof Outcome['sums'])[]) all.sums[key] += told.sums[key];
  };
  await Promise.all(
    Array.from({ length: WORKERS }, async (_, index) => {
      const worker = path.join(folder, 'bench', 'lib', 'world-worker.ts');
      const numbers = [first + index, first + count, WORKERS, until].map(String);
      const child = spawn(process.execPath, ['--import', 'tsx', worker, ...numbers, left], {
        cwd: folder,
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      process.once('exit', () => child.kill());
      createInterface({ input: child.stdout }).on('line', take);
      const code = await new Promise((resolve) => child.once('close', resolve));
      if (code !== 0) throw new Error(`a worker of the world ended with ${String(code)}`);
    }),
  );
  all.failed.sort((a, b) => a.seed - b.seed);
  return all;
}

async function mutants(report: Report): Promise<void> {
  const rows: (string | number)[][] = [];
  for (const [index, mutant] of MUTANTS.entries()) {
    const { folder, drop } = withMutant(mutant);
    try {
      const { failed } = await playAll(folder, 1, MUTANT_SEEDS, 1, without);
      const found = failed[0]?.seed ?? Infinity;
      console.log(`${mutant.name}: ${failed[0] ? `found at seed ${found}` : 'not found'}`);
      rows.push([
        mutant.name,
        Number.isFinite(found) ? found : 'not found',
        failed[0]?.findings[0]?.detail.slice(0, 80) ?? '',
      ]);
      report.figures[`mutant_${index + 1}_found_at_seed`] = found;
      report.targets[`mutant_${index + 1}_found_at_seed`] = { atMost: MUTANT_SEEDS };
    } finally {
      drop();
    }
  }
  printTable(['fault put back', 'found at seed', 'as'], rows);
}

async function world(report: Report): Promise<void> {
  const began = process.hrtime.bigint();
  const { failed, sums } = await playAll(REPOSITORY, from, seeds, Infinity, without);
  const seconds = Number(process.hrtime.bigint() - began) / 1e9;
  const count = (kinds: Finding['kind'][]) =>
    failed.filter(({ findings }) => findings.some(({ kind }) => kinds.includes(kind))).length;
  const figures = {
    lost: count(['lost', 'deleted live row']),
    invented: count(['invented']),
    false_complete: count(['false complete']),
    stuck: count(['stuck', 'never complete']),
    crashed: count(['crash']),
  };
  Object.assign(report.figures, {
    seeds: sums.seeds,
    runs: sums.runs,
    requests: sums.requests,
    ...figures,
    failing_seeds: failed.length,
    cpu_ms_a_seed: round(sums.cpuMs / Math.max(1, sums.seeds), 1),
    seconds: round(seconds, 1),
  });
  for (const name of [...Object.keys(figures), 'failing_seeds']) report.targets[name] = { atMost: 0 };
  printTable(
    ['seeds', 'runs', 'requests', ...Object.keys(figures), 'CPU ms a seed'],
    [[sums.seeds, sums.runs, sums.requests, ...Object.values(figures), report.figures['cpu_ms_a_seed']!]],
  );
}

if (values['replay'] !== undefined) {
  const seed = Number(values['replay']);
  const scenario = scenarioOf(seed, without.split(',').filter(Boolean) as Feature[]);
  const verdict = await play(seed, true, scenario);
  console.log(JSON.stringify(scenario, undefined, 1));
  for (const line of verdict.history) console.log(line.slice(0, 240));
  for (const { kind, detail } of verdict.findings) console.log(`${kind}: ${detail}`);
} else {
  const report: Report = { bench: 'world', figures: {}, targets: {} };
  await (values['mutants'] ? mutants(report) : world(report));
  finish(report);
}
