/** The gate in virtual time against servers of every phase, skew and size: what must never happen (invariant 4). */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { gate } from '../../bench/lib/contenders.js';
import { DIALECTS } from '../../src/http/dialects/vendors.js';
import type { Random } from '../../src/base/random.js';
import { slidingLog } from '../../src/testbed/limit-kinds.js';
import {
  deltaWindows,
  epochWindows,
  type LimitModel,
  LIMIT_MODELS,
  stripeLimits,
} from '../../src/testbed/limit-models.js';
import { bucket, TELLS, toldWindows } from '../../src/testbed/odd-limits.js';
import { simulate, type VirtualResult } from './virtual-api.js';

/** Most requests received in any window of this length. */
function mostInWindow(times: number[], windowMs: number): number {
  let most = 0;
  for (let i = 0, j = 0; i < times.length; i++) {
    while (times[i]! - times[j]! >= windowMs) j++;
    most = Math.max(most, i - j + 1);
  }
  return most;
}

const seed = fc.integer({ min: 1, max: 2 ** 30 });
const skewMs = fc.integer({ min: -1_000_000, max: 1_000_000 });
const network = fc.record({
  skewMs,
  wayMs: fc.integer({ min: 1, max: 80 }),
  waySigma: fc.double({ min: 0, max: 0.6, noNaN: true }),
  serviceMs: fc.integer({ min: 10, max: 400 }),
  serviceSigma: fc.double({ min: 0, max: 0.5, noNaN: true }),
});

describe('windows that headers state', () => {
  const windows = fc.record({
    limit: fc.integer({ min: 5, max: 300 }),
    windowMs: fc.constantFrom(2000, 5000, 10_000, 15_000, 60_000),
    phaseMs: fc.integer({ min: 0, max: 60_000 }),
  });

  test('nothing is rejected, whatever the phase, the skew of the clocks and the order of the answers (invariant 4; 700 runs)', () => {
    fc.assert(
      fc.property(windows, network, seed, ({ limit, windowMs, phaseMs }, net, run) => {
        const [result] = simulate([gate()], {
          model: epochWindows(limit, windowMs, phaseMs),
          dialect: DIALECTS['intercom']!,
          seconds: 45,
          seed: run,
          network: net,
        }) as [VirtualResult];
        expect(result.rejected).toBe(0);
      }),
      { numRuns: 700 },
    );
  });

  test('nor where the reset is told as whole seconds from now, the window stated or not', () => {
    fc.assert(
      fc.property(windows, network, seed, fc.boolean(), ({ limit, windowMs, phaseMs }, net, run, stated) => {
        const [result] = simulate([gate()], {
          model: deltaWindows(limit, Math.max(5000, windowMs), phaseMs, stated),
          dialect: DIALECTS['generic']!,
          seconds: 45,
          seed: run,
          network: net,
        }) as [VirtualResult];
        expect(result.rejected).toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  test('nor where a part of the answers lost their headers, or requests cost differently', () => {
    const cost = (random: Random) => {
      const n = 1 + random.integer(4);
      return { requested: n, actual: n };
    };
    fc.assert(
      fc.property(
        windows,
        network,
        seed,
        fc.double({ min: 0, max: 0.5, noNaN: true }),
        ({ limit, windowMs, phaseMs }, net, run, headerLoss) => {
          const [result] = simulate([gate()], {
            model: epochWindows(limit, windowMs, phaseMs),
            dialect: DIALECTS['intercom']!,
            seconds: 45,
            seed: run,
            network: net,
            headerLoss,
            cost,
          }) as [VirtualResult];
          expect(result.rejected).toBe(0);
        },
      ),
      { numRuns: 150 },
    );
  });

  test('and nine tenths of the quota are used once the window is known', () => {
    for (const [limit, windowMs] of [
      [100, 10_000],
      [300, 5000],
      [1667, 10_000],
    ] as const) {
      const [result] = simulate([gate()], {
        model: epochWindows(limit, windowMs, 370),
        dialect: DIALECTS['intercom']!,
        seconds: 120,
        seed: 3,
      }) as [VirtualResult];
      expect(result.acceptedCost / ((limit * 120_000) / windowMs)).toBeGreaterThan(0.9);
    }
  });
});

describe('a ceiling of the user', () => {
  test('no window receives more than max_rate, whatever the server allows (invariant 4; 300 runs)', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 150 }),
        fc.constantFrom('none', 'stripe-concurrency', 'token', 'hubspot', 'intercom'),
        seed,
        (requests, model, run) => {
          // A ceiling allows for a way that varies by 4% of the window.
          const net = { wayMs: 10, waySigma: 0.1, serviceMs: 60, serviceSigma: 0.4 };
          const [result] = simulate([gate({ ceilings: { maxRate: { requests, windowMs: 1000 } } })], {
            model: LIMIT_MODELS[model]!.make(),
            dialect: DIALECTS['generic']!,
            seconds: 20,
            seed: run,
            network: net,
          }) as [VirtualResult];
          expect(mostInWindow(result.received, 1000)).toBeLessThanOrEqual(requests);
        },
      ),
      { numRuns: 300 },
    );
  });

  test('a ceiling that is the limit itself is its only margin: none is rejected, and 95% are used from the first second on', () => {
    const second = (requests: number) => ({ requests, windowMs: 1000 });
    const facts = [
      { name: 'global', scope: 'credential' as const, usual: second(100) },
      { name: 'endpoint', scope: 'endpoint' as const, usual: second(25) },
    ];
    fc.assert(
      fc.property(seed, fc.integer({ min: 4, max: 60 }), (run, endpoints) => {
        const [result] = simulate([gate({ facts, ceilings: { maxRate: second(100), maxEndpointRate: second(25) } })], {
          model: stripeLimits(100, 25),
          dialect: DIALECTS['stripe']!,
          seconds: 20,
          seed: run,
          network: { wayMs: 10, waySigma: 0.1, serviceMs: 60, serviceSigma: 0.4 },
          endpoints: Array.from({ length: endpoints }, (_, i) => `e${i}`),
        }) as [VirtualResult];
        expect(result.rejected).toBe(0);
        expect(mostInWindow(result.received, 1000)).toBeLessThanOrEqual(100);
        for (const seconds of [5, 10, 20])
          expect(result.received.filter((atMs) => atMs < seconds * 1000).length).toBeGreaterThan(95 * seconds);
      }),
      { numRuns: 30 },
    );
  });

  test('a share leaves the rest to others, once the limit is known', () => {
    const [result] = simulate([gate({ ceilings: { share: 0.5 } })], {
      model: LIMIT_MODELS['intercom']!.make(),
      dialect: DIALECTS['intercom']!,
      seconds: 120,
      seed: 1,
    }) as [VirtualResult];
    expect(result.rejected).toBe(0);
    expect(result.acceptedCost / (166.7 * 120)).toBeLessThan(0.5);
    expect(result.acceptedCost / (166.7 * 120)).toBeGreaterThan(0.4);
  });

  test('max_concurrency bounds what is in flight', () => {
    const contender = gate({ ceilings: { maxConcurrency: 3 } });
    let inFlight = 0;
    let most = 0;
    const counted = {
      ...contender,
      sent: (nowMs: number, cost: number) => {
        most = Math.max(most, ++inFlight);
        return contender.sent(nowMs, cost);
      },
      answered: (...args: Parameters<typeof contender.answered>) => {
        inFlight--;
        contender.answered(...args);
      },
    };
    simulate([counted], { model: LIMIT_MODELS['none']!.make(), dialect: DIALECTS['generic']!, seconds: 20, seed: 1 });
    expect(most).toBe(3);
  });
});

