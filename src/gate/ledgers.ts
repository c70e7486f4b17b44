/**
 * What a server states of one limit, in whichever of three ways: a quota of fixed windows, one of the window before
 * each request, or a bucket of points. Invariant: an admitted request had room in every ledger that is known and
 * believed.
 */
import { BucketLedger, type BucketReading } from './bucket-ledger.js';
import type { ClockOffset } from './clock-offset.js';
import { EpochLedger, type EpochReading } from './epoch-ledger.js';
import type { WaitReason } from './gate.js';
import { RollingLedger, type RollingReading } from './rolling-ledger.js';
import { ShortWindows } from './short-windows.js';
import { Trust } from './trust.js';

const LEAST_PACE = 0.2;
const SECOND_MS = 1000;

export type LedgerReading =
  ({ kind: 'epoch' } & EpochReading) | ({ kind: 'bucket' } & BucketReading) | ({ kind: 'rolling' } & RollingReading);

export type Hold = { waitMs: number; reason: WaitReason };

/** The request whose answer brought a reading. */
export interface Read {
  nowMs: number;
  sentMs: number;
  cost: number;
  /** What it cost less, where the server tells. */
  refund: number;
  /** Everything sent that a reading of its answer may not contain. */
  unseen: number;
  accepted: boolean;
  serverTimeMs: number | undefined;
}

export class Ledgers {
  readonly kind = 'ledgers';
  epoch: EpochLedger | undefined;
  bucket: BucketLedger | undefined;
  rolling: RollingLedger | undefined;
  readonly trust = new Trust();
  /** The next request finds out whether there is really none left. */
  private isTrying = false;
  private readonly seconds = new ShortWindows();

  constructor(private readonly offset: ClockOffset) {}

  get isStated(): boolean {
    return (this.epoch ?? this.bucket ?? this.rolling) !== undefined;
  }

  /** What is stated has no room. */
  hold(nowMs: number, cost: number, inFlight: number, inFlightCost: number): Hold | undefined {
    const pointsMs = this.bucket?.waitMs(nowMs, cost) ?? 0;
    this.isTrying = false;
    if (this.epoch) {
      const room = this.epoch.room(nowMs, inFlightCost, cost);
      if (room < Math.min(cost, this.epoch.quota)) return this.untilEnd(nowMs, pointsMs, inFlight);
    }
    const fullMs = this.rolling?.waitMs(nowMs, cost) ?? 0;
    if (fullMs > 0) return { waitMs: Math.max(pointsMs, fullMs), reason: 'quota of the window' };
    return pointsMs > 0 ? { waitMs: pointsMs, reason: 'points of the bucket' } : undefined;
  }

  /** No faster than this, per second: what is left is spread over what remains of the window. */
  pace(nowMs: number, inFlightCost: number): number {
    const epoch = this.epoch && !this.isTrying ? Math.max(LEAST_PACE, this.epoch.pace(nowMs, inFlightCost)) : Infinity;
    return Math.min(epoch, this.rolling?.pace() ?? Infinity);
  }

  /** Nothing is tried above this, per second. */
  mostPace(): number {
    return this.epoch?.mostPace() ?? this.rolling?.pace() ?? Infinity;
  }

  /** Per second, as stated. */
  rate(): number | undefined {
    if (this.bucket) return this.bucket.restorePerSecond;
    const stated = this.epoch ?? this.rolling;
    return stated?.windowMs === undefined ? undefined : (stated.quota * 1000) / stated.windowMs;
  }

  sent(nowMs: number, cost: number): void {
    this.bucket?.spend(nowMs, cost);
    this.rolling?.sent(nowMs, cost);
  }

  /** Takes in what an answer states. Returns whether it explains a rejection, and the rate of windows first known. */
  read(readings: LedgerReading[], read: Read): { spoke: boolean; opened?: number | 'epoch' } {
    const found: { spoke: boolean; opened?: number | 'epoch' } = { spoke: false };
    const hadEpoch = this.epoch !== undefined;
    let epochSeen = false;
    for (const reading of readings) {
      if (reading.kind === 'bucket') found.spoke = this.fill(reading, read);
      else if (reading.kind === 'rolling') this.roll(reading, read);
      else if (this.seconds.isShort(reading, read.nowMs, read.serverTimeMs)) this.shorten(reading, read);
      else {
        epochSeen = true;
        if (this.merge(reading, read)) found.spoke = true;
      }
    }
    if (!epochSeen && read.accepted) {
      this.trust.readNothing(read.cost);
      this.epoch?.answeredBlindly(read.nowMs, read.cost);
    }
    if (!hadEpoch && this.epoch) found.opened = 'epoch';
    if (hadEpoch && !this.epoch && this.rolling) found.opened = this.rate()!; // a rolling window has one
    return found;
  }

  /** Only where there is an epoch. */
  private untilEnd(nowMs: number, pointsMs: number, inFlight: number): Hold | undefined {
    const endsAt = this.epoch!.endsAt();
    const tryMs = this.trust.tryMs(nowMs, inFlight, endsAt);
    this.isTrying = tryMs === 0;
    if (this.isTrying) return undefined;
    return {
      waitMs: Math.max(pointsMs, Math.min(Math.max(1, endsAt - nowMs), tryMs ?? Infinity)),
      reason: 'quota of the window',
    };
  }

  private fill(reading: BucketReading, { nowMs, sentMs, refund, unseen }: Read): boolean {
    if (this.bucket) {
      this.bucket.refund(nowMs, refund);
      this.bucket.merge(reading, unseen, nowMs - sentMs, nowMs);
    } else this.bucket = new BucketLedger(reading, unseen, nowMs);
    return true;
  }

  /** Clocks and answers are no finer than such a window: its quota is taken, its phase is not. */
  private shorten({ quota, remaining, windowMs = SECOND_MS }: EpochReading, read: Read): void {
    this.epoch = undefined;
    this.roll({ quota, remaining, windowMs }, read);
  }

  /** Returns whether the window is used up. */
  private merge(reading: EpochReading, { nowMs, sentMs, cost, accepted }: Read): boolean {
    const { quota, remaining, resetMs, grainMs } = reading;
    this.trust.read({ quota, remaining, endMs: resetMs, grainMs }, { accepted, cost, sentMs, nowMs });
    if (this.trust.isLost) {
      this.epoch = undefined;
      return false;
    }
    this.epoch ??= new EpochLedger();
    const unknown = { earliest: -Infinity, latest: nowMs };
    this.epoch.merge(reading, this.offset.known ? this.offset.bounds(resetMs) : unknown, sentMs, nowMs);
    return remaining <= 0;
  }

  private roll(reading: RollingReading, { nowMs, sentMs, cost }: Read): void {
    // The request that brought the first reading is in the server's window, and must be in ours.
    if (!this.rolling) {
      this.rolling = new RollingLedger();
      this.rolling.sent(sentMs, cost);
    }
    this.rolling.merge(reading, nowMs);
  }
}
