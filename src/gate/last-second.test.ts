import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LastSecond } from './last-second.js';

test('it tells what was sent within the last second, to a slot', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 1, max: 5 })), { maxLength: 200 }),
      (sends) => {
        const log = new LastSecond();
        const sent: [number, number][] = [];
        let now = 12_345;
        for (const [gapMs, cost] of sends) {
          now += gapMs;
          const within = (ms: number) => sent.filter(([at]) => at > now - ms).reduce((sum, [, each]) => sum + each, 0);
          expect(log.total(now)).toBeGreaterThanOrEqual(within(990) - 1e-9);
          expect(log.total(now)).toBeLessThanOrEqual(within(1011) + 1e-9);
          log.add(now, cost);
          sent.push([now, cost]);
        }
      },
    ),
  );
});

test('what was never sent is taken back', () => {
  const log = new LastSecond();
  log.add(5000, 3);
  log.add(5200, 2);
  log.takeBack(4);
  expect(log.total(5200)).toBe(1);
  expect(log.total(5990)).toBe(1);
  expect(log.total(6020)).toBe(0);
});
