/**
 * Everything was refused: nothing leaves but one probe at a time, each after a part of the time that this has lasted
 * already. So a short block is noticed soon, and whatever counts or prolongs with each knock has its silence. Blocks of
 * one server last alike: until shortly before the last one was over few probes are worth it. Invariant: at most one
 * probe is on its way.
 */
const FIRST_PROBE_MS = 50;
const MOST_PROBE_MS = 60_000;
/** A probe waits for its turn at the rate before, but not for longer. */
const MOST_SPACING_MS = 1000;
const PROBE_SHARE = 0.5;
const OVERLOAD_SHARE = 0.15;
/** Before this share of the last block's length, each probe waits as long as the block has lasted. */
const USUAL = 0.85;
/** From there on, this share of its length. */
const NEAR_USUAL = 0.04;
const MOST_USUAL_PROBE_MS = 300_000;
/** What each knock prolongs may need a longer silence than any that is usual. */
const LONG_MS = 600_000;
const FEELER_MS = 1500;
const QUIETER = 0.8;
const LONG_EVERY = 6;
const LONG_SHARE = 0.5;

export class Silence {
  readonly kind = 'silence';
  sinceMs: number | undefined;
  endMs = 0;
  /** Its end is the server's own word. */
  stated = false;
  private isOverload = false;
  private probeOut = false;
  private failed = 0;
  private leastMs = FIRST_PROBE_MS;
  private failedMs = 0;
  /** How long the last one was, where the server did not say, and at least was; 0: none yet. */
  private usualMs = 0;
  private leastUsualMs = 0;
  /** Without a probe before its end: so long is enough, where each prolongs it. */
  private quietMs = 0;

  /** `spacingMs`: between two requests at the rate before. `isOverload`: no ban, which probes might prolong. */
  begin(nowMs: number, floorMs: number | undefined, spacingMs: number, isOverload = false): void {
    this.isOverload = isOverload;
    this.sinceMs = nowMs;
    this.leastMs = Math.max(FIRST_PROBE_MS, Math.min(MOST_SPACING_MS, spacingMs));
    this.probeOut = false;
    this.failed = 0;
    this.stated = floorMs !== undefined;
    this.endMs = nowMs + (floorMs ?? this.leastMs);
  }

  /** Milliseconds until a probe may leave; undefined: nothing is blocked; Infinity: one is on its way. */
  waitMs(nowMs: number): number | undefined {
    if (this.sinceMs === undefined) return undefined;
    return this.probeOut ? Infinity : Math.max(0, this.endMs - nowMs);
  }

  /** Returns whether this request is the probe. */
  sent(): boolean {
    if (this.sinceMs === undefined) return false;
    this.probeOut = true;
    return true;
  }

  probeFailed(nowMs: number, floorMs: number | undefined): void {
    if (this.sinceMs === undefined) return;
    this.probeOut = false;
    this.failed++;
    this.failedMs = nowMs;
    if (floorMs !== undefined) this.stated = true;
    this.endMs = nowMs + (floorMs ?? Math.max(this.leastMs, this.pauseMs(nowMs - this.sinceMs)));
  }

  /** Another answer, of a request that was on its way already, asks for so long. */
  extend(nowMs: number, floorMs: number): void {
    this.stated = true;
    this.endMs = Math.max(this.endMs, nowMs + floorMs);
  }

  /** The probe came through. Returns how long it lasted. */
  end(nowMs: number): number {
    const lengthMs = nowMs - (this.sinceMs ?? nowMs);
    if (!this.stated) this.usualMs = lengthMs;
    if (!this.stated) this.leastUsualMs = this.failed > 0 ? this.failedMs - (nowMs - lengthMs) : lengthMs;
    if (!this.stated && this.failed > 0) this.quietMs = nowMs - this.failedMs;
    this.sinceMs = undefined;
    this.probeOut = false;
    return lengthMs;
  }

  /** By so much its end was probably noticed late: it came after the last probe that failed. */
  lateMs(nowMs: number): number {
    return this.failed === 0 || this.stated ? 0 : (nowMs - this.failedMs) / 2;
  }

  /** As if there had been none. */
  drop(): void {
    this.sinceMs = undefined;
    this.probeOut = false;
  }

  private pauseMs(ageMs: number): number {
    const usualMs = this.isOverload ? Math.min(USUAL * this.usualMs, this.leastUsualMs) : USUAL * this.usualMs;
    const share = this.isOverload ? OVERLOAD_SHARE : PROBE_SHARE;
    const quietMs = ageMs > FEELER_MS ? QUIETER * this.quietMs : 0;
    if (ageMs < usualMs) return Math.min(MOST_USUAL_PROBE_MS, Math.max(2 * ageMs, quietMs), usualMs - ageMs);
    if (ageMs > Math.max(LONG_MS, 2 * this.usualMs) && this.failed % LONG_EVERY === 0) return LONG_SHARE * ageMs;
    return Math.min(MOST_PROBE_MS, Math.max(NEAR_USUAL * this.usualMs, share * (ageMs - usualMs)));
  }
}
