import { expect, test } from 'vitest';
import { LIMITS } from '../../base/bounds.js';
import type { Clock } from '../../base/clock.js';
import { SharedGate } from './shared-gate.js';

test('a request that nobody tells of any more ends with its time limit', () => {
  let nowMs = 0;
  const clock: Clock = { now: () => nowMs, monotonic: () => nowMs, sleep: async () => {}, after: () => () => {} };
  const gate = new SharedGate(
    {
      facts: [{ name: 'requests', scope: 'credential', usual: { requests: 1000, windowMs: 1000 } }],
      ceilings: { maxConcurrency: 4 },
    },
    clock,
  );
  const request = { endpoint: 'a', cost: 1 };
  for (let sent = 0; sent < 4; nowMs += 100) {
    if (!gate.check(nowMs, request).go) continue;
    gate.sent(nowMs, request);
    sent++;
  }
  expect(gate.check(nowMs, request)).toMatchObject({ go: false, limit: 'max_concurrency' });
  nowMs += LIMITS.requestMs + 1000;
  expect(gate.check(nowMs, request)).toEqual({ go: true });
});
