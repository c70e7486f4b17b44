import { describe, expect, test } from 'vitest';
import { CredentialGate } from './credential-gate.js';
import type { Answer, LimitFact, LimitSigns, Ticket } from './gate.js';

const STRIPE: LimitFact[] = [
  { name: 'global', scope: 'credential', usual: { requests: 100, windowMs: 1000 } },
  { name: 'endpoint', scope: 'endpoint', usual: { requests: 25, windowMs: 1000 } },
];
const answer = (kind: Answer['kind'], signs: Partial<LimitSigns> = {}): Answer => ({
  kind,
  signs: { readings: [], ...signs },
  serverTimeMs: undefined,
});
const accepted = answer('accepted');
const at = (endpoint: string, cost = 1) => ({ endpoint, cost });

/** Sends whatever may be sent until the time, each answered at once; returns how many. */
function flood(gate: CredentialGate, endpoint: string, fromMs: number, toMs: number, reply: Answer = accepted): number {
  let sent = 0;
  for (let now = fromMs; now < toMs; now += 5) {
    while (gate.check(now, at(endpoint)).go) {
      gate.answered(now, gate.sent(now, at(endpoint)), reply);
      sent++;
    }
  }
  return sent;
}

describe('the gate of a credential', () => {
  test('a request leaves when every limit that counts it has room', () => {
    const gate = new CredentialGate({ facts: STRIPE });
    const one = flood(gate, 'a', 0, 2000);
    expect(one).toBeGreaterThan(40);
    expect(one).toBeLessThanOrEqual(54);
    // Another endpoint has its own 25/s, and both share the 100/s.
    expect(gate.check(2000, at('b')).go).toBe(true);
    expect(gate.rateOf('a')).toBeLessThanOrEqual(27);
  });

  test('a rejection that names an endpoint holds that endpoint alone, another one holds everything', () => {
    const gate = new CredentialGate({ facts: STRIPE });
    gate.answered(
      10,
      gate.sent(0, at('a')),
      answer('rejected', { rejection: { limit: 'endpoint', scope: 'endpoint', reason: 'rate' } }),
    );
    expect(gate.check(30, at('a')).go).toBe(false);
    expect(gate.check(30, at('b')).go).toBe(true);
    gate.answered(50, gate.sent(40, at('b')), answer('rejected', { rejection: { limit: 'global', reason: 'rate' } }));
    expect(gate.check(51, at('b')).go).toBe(false);
    expect(gate.check(51, at('c')).go).toBe(false);
    expect(gate.status(51).rejectedFor).toEqual({ 'endpoint rate': 1, 'global rate': 1 });
  });

  test('Retry-After is a floor, whose wait has a reason, a limit and an end', () => {
    const gate = new CredentialGate();
    gate.answered(10, gate.sent(0, at('a')), answer('rejected', { rejection: { retryAfterMs: 7000 } }));
    expect(gate.check(5000, at('a'))).toMatchObject({ go: false, reason: 'Retry-After', limit: 'requests' });
    expect(gate.status(5000).waiting).toEqual({ reason: 'Retry-After', limit: 'requests', sinceMs: 10, untilMs: 7010 });
    expect(gate.check(7010, at('a')).go).toBe(true);
  });

  test('after a block one probe goes first; its success frees the rest', () => {
    const gate = new CredentialGate();
    gate.answered(10, gate.sent(0, at('a')), answer('rejected', { rejection: { reason: 'rate', retryAfterMs: 1000 } }));
    const probe = gate.sent(1010, at('a'));
    expect(gate.check(1011, at('a'))).toMatchObject({ go: false, waitMs: Infinity });
    gate.answered(1100, probe, accepted);
    expect(gate.check(1700, at('a')).go).toBe(true);
  });

  test('a probe that is lost on the way blocks nothing for good', () => {
    const gate = new CredentialGate();
    gate.answered(10, gate.sent(0, at('a')), answer('rejected', { rejection: { reason: 'rate', retryAfterMs: 1000 } }));
    gate.answered(1100, gate.sent(1010, at('a')), answer('lost'));
    expect(gate.check(3000, at('a')).go).toBe(true);
  });

  test('an answer that is fine and asks to slow down is obeyed', () => {
    const gate = new CredentialGate();
    gate.answered(10, gate.sent(0, at('a')), answer('accepted', { holdMs: 2000 }));
    expect(gate.check(1500, at('a'))).toMatchObject({ go: false, reason: 'Retry-After' });
    expect(gate.check(2010, at('a')).go).toBe(true);
  });

  test('a wait that every accepted answer asks for is no word on a limit, until one is rejected', () => {
    const gate = new CredentialGate();
    const waits: number[] = [];
    let now = 0;
    const ask = (reply: Answer) => {
      gate.answered(now + 10, gate.sent(now, at('a')), reply);
      const verdict = gate.check(now + 1000, at('a'));
      waits.push(verdict.go ? 0 : verdict.waitMs + 990);
      now += 1000 + (verdict.go ? 0 : verdict.waitMs);
    };
    for (let i = 0; i < 6; i++) ask(answer('accepted', { holdMs: 30_000 }));
    expect(waits).toEqual([30_000, 30_000, 30_000, 0, 0, 0]);
    ask(accepted);
    ask(answer('accepted', { holdMs: 30_000 }));
    expect(waits.at(-1)).toBe(30_000);
  });

  test('points of a bucket are spent by cost, and refunded by what it really was', () => {
    const gate = new CredentialGate();
    const bucket = (available: number) => ({
      kind: 'bucket' as const,
      limit: 'requests',
      available,
      max: 100,
      restorePerSecond: 10,
    });
    gate.answered(0, gate.sent(0, at('a', 50)), answer('accepted', { readings: [bucket(50)], actualCost: 50 }));
    const second = gate.sent(0, at('a', 50));
    expect(gate.check(0, at('a', 20))).toMatchObject({ go: false, reason: 'points of the bucket' });
    gate.answered(0, second, answer('accepted', { readings: [bucket(40)], actualCost: 10 }));
    expect(gate.check(0, at('a', 20)).go).toBe(true);
  });

  test('a long budget is spent down to its reserve, and then waits for its reset', () => {
    const gate = new CredentialGate();
    const hour = (remaining: number): Answer => ({
      kind: 'accepted',
      signs: {
        readings: [
          {
            kind: 'budget',
            limit: 'core',
            quota: 1000,
            remaining,
            windowMs: 3_600_000,
            resetMs: 1_800_000_000_000 + 1_000_000,
          },
        ],
      },
      serverTimeMs: 1_800_000_000_000,
    });
    gate.answered(10, gate.sent(0, at('a')), hour(21));
    expect(gate.check(600, at('a')).go).toBe(true);
    gate.answered(700, gate.sent(600, at('a')), hour(20));
    expect(gate.check(2000, at('a'))).toMatchObject({ go: false, reason: 'quota used up', limit: 'core' });
    expect(gate.check(1_002_000, at('a')).go).toBe(true);
  });

  test('a budget that the server refuses without a reset is asked for again, ever more rarely', () => {
    const gate = new CredentialGate();
    const refused = answer('rejected', { rejection: { limit: 'daily', reason: 'budget' } });
    let now = 0;
    const waits: number[] = [];
    for (let i = 0; i < 4; i++) {
      gate.answered(now, gate.sent(now, at('a')), refused);
      const verdict = gate.check(now, at('a'));
      waits.push(verdict.go ? 0 : verdict.waitMs);
      now += waits.at(-1)!;
    }
    expect(waits).toEqual([60_000, 120_000, 240_000, 480_000]);
  });

  test('concurrency that a rejection names is kept below', () => {
    const gate = new CredentialGate({ facts: STRIPE });
    const tickets: Ticket[] = [];
    for (let i = 0; i < 5; i++) tickets.push(gate.sent(i, at('a')));
    gate.answered(10, tickets[4]!, answer('rejected', { rejection: { limit: 'global', reason: 'concurrency' } }));
    expect(gate.concurrency()).toBe(4);
    expect(gate.check(500, at('b'))).toMatchObject({ go: false, reason: 'concurrency limit' });
    gate.answered(510, tickets[0]!, accepted);
    expect(gate.check(511, at('b')).go).toBe(true);
  });

  test('what an earlier run learned is taken over before the first request, and never while one is under way', () => {
    const gate = new CredentialGate();
    const memory = {
      requests: { rate: { perSecond: 80, windowMs: 1000, probeEveryMs: 8000 }, blame: 'rate' as const },
    };
    const ticket = gate.sent(0, at('a'));
    gate.recall(memory);
    expect(gate.rateOf('a')).toBeLessThan(20);
    gate.answered(1, ticket, accepted);
    gate.recall(memory);
    expect(gate.rateOf('a')).toBe(80);
    expect(gate.status(0).limits[0]).toMatchObject({ knownBy: 'memory', perSecond: 80 });
  });

  test('a server that names ever new limits is only listened to so long', () => {
    const gate = new CredentialGate();
    for (let i = 0; i < 1000; i++) {
      gate.answered(
        i,
        gate.sent(i, at(`e${i}`)),
        answer('accepted', {
          readings: [
            { kind: 'rolling', limit: `l${i}`, quota: 10, remaining: 9, windowMs: 1000 },
            { kind: 'budget', limit: `b${i}`, quota: 10, remaining: 9, windowMs: 3_600_000 },
          ],
        }),
      );
    }
    expect(gate.status(1000).limits.length).toBeLessThan(500);
  });
});
