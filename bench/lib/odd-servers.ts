/** Servers that refuse for reasons that nobody states, and what the gate must reach on each. */
import type { LimitFact } from '../../src/gate/gate.js';
import type { LimitModel } from '../../src/testbed/limit-models.js';
import {
  anyWindow,
  atOnce,
  bucket,
  byEndpoint,
  late,
  noise,
  nothingLeft,
  outage,
  prolongedBan,
  queue,
  TELLS,
  toldWindows,
  varyingWindows,
} from '../../src/testbed/odd-limits.js';
import type { Network } from '../../test/simulation/virtual-api.js';

export interface OddRow {
  key: string;
  name: string;
  make: () => LimitModel;
  /** What the server can accept, per second; by endpoint where each has its own limit. */
  perSecond: number | Record<string, number>;
  /** The usual limit that is given where it is expected: per second, unless the window is told. */
  usual?: { requests: number; windowMs: number };
  seconds?: number;
  /** Measured from here on. */
  fromSeconds?: number;
  /** Use at least and rejections at most, percent. */
  least: number;
  most: number;
  /** The rejections counted are late answers. */
  countsLate?: boolean;
  dialect?: string;
  network?: Partial<Network>;
  /** What is expected, where one usual limit does not say it. */
  facts?: LimitFact[];
}

const HOUR = 3600;
const window = (requests: number, windowMs: number): LimitModel => toldWindows(requests, windowMs, () => ({}));
export const HELD = 0.15 * Math.exp(0.35 ** 2 / 2) + 2 * 0.03 * Math.exp(0.5 ** 2 / 2);
const noisy = (share: number, least: number): OddRow => ({
  key: `noise_${share * 1000}`,
  name: `100/s, ${share * 100}% refused for no reason`,
  make: () => noise(share, bucket(100)),
  perSecond: 100 * (1 - share),
  least,
  most: 100 * share + 0.3,
});
const long = (minutes: number): OddRow => ({
  key: `window_${minutes}_min`,
  name: `unstated windows of ${minutes} minutes, from the third on`,
  make: () => window(Math.round((5000 * minutes) / 60), minutes * 60_000),
  perSecond: 5000 / HOUR,
  seconds: Math.max(1800, 6 * minutes * 60),
  fromSeconds: 2 * minutes * 60,
  usual: { requests: Math.round((5000 * minutes) / 60), windowMs: minutes * 60_000 },
  least: 90,
  most: 1,
});
const told = (how: string): OddRow => ({
  key: `second_${how}`,
  name: `windows of a second, stated (${how})`,
  make: () => toldWindows(100, 1000, TELLS[how]!),
  perSecond: 100,
  least: 95,
  most: 0.1,
});
const misstated = (factor: number, windowMs: number): OddRow => ({
  key: `misstated_${factor * 10}_${windowMs / 1000}`,
  name: `stated ${factor} of the limit, windows of ${windowMs / 1000} s`,
  make: () => toldWindows((100 * windowMs) / 1000, windowMs, TELLS['epoch']!, factor),
  perSecond: 100,
  least: factor < 1 ? 66 : 90,
  most: 1,
});
const varying = (requests: number, windowMs: number): OddRow => ({
  key: `varying_${windowMs / 1000}`,
  name: `windows of ${windowMs / 1000} s, give or take a quarter`,
  make: () => varyingWindows(requests, windowMs, 0.25),
  perSecond: (requests * 1000) / windowMs,
  least: 80,
  most: 1,
});
const rates = (perSecond: Record<string, number>, key: string): OddRow => ({
  key,
  name: `endpoints with ${[...new Set(Object.values(perSecond))].join('/s and ')}/s`,
  make: () => byEndpoint((endpoint) => bucket(perSecond[endpoint]!, Math.max(1, perSecond[endpoint]!))),
  perSecond,
  usual: { requests: 100, windowMs: 1000 },
  least: 90,
  most: 1,
});

