/**
 * What the gate costs: microseconds of a check, a send and an answer at 10,000 requests/s, with the limits of a busy
 * credential; and milliseconds of a lease, where processes share it in PostgreSQL: the row locked, read, written and
 * committed.
 */
import { CredentialGate } from '../src/gate/credential-gate.js';
import { BudgetStore } from '../src/gate/shared/budget-store.js';
import type { Answer } from '../src/gate/gate.js';
import { connect } from '../src/postgres/connect.js';
import { EmbeddedServer } from '../src/postgres/embedded/server.js';
import { migrate } from '../src/postgres/migrations.js';
import { scratch } from './lib/processes.js';
import { finish, printTable, round } from './lib/report.js';

const PER_SECOND = 10_000;
const SECONDS = 30;
/** Leases, or round trips, before any is measured: a worker takes so many in ten seconds. */
const WARM = 300;

/** Virtual time: the gate is pure, so that only its own work is measured. */
function cost(make: () => CredentialGate, answer: (i: number, nowMs: number) => Answer): number {
  const gate = make();
  const inFlight: { ticket: ReturnType<CredentialGate['sent']>; atMs: number }[] = [];
  let first = 0;
  let sent = 0;
  const requests = [0, 1, 2, 3].map((i) => ({ endpoint: `endpoint ${i}`, cost: 1 }));
  const start = process.cpuUsage();
  for (let now = 0; now < SECONDS * 1000; now += 1000 / PER_SECOND) {
    for (; first < inFlight.length && inFlight[first]!.atMs <= now; first++)
      gate.answered(now, inFlight[first]!.ticket, answer(sent, now));
    if (first > 10_000) {
      inFlight.splice(0, first);
      first = 0;
    }
    const request = requests[sent % 4]!;
    if (!gate.check(now, request).go) continue;
    inFlight.push({ ticket: gate.sent(now, request), atMs: now + 20 });
    sent++;
  }
  const used = process.cpuUsage(start);
  if (sent < 0.5 * PER_SECOND * SECONDS) throw new Error(`only ${sent} requests were let through`);
  return (used.user + used.system) / sent;
}

const plain: Answer = { kind: 'accepted', signs: { readings: [] }, serverTimeMs: undefined };
const facts = [
  { name: 'global', scope: 'credential' as const, usual: { requests: PER_SECOND, windowMs: 1000 } },
  { name: 'endpoint', scope: 'endpoint' as const, usual: { requests: PER_SECOND, windowMs: 1000 } },
];
const epoch = (_i: number, nowMs: number): Answer => {
  const end = Math.ceil((nowMs + 1) / 10_000) * 10_000;
  return {
    kind: 'accepted',
    signs: {
      readings: [
        {
          kind: 'epoch',
          limit: 'requests',
          quota: 20 * PER_SECOND,
          remaining: 20 * PER_SECOND - Math.floor((nowMs % 10_000) * 10),
          resetMs: end,
          grainMs: 1000,
          windowMs: 10_000,
        },
      ],
    },
    serverTimeMs: Math.floor(nowMs / 1000) * 1000,
  };
};
const cases: [string, () => CredentialGate, (i: number, nowMs: number) => Answer][] = [
  ['learned, two limits', () => new CredentialGate({ facts }), () => plain],
  ['stated in headers', () => new CredentialGate({ facts: facts.slice(0, 1) }), epoch],
  [
    'ceiling of the user',
    () =>
      new CredentialGate({ facts: facts.slice(0, 1), ceilings: { maxRate: { requests: PER_SECOND, windowMs: 1000 } } }),
    () => plain,
  ],
];
const rows = cases.map(([name, make, answer]) => {
  cost(make, answer); // warm
  return [name, Math.min(...[0, 1, 2].map(() => cost(make, answer)))] as const;
});
/**
 * Median milliseconds of a lease, with the state of a gate that has worked for a minute at 100/s, and of a bare round
 * trip to the same server.
 */
async function lease(): Promise<{ leaseMs: number; roundTripMs: number }> {
  const { folder, drop } = scratch();
  const server = await EmbeddedServer.open(`${folder}/.headrace`);
  try {
    const client = await connect(server.target, 'bench');
    await migrate(client);
    await client.end();
    const store = await BudgetStore.open(await connect(server.target, 'bench', { pipeline: true }), 'bench', 'one');
    const gate = new CredentialGate({
      facts: [{ name: 'global', scope: 'credential', usual: { requests: 100, windowMs: 1000 } }],
    });
    const request = { endpoint: 'a', cost: 1 };
    for (let now = 0; now < 60_000; now += 5)
      if (gate.check(now, request).go) gate.answered(now, gate.sent(now, request), plain);
    const row = await store.lock(performance.now());
    await store.keep(null, { gate, open: new Map(), nextId: 1, askedAtMs: 0, bootMs: row.bootMs });
    const leaseMs = await median(async () => {
      const state = (await store.lock(performance.now())).read()!;
      await store.keep(null, state);
    });
    await store.close();
    const bare = await connect(server.target, 'bench');
    const roundTripMs = await median(() => bare.query('select 1'));
    await bare.end();
    return { leaseMs, roundTripMs };
  } finally {
    await server.close();
    drop();
  }
}

async function median(work: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < WARM + 1000; i++) {
    const started = performance.now();
    await work();
    if (i >= WARM) times.push(performance.now() - started);
  }
  return times.toSorted((a, b) => a - b)[times.length >> 1]!;
}

const { leaseMs, roundTripMs } = await lease();
printTable(
  ['limits', 'microseconds a request'],
  rows.map(([name, us]) => [name, round(us, 2)]),
);
console.log(`a lease: ${round(leaseMs, 2)} ms; a bare round trip: ${round(roundTripMs, 2)} ms`);
finish({
  bench: 'gate-cost',
  figures: {
    microseconds_a_request: round(Math.max(...rows.map(([, us]) => us)), 2),
    lease_ms: round(leaseMs, 2),
    round_trip_ms: round(roundTripMs, 2),
  },
  targets: { microseconds_a_request: { atMost: 5 }, lease_ms: { atMost: 1 } },
});
