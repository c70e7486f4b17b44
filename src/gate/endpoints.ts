/**
 * How the requests of each endpoint end, so that what is wrong with one of them is not put down to all: the shares of
 * bad answers side by side, and how long an answer usually takes. Invariant: at most MOST endpoints are known.
 */
import { gain, plus, type Share } from './evidence.js';

const MOST = 200;
/** Outcomes fade, so that what was long ago tells nothing of now. */
const KEPT = 2000;
/** One endpoint alone is bad: nats by which two shares explain it better than one, and what the others must show. */
const SURE = 6;
const LEAST_BAD = 3;
const LEAST_OTHERS = 8;
const TIMES_WORSE = 3;
/** An answer is overdue after so many times what is usual, and no sooner than this. */
const OVERDUE = 4;
const LEAST_OVERDUE_MS = 700;
const UNKNOWN_OVERDUE_MS = 30_000;
/** Answers from which on what is usual is known. */
const LEAST_ANSWERS = 8;
/** Part of the way that the usual latency goes towards a slower and a faster answer: it stays near the median. */
const RISE = 0.02;
const FALL = 0.05;
const RATE_MS = 5000;
const LEAST_SPAN_MS = 1000;
const LEAST_RATE = 0.2;

interface Known {
  bad: number;
  all: number;
  answers: number;
  latencyMs: number;
  /** Accepted since `fromMs`, and in the span before. */
  accepted: number;
  before: number;
  fromMs: number;
  firstMs: number;
  /** It has a limit of its own. */
  isOwn: boolean;
}

const NOTHING = { bad: 0, all: 0, answers: 0, latencyMs: 0, accepted: 0, before: 0, isOwn: false };

export class Endpoints {
  readonly kind = 'endpoints';
  private readonly known = new Map<string, Known>();

  /** `latencyMs`: of an accepted one. */
  add(endpoint: string, bad: boolean, latencyMs: number | undefined, nowMs: number): void {
    const found = this.of(endpoint, nowMs);
    if (!found) return;
    if (!bad || !found.isOwn) found.all++;
    if (bad && !found.isOwn) found.bad++;
    if (latencyMs !== undefined) {
      turn(found, nowMs);
      found.accepted++;
      found.answers++;
      if (found.answers === 1) found.latencyMs = latencyMs;
      else found.latencyMs *= latencyMs > found.latencyMs ? 1 + RISE : 1 - FALL * (1 - latencyMs / found.latencyMs);
    }
    if (found.all > KEPT) this.fade();
  }

  /** It has a limit of its own now: what that refuses tells nothing of the others. */
  separate(endpoint: string): void {
    const found = this.known.get(endpoint);
    if (!found) return;
    found.isOwn = true;
    found.bad = 0;
  }

  /**
   * Its bad answers are its own: it is one of the worst, and the others do well. Where several are, they are told from
   * the rest together.
   */
  isAlone(endpoint: string): boolean {
    const own = this.known.get(endpoint);
    if (!own || own.bad < LEAST_BAD || this.known.size < 2) return false;
    const byShare = [...this.known.values()].toSorted((a, b) => b.bad / b.all - a.bad / a.all);
    const total = byShare.reduce((sum, share) => plus(sum, share), { bad: 0, all: 0 });
    let worst: Share = { bad: 0, all: 0 };
    let sure = SURE;
    for (const [index, share] of byShare.slice(0, -1).entries()) {
      worst = plus(worst, share);
      // So many groups of this size might have been the worst by chance.
      sure += Math.log((byShare.length - index) / (index + 1));
      const others = { bad: total.bad - worst.bad, all: total.all - worst.all };
      if (share.bad / share.all > own.bad / own.all || others.all < LEAST_OTHERS) continue;
      if (gain(worst, others) > sure && others.bad / others.all < own.bad / own.all / TIMES_WORSE) return true;
    }
    return false;
  }

  /** Accepted per second of late. */
  rateOf(endpoint: string, nowMs: number): number {
    const found = this.known.get(endpoint);
    if (!found) return LEAST_RATE;
    turn(found, nowMs);
    const spanMs = Math.max(LEAST_SPAN_MS, nowMs - Math.max(found.firstMs, found.fromMs - RATE_MS));
    return Math.max(LEAST_RATE, ((found.accepted + found.before) * 1000) / spanMs);
  }

  /** After so long without an answer something is wrong. */
  usualMs(endpoint: string): number {
    const found = this.known.get(endpoint);
    if (!found || found.answers < LEAST_ANSWERS) return UNKNOWN_OVERDUE_MS;
    return Math.max(LEAST_OVERDUE_MS, OVERDUE * found.latencyMs);
  }

  private of(endpoint: string, nowMs: number): Known | undefined {
    let found = this.known.get(endpoint);
    if (!found && this.known.size < MOST) {
      found = { ...NOTHING, fromMs: nowMs, firstMs: nowMs };
      this.known.set(endpoint, found);
    }
    return found;
  }

  private fade(): void {
    for (const found of this.known.values()) {
      found.bad /= 2;
      found.all /= 2;
    }
  }
}

/** Counts by spans of RATE_MS. */
function turn(found: Known, nowMs: number): void {
  const passed = Math.floor((nowMs - found.fromMs) / RATE_MS);
  if (passed <= 0) return;
  found.before = passed === 1 ? found.accepted : 0;
  found.accepted = 0;
  found.fromMs += passed * RATE_MS;
}
