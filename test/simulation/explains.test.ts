/** What one story explains wrongly, the gate takes back: limits that fall and rise, noise, endpoints of their own. */
import { expect, test } from 'vitest';
import { gate } from '../../bench/lib/contenders.js';
import type { LimitFact } from '../../src/gate/gate.js';
import { DIALECTS } from '../../src/http/dialects/vendors.js';
import { bucketOverTime, slidingLog, type LimitModel } from '../../src/testbed/limit-kinds.js';
import { anyWindow, bucket, byEndpoint, noise, outage, toldWindows } from '../../src/testbed/odd-limits.js';
import { simulate, type VirtualResult } from './virtual-api.js';

const SEEDS = [1, 2, 3];

function run(model: LimitModel, expected: number, seconds: number, seed: number, endpoints?: string[]): VirtualResult {
  const facts: LimitFact[] = [
    { name: 'requests', scope: 'credential', usual: { requests: expected * 10, windowMs: 10_000 } },
  ];
  const [result] = simulate([gate({ facts })], {
    model,
    dialect: DIALECTS['generic']!,
    seconds,
    seed,
    ...(endpoints ? { endpoints } : {}),
  });
  return result!;
}

function perSecond(series: number[], from: number, to: number): number {
  return series.slice(from, to).reduce((sum, n) => sum + n, 0) / (to - from);
}

/** Each rate holds for a minute, the last one for ever. */
function changing(rates: number[]): LimitModel {
  return bucketOverTime((ms) => rates[Math.min(rates.length - 1, Math.floor(ms / 60_000))]!);
}

test.for([[[60, 24, 90]], [[80, 25, 80]], [[100, 40, 150]]])(
  'a limit that fell and came back is used again: %j',
  ([rates]) => {
    const [first, low, back] = rates as [number, number, number];
    for (const seed of SEEDS) {
      const { series } = run(changing(rates!), first, 240, seed);
      expect(perSecond(series, 80, 120), `while it is low, seed ${seed}`).toBeGreaterThan(0.85 * low);
      expect(perSecond(series, 180, 240), `when it is back, seed ${seed}`).toBeGreaterThan(0.8 * back);
    }
  },
);

test.for([
  [0.02, 40],
  [0.05, 60],
  [0.05, 100],
])('answers that are bad for no reason, a share of %d, hold nothing back at %d/s', ([share, rate]) => {
  for (const seed of SEEDS) {
    const { series } = run(noise(share!, bucket(rate!)), Math.round(rate! * (1 - share!)), 180, seed);
    expect(perSecond(series, 90, 180), `seed ${seed}`).toBeGreaterThan(0.8 * rate! * (1 - share!));
  }
});

test.for([[{ a: 20, b: 20, c: 20, d: 20, e: 0.5 }], [{ a: 15, b: 15, c: 1 }], [{ a: 30, b: 2 }]])(
  'an endpoint with a limit of its own is used as far as it goes: %j',
  ([rates]) => {
    const limits = Object.entries(rates as Record<string, number>);
    const of = Object.fromEntries(limits);
    for (const seed of SEEDS) {
      const model = byEndpoint((name) => bucket(of[name]!, Math.max(1, of[name]!)));
      const { byEndpoint: used } = run(model, 100, 300, seed, Object.keys(of));
      for (const [name, rate] of limits)
        expect(perSecond(used[name]!, 150, 300), `${name}, seed ${seed}`).toBeGreaterThan(0.75 * rate);
    }
  },
);

const USUAL = 25;
const LEFT = 0.5;

/** Runs on from a rate that an earlier run was left with, far below what is usual. */
function goOn(model: LimitModel, seed: number): VirtualResult {
  const endpoints = ['a', 'b', 'c'];
  const facts: LimitFact[] = [
    { name: 'global', scope: 'credential', usual: { requests: 4 * USUAL, windowMs: 1000 } },
    { name: 'endpoint', scope: 'endpoint', usual: { requests: USUAL, windowMs: 1000 } },
  ];
  const rate = { perSecond: LEFT, windowMs: 0, probeEveryMs: 12_000 };
  const memory = Object.fromEntries(endpoints.map((name) => [`endpoint/${name}`, { rate, noise: 0.0005 }]));
  const options = { model, dialect: DIALECTS['generic']!, seconds: 1200, seed, endpoints };
  const [result] = simulate([gate({ facts, memory })], options);
  return result!;
}

test('errors at random do not keep a rate low that an earlier run was left with', () => {
  for (const seed of SEEDS) {
    const { series } = goOn(
      noise(
        0.02,
        byEndpoint(() => bucket(60)),
        seed,
        500,
      ),
      seed,
    );
    expect(perSecond(series, 900, 1200), `seed ${seed}`).toBeGreaterThan(USUAL);
  }
});

