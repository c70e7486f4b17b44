/** What got through of late, and how long it took: what rates and the number of requests in flight are derived from. */
import { LIMITS } from '../base/bounds.js';

const SLOT_MS = 500;
const KEPT_SLOTS = 520;
/** The latest half-minute is kept slot by slot, what was before it ten by ten. */
const FINE_SLOTS = 60;
const COARSE = 10;
/** The best of this many slots is what the way to the server can carry. */
const CAPACITY_SLOTS = 20;
const LATENCY_SAMPLES = 8;
/** How many of the latest requests tell how much the way varies. */
const SPREAD_SAMPLES = 40;
const LEAST_SPREAD_SAMPLES = 20;
const LATENCY_EVERY_MS = 5000;
/**
 * The latency may fall at once and rises slowly, so that a queue of our own making does not look like distance (BBR's
 * minimum RTT).
 */
const LATENCY_RISE = 1.005;
/** In flight before the latency is known. */
const FIRST_IN_FLIGHT = 16;
const SPARE_IN_FLIGHT = 8;

export class Delivery {
  readonly kind = 'delivery';
  /** Accepted cost by slot number. */
  private readonly slots = new Map<number, number>();
  /**
   * The same of what is longer ago, by groups of slots: processes that share the gate hand all of this on with every
   * lease.
   */
  private readonly older = new Map<number, number>();
  /** Accepted since the latency was last looked at. */
  private fresh = 0;
  private sampledAtMs = 0;
  latencyMs: number | undefined;
  /** How much a request's time varies: the tenth slowest less the tenth fastest in a hundred, of late. */
  spreadMs: number | undefined;
  /** Of the latest requests, in tenths of a millisecond, so that they are written as short numbers. */
  private recent: number[] = [];
  private capacity: number[] = [];
  /** The best of them. */
  private most = 0;

  accepted(nowMs: number, cost: number, latencyMs: number): void {
    const slot = Math.floor(nowMs / SLOT_MS);
    this.slots.set(slot, (this.slots.get(slot) ?? 0) + cost);
    this.fresh++;
    this.recent.push(Math.round(latencyMs * 10));
    if (this.recent.length > 2 * SPREAD_SAMPLES) this.recent.splice(0, SPREAD_SAMPLES);
  }

  /** Cost accepted from the slot of `fromMs` until `toMs`. */
  between(fromMs: number, toMs: number): number {
    let sum = 0;
    const from = Math.floor(fromMs / SLOT_MS);
    for (const [slot, cost] of this.slots) if (slot >= from && slot * SLOT_MS < toMs) sum += cost;
    return sum + this.olderBetween(from * SLOT_MS, toMs);
  }

  /** Per second, from `fromMs` to `toMs`; of the slots at both ends the share that lies within. */
  rateBetween(fromMs: number, toMs: number): number {
    let sum = 0;
    for (const [slot, cost] of this.slots)
      sum +=
        cost *
        Math.max(0, Math.min(1, (toMs - slot * SLOT_MS) / SLOT_MS) - Math.max(0, (fromMs - slot * SLOT_MS) / SLOT_MS));
    return ((sum + this.olderBetween(fromMs, toMs)) * 1000) / (toMs - fromMs);
  }

  private olderBetween(fromMs: number, toMs: number): number {
    const groupMs = COARSE * SLOT_MS;
    let sum = 0;
    for (const [group, cost] of this.older)
      sum +=
        cost *
        Math.max(
          0,
          Math.min(1, (toMs - group * groupMs) / groupMs) - Math.max(0, (fromMs - group * groupMs) / groupMs),
        );
    return sum;
  }

  /** Per second, over whole slots of the last `spanMs`. */
  rate(nowMs: number, spanMs: number): number {
    const to = Math.floor(nowMs / SLOT_MS) * SLOT_MS;
    return (this.between(to - spanMs, to) * 1000) / spanMs;
  }

  /** Once a slot. */
  tick(nowMs: number): void {
    this.forget(Math.floor(nowMs / SLOT_MS));
    this.capacity.push(this.rate(nowMs, SLOT_MS));
    if (this.capacity.length > CAPACITY_SLOTS) this.capacity.shift();
    this.most = Math.max(0, ...this.capacity);
    if (
      this.fresh >= LATENCY_SAMPLES &&
      (this.latencyMs === undefined || nowMs - this.sampledAtMs >= LATENCY_EVERY_MS)
    ) {
      const sorted = this.recent.toSorted((a, b) => a - b);
      const at = (share: number) => sorted[Math.floor(sorted.length * share)]! / 10;
      if (sorted.length >= LEAST_SPREAD_SAMPLES) this.spreadMs = at(0.9) - at(0.1);
      const newest = this.recent.slice(-this.fresh).toSorted((a, b) => a - b);
      const median = newest[newest.length >> 1]! / 10;
      this.latencyMs = this.latencyMs === undefined ? median : Math.min(this.latencyMs * LATENCY_RISE, median);
      this.fresh = 0;
      this.sampledAtMs = nowMs;
    }
  }

  private forget(slot: number): void {
    for (const [old, cost] of this.slots) {
      if (old >= slot - FINE_SLOTS) break;
      this.slots.delete(old);
      const group = Math.floor(old / COARSE);
      this.older.set(group, (this.older.get(group) ?? 0) + cost);
    }
    for (const group of this.older.keys()) {
      if ((group + 1) * COARSE > slot - KEPT_SLOTS) break;
      this.older.delete(group);
    }
  }

  /**
   * More in flight than this would only queue. `eager`: while the rate is still being sought. `knownRate`: per second,
   * 0 where none is known.
   */
  mostInFlight(eager: boolean, knownRate: number): number {
    if (this.latencyMs === undefined)
      return Math.max(FIRST_IN_FLIGHT, Math.ceil((knownRate * LIMITS.firstLatencyMs) / 1000));
    return Math.ceil(((eager ? 4 : 2) * this.most * this.latencyMs) / 1000) + SPARE_IN_FLIGHT;
  }
}
