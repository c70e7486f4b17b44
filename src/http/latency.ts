/**
 * What requests take and how many get through, for deciding how many to have in flight. The latency is a median that
 * may fall at once but rises slowly, so that a queue of our own making does not look like distance (the reasoning of
 * BBR's minimum RTT).
 */
const SAMPLES = 16;
const RISE = 1.005;
const SLOT_MS = 500;
const SLOTS = 20;
/** In flight before anything is known of the server. */
const FIRST_IN_FLIGHT = 32;
const SPARE_IN_FLIGHT = 8;

/** Times are monotonic milliseconds. */
export interface RequestWait {
  reason: string;
  sinceMs: number;
  untilMs?: number | undefined;
}

export class LatencyMeter {
  private samples: number[] = [];
  private base: number | undefined;
  private slotStartMs = 0;
  private inSlot = 0;
  private readonly slots: number[] = [];
  private readonly waiting = new Set<RequestWait>();

  /** Milliseconds; undefined before the first answer. */
  get latencyMs(): number | undefined {
    return this.base;
  }

  answered(nowMs: number, latencyMs: number): void {
    this.count(nowMs);
    this.samples.push(latencyMs);
    if (this.base !== undefined && this.samples.length < SAMPLES) return;
    const median = this.samples.toSorted((a, b) => a - b)[this.samples.length >> 1]!;
    this.base = this.base === undefined ? median : Math.min(this.base * RISE, median);
    if (this.samples.length >= SAMPLES) this.samples = [];
  }

  /** Twice what the best half second of late had in flight, and some: more would only queue. */
  inFlightBound(): number {
    if (this.base === undefined) return FIRST_IN_FLIGHT;
    const perSecond = (Math.max(0, ...this.slots) * 1000) / SLOT_MS;
    return Math.max(FIRST_IN_FLIGHT, Math.ceil((2 * perSecond * this.base) / 1000) + SPARE_IN_FLIGHT);
  }

  /** Something that a request waits for: the answer, or the end of a pause. Returns what ends it. */
  begins(wait: RequestWait): () => void {
    this.waiting.add(wait);
    return () => void this.waiting.delete(wait);
  }

  /** What requests wait for now, the oldest first. */
  waits(): RequestWait[] {
    return [...this.waiting];
  }

  private count(nowMs: number): void {
    if (nowMs - this.slotStartMs >= SLOT_MS) {
      this.slots.push(this.inSlot);
      if (this.slots.length > SLOTS) this.slots.shift();
      this.inSlot = 0;
      this.slotStartMs = nowMs;
    }
    this.inSlot++;
  }
}
