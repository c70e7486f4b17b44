/** Whatever answers say, and however few arrive: who waits at the gate is let through in the end. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CredentialGate } from '../../src/gate/credential-gate.js';
import type { Ceilings, LimitFact, LimitSigns, Reading, Ticket } from '../../src/gate/gate.js';

const SERVER_EPOCH_MS = 1_800_000_000_000;
const MOST_STEPS = 40;
/** Nobody looks sooner again. */
const LEAST_WAIT_MS = 0.5;
const LAST_REQUESTS = [
  ['a', 1],
  ['b', 1],
  ['a', 7],
  ['c', 1],
  ['b', 7],
] as const;
/** Looks at the gate until it opens: a window that is only guessed at ends several times. */
const MOST_LOOKS = 60;

const FACTS: LimitFact[][] = [
  [],
  [
    { name: 'global', scope: 'credential', usual: { requests: 100, windowMs: 1000 } },
    { name: 'endpoint', scope: 'endpoint', usual: { requests: 25, windowMs: 1000 } },
  ],
  [{ name: 'base', scope: 'credential', usual: { requests: 5, windowMs: 1000 }, banMs: 30_000 }],
  [{ name: 'calls', scope: 'credential', concurrency: 15 }],
];
const limit = fc.constantFrom('requests', 'global', 'burst', 'day');
const quota = fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 100_000 }), fc.constant(1e15));
const windowMs = fc.constantFrom(1000, 10_000, 60_000, 3_600_000);
const part = fc.double({ min: 0, max: 1, noNaN: true });
const reading = fc.record({
  kind: fc.constantFrom('epoch', 'bucket', 'rolling', 'budget'),
  limit,
  quota,
  part,
  windowMs,
  known: fc.boolean(),
  resetInMs: fc.integer({ min: -100_000, max: 7_200_000 }),
});
const answer = fc.record({
  kind: fc.constantFrom('accepted', 'accepted', 'rejected', 'lost'),
  readings: fc.array(reading, { maxLength: 2 }),
  reason: fc.constantFrom(undefined, 'rate', 'concurrency', 'budget'),
  limit: fc.option(limit, { nil: undefined }),
  scope: fc.constantFrom(undefined, 'credential', 'endpoint'),
  waitMs: fc.option(fc.integer({ min: 0, max: 7_200_000 }), { nil: undefined }),
  actualCost: fc.option(fc.integer({ min: 0, max: 50 }), { nil: undefined }),
  dated: fc.boolean(),
});
const step = fc.record({
  afterMs: fc.oneof(fc.integer({ min: 0, max: 2000 }), fc.integer({ min: 0, max: 10_000_000 })),
  sends: fc.integer({ min: 0, max: 3 }),
  endpoint: fc.constantFrom('a', 'b'),
  cost: fc.constantFrom(1, 1, 7),
  answer,
});
type AnyAnswer = typeof answer extends fc.Arbitrary<infer T> ? T : never;

function signsOf(said: AnyAnswer, nowMs: number): LimitSigns {
  const readings = said.readings.map((one): Reading => {
    const remaining = Math.floor(one.quota * one.part);
    const resetMs = SERVER_EPOCH_MS + nowMs + one.resetInMs;
    if (one.kind === 'epoch')
      return {
        kind: 'epoch',
        limit: one.limit,
        quota: one.quota,
        remaining,
        resetMs,
        grainMs: 1000,
        windowMs: one.known ? one.windowMs : undefined,
      };
    if (one.kind === 'bucket')
      return {
        kind: 'bucket',
        limit: one.limit,
        available: remaining,
        max: one.quota,
        restorePerSecond: one.part * 50,
      };
    if (one.kind === 'rolling')
      return { kind: 'rolling', limit: one.limit, quota: one.quota, remaining, windowMs: one.windowMs };
    return {
      kind: 'budget',
      limit: one.limit,
      quota: one.quota,
      remaining,
      windowMs: Math.max(3_600_000, one.windowMs),
      resetMs: one.known ? resetMs : undefined,
    };
  });
  return {
    readings,
    rejection:
      said.kind === 'rejected'
        ? {
            limit: said.limit,
            scope: said.scope as 'credential',
            reason: said.reason as 'rate',
            retryAfterMs: said.waitMs,
          }
        : undefined,
    holdMs: said.kind === 'accepted' ? said.waitMs : undefined,
    actualCost: said.actualCost,
  };
}

test('whatever a server said, the next request leaves in the end, and the wait until then is told', () => {
  const ceilings = fc.constantFrom<Ceilings>(
    {},
    { maxRate: { requests: 10, windowMs: 1000 } },
    { maxConcurrency: 1 },
    { share: 0.5 },
  );
  fc.assert(
    fc.property(
      fc.constantFrom(...FACTS),
      ceilings,
      fc.array(step, { maxLength: MOST_STEPS }),
      (facts, allowed, steps) => {
        const gate = new CredentialGate({ facts, ceilings: allowed });
        let now = 0;
        const open: Ticket[] = [];
        for (const { afterMs, sends, endpoint, cost, answer: said } of steps) {
          now += afterMs;
          for (let i = 0; i < sends && gate.check(now, { endpoint, cost }).go; i++)
            open.push(gate.sent(now, { endpoint, cost }));
          const ticket = open.shift();
          if (ticket)
            gate.answered(now, ticket, {
              kind: said.kind as 'lost',
              signs: said.kind === 'lost' ? { readings: [] } : signsOf(said, now),
              serverTimeMs:
                said.dated && said.kind !== 'lost' ? SERVER_EPOCH_MS + Math.floor(now / 1000) * 1000 : undefined,
            });
        }
        for (const ticket of open)
          gate.answered(now, ticket, { kind: 'lost', signs: { readings: [] }, serverTimeMs: undefined });
        for (const [endpoint, cost] of LAST_REQUESTS) {
          let looks = 0;
          for (; looks < MOST_LOOKS; looks++) {
            const verdict = gate.check(now, { endpoint, cost });
            if (verdict.go) break;
            expect(verdict.waitMs, `${verdict.reason}, ${verdict.limit}`).toBeLessThan(1e8);
            now += Math.max(LEAST_WAIT_MS, verdict.waitMs);
          }
          expect(looks).toBeLessThan(MOST_LOOKS);
          gate.answered(now, gate.sent(now, { endpoint, cost }), {
            kind: 'lost',
            signs: { readings: [] },
            serverTimeMs: undefined,
          });
        }
      },
    ),
    { numRuns: 5000 },
  );
});
