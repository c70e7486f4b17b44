import { expect, test } from 'vitest';
import { seededRandom } from '../base/random.js';
import { CredentialGate } from './credential-gate.js';
import type { Ceilings, Ticket } from './gate.js';
import { ceilingsOfOne, InterchangeableGate } from './interchangeable-gate.js';

const request = { endpoint: 'users', cost: 1 };
const fine = { kind: 'accepted' as const, signs: { readings: [] }, serverTimeMs: undefined };

/**
 * Sends whenever it may for `seconds`; every answer takes 30 to 90 ms. Returns when requests left, and by which
 * credential.
 */
function drive(ceilings: Ceilings, seconds: number): { atMs: number; member: number; inFlight: number }[] {
  const random = seededRandom(7);
  const facts = [{ name: 'requests', scope: 'credential' as const, usual: { requests: 40, windowMs: 1000 } }];
  const gate = new InterchangeableGate(
    [1, 2, 3].map(() => new CredentialGate({ facts, ceilings: ceilingsOfOne(ceilings, 3) })),
    ceilings,
  );
  const sent: { atMs: number; member: number; inFlight: number }[] = [];
  const open: { ticket: Ticket; endMs: number }[] = [];
  for (let now = 0; now < seconds * 1000; now += 1) {
    for (const done of open.filter(({ endMs }) => endMs <= now)) {
      open.splice(open.indexOf(done), 1);
      gate.answered(now, done.ticket, fine);
    }
    while (gate.check(now, request).go) {
      const ticket = gate.sent(now, request);
      open.push({ ticket, endMs: now + 30 + random.next() * 60 });
      sent.push({ atMs: now, member: gate.memberOf(ticket), inFlight: open.length });
    }
  }
  return sent;
}

test('the limits of all are filled together, each in its turn', () => {
  const sent = drive({}, 20);
  const byMember = [0, 1, 2].map((member) => sent.filter((each) => each.member === member).length / 20);
  for (const perSecond of byMember) {
    expect(perSecond).toBeGreaterThan(36);
    expect(perSecond).toBeLessThan(60);
  }
});

test('what a user allows is kept over all of them', () => {
  const sent = drive({ maxRate: { requests: 30, windowMs: 1000 } }, 20);
  for (const [index, { atMs }] of sent.entries())
    expect(sent.filter((other, at) => at >= index && other.atMs < atMs + 1000).length).toBeLessThanOrEqual(30);
  expect(sent.length / 20).toBeGreaterThan(25);
  expect(Math.max(...drive({ maxConcurrency: 2 }, 5).map(({ inFlight }) => inFlight))).toBe(2);
});