describe('a limit that is known beforehand', () => {
  const kinds: Record<string, (limit: number, windowMs: number) => LimitModel> = {
    bucket: (limit, windowMs) => bucket((limit * 1000) / windowMs, limit),
    sliding: (limit, windowMs) => slidingLog(limit, windowMs),
    fixed: (limit, windowMs) => toldWindows(limit, windowMs, () => ({})),
    epoch: (limit, windowMs) => toldWindows(limit, windowMs, TELLS['epoch']!),
    ietf: (limit, windowMs) => toldWindows(limit, windowMs, TELLS['ietf']!),
  };

  test.each(Object.keys(kinds))('not one more is sent at the start, whatever the numbers: %s (150 runs)', (kind) => {
    const isStated = kind === 'epoch' || kind === 'ietf';
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 300 }),
        fc.constantFrom(1000, 2000, 10_000),
        fc.integer({ min: 10, max: 400 }),
        // Requests arrive late by up to three times this share of the window.
        fc.double({ min: 0.001, max: 0.006, noNaN: true }),
        seed,
        (limit, windowMs, serviceMs, late, run) => {
          const facts = [{ name: 'requests', scope: 'credential' as const, usual: { requests: limit, windowMs } }];
          const [result] = simulate([gate({ facts })], {
            model: kinds[kind]!(limit, windowMs),
            dialect: DIALECTS['generic']!,
            seconds: 10,
            seed: run,
            network: { wayMs: late * windowMs, waySigma: 0.3, serviceMs, serviceSigma: 0.4 },
          }) as [VirtualResult];
          expect(result.rejected).toBe(0);
          // A window that is stated may be used up where it ends, and the next where it begins.
          if (!isStated) expect(mostInWindow(result.received, windowMs)).toBeLessThanOrEqual(limit);
        },
      ),
      { numRuns: 150 },
    );
  });
});