test('a low rate that an earlier run was left with is kept to where it is the limit', () => {
  for (const seed of SEEDS) {
    const { rejected, sent, series } = goOn(
      byEndpoint(() => bucket(LEFT, 1, 503)),
      seed,
    );
    expect(rejected / sent, `seed ${seed}`).toBeLessThan(0.05);
    expect(perSecond(series, 0, 1200), `seed ${seed}`).toBeGreaterThan(0.7 * 3 * LEFT);
  }
});

test('what is believed can be read: more bad answers above the edge than below it', () => {
  for (const seed of SEEDS) {
    const own = gate();
    simulate([own], { model: bucket(50), dialect: DIALECTS['generic']!, seconds: 180, seed });
    const view = own.gate.status(180_000).limits[0]!;
    expect(view.explanation, `seed ${seed}`).toBe('rate');
    const { above, below } = view;
    expect(above!.rate, `seed ${seed}`).toBeGreaterThan(0.97 * below!.rate);
    expect(above!.bad / above!.all, `seed ${seed}`).toBeGreaterThan(below!.bad / below!.all);
  }
});

/** One trial in another time tells: neither is taken for the other, whatever its numbers. */
test.for([
  [20, 10_000],
  [40, 20_000],
  [12, 4000],
])('a number that is spent in a window is found, though refused requests count: %d in %d ms', ([limit, windowMs]) => {
  for (const seed of SEEDS) {
    const own = gate();
    const options = { model: anyWindow(limit!, windowMs!, true), dialect: DIALECTS['generic']!, seconds: 600, seed };
    const [result] = simulate([own], options);
    expect(perSecond(result!.series, 120, 600), `seed ${seed}`).toBeGreaterThan((0.7 * limit! * 1000) / windowMs!);
    expect(result!.rejected / result!.sent, `seed ${seed}`).toBeLessThan(0.05);
  }
});

test.for([
  [0.02, 60],
  [0.005, 150],
])('noise, of a share of %d, makes nobody forget an edge: few seconds pass it by far at %d/s', ([share, rate]) => {
  let far = 0;
  for (const seed of SEEDS) {
    const perSecondReceived: number[] = [];
    for (const atMs of run(noise(share!, bucket(rate!)), rate!, 400, seed).received) {
      const second = Math.floor(atMs / 1000);
      perSecondReceived[second] = (perSecondReceived[second] ?? 0) + 1;
    }
    far += perSecondReceived.slice(60).filter((count) => count > 1.2 * rate!).length;
  }
  expect(far).toBeLessThan(12);
});

/** Used in the same time by a gate that knows nothing. */
function blind(model: LimitModel, seconds: number, seed: number): VirtualResult {
  const [result] = simulate([gate()], { model, dialect: DIALECTS['generic']!, seconds, seed });
  return result!;
}

const LIMITS: Record<string, [rate: number, make: () => LimitModel]> = {
  'a bucket of 100/s': [100, () => bucket(100)],
  'a bucket of 20/s': [20, () => bucket(20)],
  'any 50 in a second': [50, () => slidingLog(50, 1000)],
  '400 in windows of 10 s': [40, () => toldWindows(400, 10_000, () => ({}))],
};
const SHARES = [0.05, 0.1, 0.15, 0.25];
const BESIDE_NOISE = 0.08;
/** Of what is left beside the noise; much of it takes longer to tell from a limit. */
const usedBeside = (share: number): number => (share > 0.1 ? 0.5 : 0.85);

test.for(Object.keys(LIMITS).flatMap((name) => SHARES.map((share) => [name, share] as const)))(
  'what is refused at any rate is no limit, and the limit beside it is found: %s, a share of %d',
  ([name, share]) => {
    const [rate, make] = LIMITS[name]!;
    const used: number[] = [];
    for (const seed of SEEDS) {
      const { series, rejectedIn } = blind(noise(share, make(), seed), 300, seed);
      used.push(perSecond(series, 60, 300));
      const refused = perSecond(rejectedIn, 60, 300);
      expect(refused / (refused + used.at(-1)!), `refused, seed ${seed}`).toBeLessThan(share + BESIDE_NOISE);
    }
    expect(used.reduce((a, b) => a + b) / used.length).toBeGreaterThan(usedBeside(share) * rate * (1 - share));
  },
);

const DARK = [
  [20_000, 60_000],
  [15_000, 45_000],
  [10_000, 60_000],
  [2000, 20_000],
] as const;

test.for(DARK.flatMap((dark) => [429, 503].flatMap((status) => [20, 100].map((rate) => [...dark, status, rate]))))(
  'after an outage the former rate comes back, however often: %d ms in %d ms, %d, at %d/s',
  ([lengthMs, everyMs, status, rate]) => {
    const used: number[] = [];
    for (const seed of SEEDS) {
      const { series } = blind(outage(20_000, lengthMs!, everyMs!, bucket(rate!), status), 600, seed);
      used.push(perSecond(series, 0, 600));
    }
    const dark = Math.floor((580_000 - lengthMs!) / everyMs!) + 1;
    const possible = rate! * (1 - (dark * lengthMs!) / 600_000);
    expect(used.reduce((a, b) => a + b) / used.length).toBeGreaterThan(0.8 * possible);
  },
);
