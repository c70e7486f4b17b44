/**
 * What was sent within the last second, to 5 ms, and never less: a burst that catches up on a pause must not make a
 * second of more than the rate.
 */
const SLOT_MS = 5;
const SLOTS = 200;

export class LastSecond {
  readonly kind = 'last-second';
  /** Cost by slot number modulo their count; one more than a second has, since the oldest lies in it in part. */
  private readonly slots: number[] = Array.from({ length: SLOTS + 1 }, () => 0);
  private newest = 0;
  private sum = 0;

  add(nowMs: number, cost: number): void {
    this.advance(nowMs);
    this.slots[this.newest % this.slots.length]! += cost;
    this.sum += cost;
  }

  /** Counted and never sent: out of the newest slots that have so much. */
  takeBack(cost: number): void {
    for (let slot = this.newest; cost > 0 && slot > this.newest - SLOTS && slot >= 0; slot--) {
      const taken = Math.min(cost, this.slots[slot % this.slots.length]!);
      this.slots[slot % this.slots.length]! -= taken;
      this.sum -= taken;
      cost -= taken;
    }
  }

  /** Cost of the second before `nowMs`, and of the slot that it began in. */
  total(nowMs: number): number {
    this.advance(nowMs);
    return this.sum;
  }

  private advance(nowMs: number): void {
    const slot = Math.floor(nowMs / SLOT_MS);
    if (slot - this.newest > SLOTS) {
      this.slots.fill(0);
      this.sum = 0;
      this.newest = slot;
    }
    while (this.newest < slot) {
      this.newest++;
      const index = this.newest % this.slots.length;
      this.sum -= this.slots[index]!;
      this.slots[index] = 0;
    }
  }
}