describe('limits that nobody states', () => {
  test.each([
    ['token', 'generic', 100],
    ['stripe-concurrency', 'stripe', 87.9],
    ['sliding', 'generic', 100],
    ['retry-after', 'generic', 11.67],
  ])('%s is found, and rarely exceeded', (model, dialect, perSecond) => {
    const [result] = simulate([gate()], {
      model: LIMIT_MODELS[model]!.make(),
      dialect: DIALECTS[dialect]!,
      seconds: 300,
      seed: 5,
    }) as [VirtualResult];
    expect(result.acceptedCost / (perSecond * 300)).toBeGreaterThan(0.85);
    expect(result.rejected / result.sent).toBeLessThan(0.02);
  });

  test.each([1, 2, 3])(
    'the edge of a sliding second is kept to: more than nine tenths of it, and one rejection in a thousand (seed %i)',
    (run) => {
      const facts = [{ name: 'requests', scope: 'credential' as const, usual: { requests: 100, windowMs: 1000 } }];
      const [result] = simulate([gate({ facts })], {
        model: LIMIT_MODELS['sliding']!.make(),
        dialect: DIALECTS['generic']!,
        seconds: 400,
        seed: run,
      }) as [VirtualResult];
      expect(result.acceptedCost / 40_000).toBeGreaterThan(0.925);
      expect(result.rejected / result.sent).toBeLessThan(0.001);
    },
  );

  test.each([1, 2, 3])(
    'a limit that falls is obeyed within ten seconds, one that is raised used within ninety (seed %i)',
    (run) => {
      const [{ series }] = simulate([gate()], {
        model: LIMIT_MODELS['changing']!.make(),
        dialect: DIALECTS['generic']!,
        seconds: 600,
        seed: run,
      }) as [VirtualResult];
      const mean = (from: number, to: number) => series.slice(from, to).reduce((sum, n) => sum + n, 0) / (to - from);
      expect(mean(210, 390)).toBeGreaterThan(0.9 * 40);
      expect(mean(490, 600)).toBeGreaterThan(0.9 * 150);
    },
  );

  test('a ban is met at most three times, and the next run remembers it', () => {
    const first = gate();
    const [met] = simulate([first], {
      model: LIMIT_MODELS['airtable']!.make(),
      dialect: DIALECTS['airtable']!,
      seconds: 600,
      seed: 2,
    }) as [VirtualResult];
    expect(met.bans).toBeLessThanOrEqual(3);
    const [again] = simulate([gate({ memory: JSON.parse(JSON.stringify(first.gate.remember())) })], {
      model: LIMIT_MODELS['airtable']!.make(),
      dialect: DIALECTS['airtable']!,
      seconds: 300,
      seed: 3,
    }) as [VirtualResult];
    expect(again.bans).toBeLessThanOrEqual(1);
    expect(again.acceptedCost / (5 * 300)).toBeGreaterThan(0.7);
  });

  test('a pause before the work begins is no part of what the first rejection teaches', () => {
    for (let run = 1; run <= 5; run++) {
      const own = gate({ facts: [{ name: 'global', scope: 'credential', usual: { requests: 100, windowMs: 1000 } }] });
      let sent = 0;
      const late = {
        ...own,
        check: (nowMs: number, cost: number) => (sent > 0 && nowMs < 1500 ? 1500 - nowMs : own.check(nowMs, cost)),
        sent: (nowMs: number, cost: number) => (sent++, own.sent(nowMs, cost)),
      };
      const [result] = simulate([late], {
        model: stripeLimits(40),
        dialect: DIALECTS['stripe']!,
        seconds: 20,
        seed: run,
      }) as [VirtualResult];
      expect(result.series.slice(4, 14).reduce((a, b) => a + b, 0) / 10, `run ${run}`).toBeGreaterThan(0.7 * 40);
    }
  });

  test('what was learned is where the next run begins', () => {
    const first = gate();
    const options = { model: LIMIT_MODELS['token']!.make(), dialect: DIALECTS['generic']!, seconds: 120, seed: 4 };
    simulate([first], options);
    const second = gate({ memory: JSON.parse(JSON.stringify(first.gate.remember())) });
    const [early] = simulate([second], { ...options, model: LIMIT_MODELS['token']!.make(), seconds: 3 }) as [
      VirtualResult,
    ];
    const [blind] = simulate([gate()], { ...options, model: LIMIT_MODELS['token']!.make(), seconds: 3 }) as [
      VirtualResult,
    ];
    expect(early.acceptedCost).toBeGreaterThan(5 * blind.acceptedCost);
  });
});
