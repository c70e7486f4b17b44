/** What draws of servers are made with. */
import type { Random } from '../../src/base/random.js';
import type { LimitModel } from '../../src/testbed/limit-models.js';
import { toldWindows } from '../../src/testbed/odd-limits.js';
import type { OddRow } from './odd-servers.js';

export type Drawn = Omit<OddRow, 'key'>;

/** Evenly over the logarithm: as many small ones as large ones. */
export const between = (random: Random, low: number, high: number): number => low * (high / low) ** random.next();
export const whole = (random: Random, low: number, high: number): number => Math.round(between(random, low, high));
export const one = <T>(random: Random, of: readonly T[]): T => of[random.integer(of.length)]!;
export const untold = (requests: number, windowMs: number): LimitModel => toldWindows(requests, windowMs, () => ({}));

export function drawn(name: string, make: () => LimitModel, perSecond: number, least: number, most: number): Drawn {
  return { name, make, perSecond, least, most };
}
