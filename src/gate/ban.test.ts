import { describe, expect, test } from 'vitest';
import { seededRandom } from '../base/random.js';
import { BanDistance, paceUnder, rateUnder, type BanRule } from './ban.js';

const RULE: BanRule = { quota: 5, windowMs: 1000, banMs: 30_000, slack: 1 };

/** Sends as soon as the distance allows; returns when the server received each request, in the order sent. */
function drive(
  distance: BanDistance,
  requests: number,
  seed: number,
  way: (random: () => number) => { up: number; rest: number },
  spreadMs: number,
): { sent: number[]; received: number[] } {
  const random = seededRandom(seed);
  const sent: number[] = [];
  const received: number[] = [];
  const answers: { atMs: number; sentMs: number }[] = [];
  for (let now = 0; sent.length < requests;) {
    const waitMs = distance.waitMs(now, 1, RULE, spreadMs);
    const answer = answers.toSorted((a, b) => a.atMs - b.atMs)[0];
    if (waitMs <= 0) {
      const { up, rest } = way(() => random.next());
      distance.sent(now, 1);
      sent.push(now);
      received.push(now + up);
      answers.push({ atMs: now + up + rest, sentMs: now });
      now += 1 + 20 * random.next();
    } else if (answer && answer.atMs <= now + waitMs) {
      answers.splice(answers.indexOf(answer), 1);
      now = Math.max(now, answer.atMs);
      distance.accepted(answer.sentMs, now, 1);
    } else now += waitMs + 1e-6;
  }
  return { sent, received };
}

describe('the distance that keeps clear of a ban', () => {
  test('no window receives more than the quota, however late requests arrive, where the fastest answer is known', () => {
    for (let seed = 1; seed <= 200; seed++) {
      const distance = new BanDistance(60);
      const { received } = drive(
        distance,
        100,
        seed,
        (random) => ({ up: 10 + (random() < 0.1 ? 400 : 60) * random(), rest: 50 + 300 * random() }),
        5000,
      );
      const inOrder = received.toSorted((a, b) => a - b);
      for (let i = 5; i < inOrder.length; i++)
        expect(inOrder[i]! - inOrder[i - 5]!).toBeGreaterThanOrEqual(1000 - 1e-3);
    }
  });

  test('an even way costs nothing once it is known; before, the spread is kept', () => {
    const even = () => ({ up: 40, rest: 100 });
    const fresh = drive(new BanDistance(undefined), 400, 1, even, 150).sent;
    expect(fresh[50]! - fresh[45]!).toBeGreaterThanOrEqual(1150);
    expect(fresh[399]! - fresh[394]!).toBeLessThan(1040);
    const known = drive(new BanDistance(140), 50, 1, even, 150).sent;
    expect(known[49]! - known[44]!).toBeLessThan(1040);
  });

  test('what was granted and never sent is kept clear of no more', () => {
    const distance = new BanDistance(100);
    for (let i = 0; i < 5; i++) distance.sent(i, 1);
    expect(distance.waitMs(10, 1, RULE, 100)).toBeGreaterThan(1000);
    distance.unsent(4, 1);
    expect(distance.waitMs(10, 1, RULE, 100)).toBe(0);
  });

  test('a request of several points keeps clear of as many; of two sent at one time each waits for its own answer', () => {
    const distance = new BanDistance(100);
    for (let i = 0; i < 3; i++) distance.sent(i, 1);
    expect(distance.waitMs(10, 2, RULE, 100)).toBe(0);
    expect(distance.waitMs(10, 3, RULE, 100)).toBeGreaterThan(1000);
    const twins = new BanDistance(100);
    for (let i = 0; i < 5; i++) twins.sent(0, 1);
    twins.accepted(0, 100, 1);
    expect(twins.waitMs(100, 1, RULE, 400)).toBe(1300);
    for (let i = 0; i < 4; i++) twins.accepted(0, 100, 1);
    expect(twins.waitMs(100, 1, RULE, 400)).toBe(940);
  });

  test('a quota of more requests than are kept is spread evenly, with room for the way', () => {
    const large = { ...RULE, quota: 100 };
    expect(paceUnder(large, 150)).toBe(rateUnder(large, 150));
    expect(paceUnder(RULE, 150)).toBe(5);
  });
});
