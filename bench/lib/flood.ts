/**
 * One process that sends as fast as the gate lets it: `flood.ts JSON`, with {url, dialect, seconds, facts, ceilings,
 * memory, inFlight, target?, scope?}; SIGTERM ends it earlier. Prints one JSON line: accepted and rejected answers,
 * accepted in each tenth of a second, and what it learned. Its requests tell when they left.
 */
import { setMaxListeners } from 'node:events';
import { systemClock } from '../../src/base/clock.js';
import { SharedGate } from '../../src/gate/shared/shared-gate.js';
import { BudgetStore } from '../../src/gate/shared/budget-store.js';
import { Admission } from '../../src/http/admission.js';
import { ApiClient } from '../../src/http/client.js';
import { DIALECTS } from '../../src/http/dialects/vendors.js';
import { connect } from '../../src/postgres/connect.js';
import { systemRandom } from '../../src/base/random.js';
import { stampRequests } from './sent-times.js';

const { url, dialect, seconds, facts, ceilings, memory, inFlight, target, scope, cost } = JSON.parse(process.argv[2]!);
stampRequests();
const gate = new SharedGate({ facts: facts ?? [], ceilings: ceilings ?? {}, memory }, systemClock);
const admission = new Admission(gate, systemClock);
gate.onChange = () => admission.pump();
if (target) {
  const member = `flood ${process.pid}`;
  await gate.attach(
    async () => BudgetStore.open(await connect(target, member, { pipeline: true }), scope, member),
    member,
    (error) => process.stderr.write(`budget: ${String(error)}\n`),
  );
}
let accepted = 0;
let rejected = 0;
const series: number[] = [];
const controller = new AbortController();
setMaxListeners(0, controller.signal);
const startedMs = systemClock.monotonic();
const client = new ApiClient({
  baseUrl: url,
  admission,
  clock: systemClock,
  random: systemRandom(),
  headers: {},
  dialect: DIALECTS[dialect]!,
  judge: () => ({ kind: 'ok' }),
  observe: ({ outcome }) => {
    const now = systemClock.monotonic();
    if (outcome === 'limited') rejected++;
    else if (outcome === 'ok') {
      accepted++;
      const slot = Math.floor((now - startedMs) / 100);
      series[slot] = (series[slot] ?? 0) + 1;
    }
  },
});
process.stdout.write('ready\n');
systemClock.after(seconds * 1000, () => controller.abort());
process.once('SIGTERM', () => controller.abort());
const worker = async () => {
  while (!controller.signal.aborted) {
    try {
      await client.request({
        path: '/',
        endpoint: 'e',
        signal: controller.signal,
        ...(cost ? { headers: { 'x-testbed-cost': cost.text }, cost: cost.requested } : {}),
      });
    } catch {
      if (!controller.signal.aborted) await systemClock.sleep(20, controller.signal);
    }
  }
};
await Promise.all(Array.from({ length: inFlight ?? 64 }, worker));
const learned = gate.remember();
await gate.close();
await client.close();
process.stdout.write(
  `${JSON.stringify({ accepted, rejected, series: Array.from({ length: seconds * 10 }, (_, i) => series[i] ?? 0), memory: learned })}\n`,
);
process.exit(0);
