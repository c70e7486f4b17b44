/** Plays every STEPth seed from FROM to TO and prints a line for each that failed, and the sums last. */
import { scenarioOf, type Feature } from '../../test/simulation/world/scenario.js';
import { play } from '../../test/simulation/world/world.js';

const [from, to, step, until] = process.argv.slice(2, 6).map(Number) as [number, number, number, number];
const without = (process.argv[6] ?? '').split(',').filter(Boolean) as Feature[];
const sums = { seeds: 0, runs: 0, requests: 0, steps: 0, cpuMs: 0 };
let failed = 0;
for (let seed = from; seed < to && failed < until; seed += step) {
  const verdict = await play(seed, false, scenarioOf(seed, without));
  sums.seeds++;
  sums.runs += verdict.runs;
  sums.requests += verdict.requests;
  sums.steps += verdict.steps;
  if (verdict.findings.length === 0) continue;
  failed++;
  console.log(JSON.stringify({ seed, step: verdict.steps, findings: verdict.findings.slice(0, 5) }));
}
const { user, system } = process.cpuUsage();
sums.cpuMs = Math.round((user + system) / 1000);
console.log(JSON.stringify({ sums }));