export const ODD_ROWS: OddRow[] = [
  noisy(0.001, 97),
  noisy(0.01, 95),
  noisy(0.05, 85),
  {
    key: 'outage_once',
    name: 'everything refused for 5 s, once',
    make: () => outage(100_000, 5000, Infinity, bucket(100)),
    perSecond: 100 * (595 / 600),
    least: 97,
    most: 1,
  },
  {
    key: 'outage_often',
    name: 'everything refused 15 s in 45',
    make: () => outage(20_000, 15_000, 45_000, bucket(100)),
    perSecond: (100 * (600 - 13 * 15)) / 600,
    least: 92,
    most: 1,
  },
  {
    key: 'outage_503',
    name: '503 for 10 s a minute',
    make: () => outage(20_000, 10_000, 60_000, bucket(100), 503),
    perSecond: (100 * 50) / 60,
    least: 92,
    most: 1,
  },
  {
    key: 'throttle_503',
    name: '503 as throttle at 100/s',
    make: () => bucket(100, 100, 503),
    perSecond: 100,
    least: 95,
    most: 1,
  },
  {
    key: 'queue',
    name: '20 at once, a queue with a cap of 30 (503)',
    make: () => queue(20, 30, 150),
    perSecond: 20 / (0.15 * Math.exp(0.35 ** 2 / 2)),
    least: 95,
    most: 1,
  },
  {
    key: 'late',
    name: 'over 60/s answers come 3 s late',
    make: () => late(60, 3000),
    perSecond: 60,
    least: 90,
    most: 1,
    countsLate: true,
  },
  told('epoch'),
  told('delta'),
  told('second'),
  told('ietf'),
  misstated(0.7, 10_000),
  misstated(1.4, 10_000),
  misstated(0.7, 1000),
  misstated(1.4, 1000),
  long(2),
  long(5),
  long(15),
  long(60),
  varying(100, 2000),
  varying(1000, 20_000),
  rates({ a: 40, b: 4 }, 'endpoints_2'),
  rates({ a: 20, b: 20, c: 20, d: 20, e: 0.5 }, 'endpoints_5'),
  {
    key: 'refused_count',
    name: '20 in 10 s, refused ones count',
    make: () => anyWindow(20, 10_000, true),
    perSecond: 2,
    least: 85,
    most: 1,
  },
  {
    key: 'ban_prolonged',
    name: '10/s, then a ban of 20 s that each request prolongs',
    make: () => prolongedBan(10, 20_000),
    perSecond: 10,
    fromSeconds: 60,
    least: 85,
    most: 1,
  },
  { key: 'ten', name: '10 in 10 s', make: () => window(10, 10_000), perSecond: 1, least: 85, most: 1 },
  {
    key: 'one_in_six',
    name: 'one in 6 s, two hours',
    make: () => window(1, 6000),
    perSecond: 1 / 6,
    seconds: 2 * HOUR,
    least: 85,
    most: 1,
  },
  ...[3, 4].map((n): OddRow => ({
    key: `at_once_${n}`,
    name: `${n} at once`,
    make: () => atOnce(n),
    perSecond: n / HELD,
    least: 38,
    most: 0.5,
  })),
  {
    key: 'at_once_endpoints',
    name: '3 at once for each of two endpoints',
    make: () => byEndpoint(() => atOnce(3)),
    perSecond: { a: 3 / HELD, b: 3 / HELD },
    usual: { requests: 36, windowMs: 1000 },
    least: 38,
    most: 0.5,
  },
  {
    key: 'nothing_left',
    name: 'headers that say "0 left" with each answer',
    make: () => nothingLeft(1000, 10_000),
    perSecond: 100,
    least: 90,
    most: 1,
  },
  {
    key: 'slow_refill',
    name: 'a bucket of 150, 8/s',
    make: () => bucket(8, 150),
    perSecond: 8 + 150 / 600,
    least: 95,
    most: 1,
  },
  {
    key: 'long_retry',
    name: 'Retry-After 30 where 1 s would do',
    make: () => bucket(50, 50, 429, { 'retry-after': '30' }),
    perSecond: 50,
    least: 50,
    most: 0.2,
  },
];
