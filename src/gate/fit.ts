/**
 * What explains bad answers at several rates: noise, which refuses the same share at each of them, or a limit, which
 * lets as many through at each rate above it, and refuses nothing below. Pure sums.
 */
import { type AtRate, LEAST_NOISE, MOST_NOISE } from './level.js';
import { likelihood, plus, type Share } from './evidence.js';

/** Limits that are tried, by how far they lie below the highest rate, and shares of noise; each so many times more. */
const LEAST_OVER = 0.003;
const MOST_OVER = 0.8;
const OVER_STEP = 1.5;
const NOISE_STEP = 1.5;

export interface Fit {
  /** By so many nats a limit explains it better than noise. */
  nats: number;
  /** Where the limit lies, and the noise beside it. */
  limit: number;
  noise: number;
  /** If it is all noise: its share. */
  pooled: number;
}

function likelihoodOf(levels: AtRate[], limit: number, noise: number): number {
  let sum = 0;
  for (const { rate, bad, all } of levels) sum += likelihood({ bad, all }, 1 - (1 - noise) * Math.min(1, limit / rate));
  return sum;
}

export function fit(levels: AtRate[]): Fit {
  const highest = Math.max(...levels.map(({ rate }) => rate));
  const total = levels.reduce<Share>((sum, level) => plus(sum, level), { bad: 0, all: 0 });
  const pooled = Math.min(MOST_NOISE, Math.max(LEAST_NOISE, total.bad / total.all));
  const asNoise = likelihoodOf(levels, Infinity, pooled);
  const best: Fit = { nats: -Infinity, limit: highest, noise: pooled, pooled };
  for (let over = LEAST_OVER; over < MOST_OVER; over *= OVER_STEP)
    for (let noise = LEAST_NOISE; noise < MOST_NOISE; noise *= NOISE_STEP) {
      const limit = highest * (1 - over);
      const nats = likelihoodOf(levels, limit, noise) - asNoise;
      if (nats > best.nats) Object.assign(best, { nats, limit, noise });
    }
  return best;
}
