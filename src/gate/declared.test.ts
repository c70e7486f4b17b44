import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { seededRandom } from '../random.js';
import { DeclaredGate } from './declared.js';

/** Sends as fast as the gate lets it, each request arriving up to `jitterMs` later than the fastest; returns arrival times. */
function flood(limits: { global?: { requests: number; windowMs: number }; endpoint?: { requests: number; windowMs: number } }, seconds: number, jitterMs: number, seed: number) {
  const random = seededRandom(seed);
  const gate = new DeclaredGate(limits, random);
  const arrivals: { at: number; endpoint: string }[] = [];
  for (let now = 0; now < seconds * 1000; ) {
    const endpoint = `e${random.integer(3)}`;
    const verdict = gate.check(now, endpoint);
    if (!verdict.go) {
      now += Math.max(0.01, Math.min(verdict.waitMs, 1 + random.next() * 5));
      continue;
    }
    gate.sent(now, endpoint);
    gate.answered(now, endpoint, { rejected: false, scope: 'global' });
    arrivals.push({ at: now + random.next() * jitterMs, endpoint });
  }
  return arrivals.toSorted((a, b) => a.at - b.at);
}

function mostInWindow(times: number[], windowMs: number): number {
  let most = 0;
  for (let i = 0, j = 0; i < times.length; i++) {
    while (times[i]! - times[j]! >= windowMs) j++;
    most = Math.max(most, i - j + 1);
  }
  return most;
}

describe('the gate with given rates', () => {
  test('no window receives more than the limit, globally and per endpoint (invariant 4)', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 50 }), fc.integer(), (global, endpoint, seed) => {
        const arrivals = flood({ global: { requests: global, windowMs: 1000 }, endpoint: { requests: endpoint, windowMs: 1000 } }, 6, 39, seed);
        expect(mostInWindow(arrivals.map((a) => a.at), 1000)).toBeLessThanOrEqual(global);
        for (const name of ['e0', 'e1', 'e2']) expect(mostInWindow(arrivals.filter((a) => a.endpoint === name).map((a) => a.at), 1000)).toBeLessThanOrEqual(endpoint);
      }),
      { numRuns: 200 },
    );
  });

  test('the limit is used, at least nine tenths of it', () => {
    const arrivals = flood({ global: { requests: 100, windowMs: 1000 } }, 20, 0, 1);
    expect(arrivals.length).toBeGreaterThan(0.9 * 100 * 20);
  });

  test('a rejection holds all requests of the credential, a labelled one those of its endpoint', () => {
    const gate = new DeclaredGate({ global: { requests: 100, windowMs: 1000 }, endpoint: { requests: 25, windowMs: 1000 } }, seededRandom(1));
    gate.sent(0, 'a');
    gate.answered(10, 'a', { rejected: true, scope: 'endpoint' });
    expect(gate.check(11, 'a').go).toBe(false);
    expect(gate.check(11, 'b').go).toBe(true);
    gate.sent(20, 'b');
    gate.answered(30, 'b', { rejected: true, scope: 'global' });
    expect(gate.check(31, 'b').go).toBe(false);
    expect(gate.check(31, 'c').go).toBe(false);
  });

  test('Retry-After is a floor, and its wait has a reason', () => {
    const gate = new DeclaredGate({}, seededRandom(1));
    gate.sent(0, 'a');
    gate.answered(0, 'a', { rejected: true, scope: 'global', retryAfterMs: 7000 });
    expect(gate.check(6999, 'a')).toMatchObject({ go: false, reason: 'Retry-After' });
    expect(gate.status(100).waiting).toMatchObject({ reason: 'Retry-After', untilMs: 7000 });
    expect(gate.check(7000, 'a').go).toBe(true);
  });

  test('after a block one probe goes first; its success frees the rest', () => {
    const gate = new DeclaredGate({}, seededRandom(1));
    gate.sent(0, 'a');
    gate.answered(0, 'a', { rejected: true, scope: 'global', retryAfterMs: 1000 });
    expect(gate.check(1000, 'a').go).toBe(true);
    gate.sent(1000, 'a');
    expect(gate.check(1001, 'a').go).toBe(false);
    gate.answered(1100, 'a', { rejected: false, scope: 'global' });
    expect(gate.check(1101, 'a').go).toBe(true);
  });
});
