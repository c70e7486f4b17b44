/**
 * How requests ended of late, good or bad, at one rate: what an explanation must fit. Pure sums; bounded whatever
 * happens.
 */

/** The latest outcomes are kept one by one, the others as sums that fade. */
const RING = 64;
const STRETCHES = [8, 24, RING];
const KEPT = 4000;
/** More requests in flight are counted as so many. */
const MOST_IN_FLIGHT = 256;
/** The share above the number that parts good from bad must be so many times the share below. */
const PARTED = 3;
/** Bad answers among so many: as often one looks whether a stretch stands out, and some do by chance. */
const LOOKS_AMONG = 2000;
/** Where none was bad, so many may be by chance. */
const UNSEEN = 2;

export interface Share {
  bad: number;
  all: number;
}

/** Log likelihood of so many bad ones at their own share. */
function own({ bad, all }: Share): number {
  return bad <= 0 || bad >= all ? 0 : bad * Math.log(bad / all) + (all - bad) * Math.log(1 - bad / all);
}

/** Log likelihood of so many bad ones at this share. */
export function likelihood({ bad, all }: Share, share: number): number {
  return bad * Math.log(share) + (all - bad) * Math.log(1 - share);
}

/** By how many nats two shares explain it better than one. */
export function gain(one: Share, other: Share): number {
  return own(one) + own(other) - own({ bad: one.bad + other.bad, all: one.all + other.all });
}

/** By how many nats a share of its own explains it better than `expected`; 0 where it is lower. */
export function excess(found: Share, expected: number): number {
  const { bad, all } = found;
  if (bad <= expected * all) return 0;
  return own(found) - likelihood(found, expected);
}

/** The share that so few answers do not rule out. */
export function atMost({ bad, all }: Share): number {
  return (bad + 2 * Math.sqrt(bad) + UNSEEN) / all;
}

export class Evidence {
  readonly kind = 'evidence';
  /** The latest outcomes: 1 is bad. */
  private readonly ring: number[] = [];
  total: Share = { bad: 0, all: 0 };
  private overtaken = 0;
  /** Outcomes by requests in flight, of requests that left once the rate had settled. */
  private byInFlight = new Map<number, Share>();

  clear(): void {
    this.ring.length = this.overtaken = 0;
    this.total = { bad: 0, all: 0 };
    this.byInFlight.clear();
  }

  /** Of so many that were sent, those that are not answered yet are taken for good ones. */
  set unanswered(sent: number) {
    this.overtaken = Math.max(0, sent - this.total.all);
  }

  /** `settled`: the rate had not changed for a while when the request left. */
  add(isBad: boolean, inFlight: number, settled: boolean): void {
    const bad = isBad ? 1 : 0;
    this.ring.push(bad);
    if (this.ring.length > RING) this.ring.shift();
    this.total.all++;
    this.total.bad += bad;
    if (settled) {
      const at = Math.min(MOST_IN_FLIGHT, inFlight);
      const found = this.byInFlight.get(at) ?? { bad: 0, all: 0 };
      this.byInFlight.set(at, { bad: found.bad + bad, all: found.all + 1 });
    }
    if (this.total.all > KEPT) this.fade();
  }

  last(count: number): Share {
    const newest = this.ring.slice(-count);
    return { bad: newest.reduce((sum, bad) => sum + bad, 0), all: newest.length + this.overtaken };
  }

  /**
   * The stretch that a share of `expected` explains worst: the last few, the last many, or all. Of so many stretches
   * some are bad by chance, at the share of all.
   */
  worst(expected: number): Share & { nats: number } {
    const byChance = Math.log(1 + LOOKS_AMONG * expected);
    const total = { bad: this.total.bad, all: this.total.all + this.overtaken };
    let worst = { ...total, nats: excess(total, expected) };
    for (const stretch of STRETCHES.map((count) => this.last(count))) {
      const before = { bad: total.bad - stretch.bad, all: total.all - stretch.all };
      const usual = before.all > 0 ? Math.min(0.5, before.bad / before.all) : 0;
      const nats = stretch.bad < 2 ? 0 : excess(stretch, Math.max(expected, usual)) - byChance;
      if (nats > worst.nats) worst = { ...stretch, nats };
    }
    return worst;
  }

  /** The number in flight from which on most are bad, at one and the same rate; `nats` says how sure that is. */
  split(): { at: number; nats: number } {
    const counts = [...this.byInFlight].toSorted(([a], [b]) => b - a);
    const sum = counts.reduce((all, [, share]) => plus(all, share), { bad: 0, all: 0 });
    let above: Share = { bad: 0, all: 0 };
    let best = { at: Infinity, nats: 0 };
    for (const [at, share] of counts) {
      above = plus(above, share);
      const below = { bad: sum.bad - above.bad, all: sum.all - above.all };
      if (at < 2 || above.bad === 0 || below.all <= 0) continue;
      const nats = gain(above, below);
      if (nats > best.nats && above.bad / above.all > (PARTED * below.bad) / below.all) best = { at, nats };
    }
    return best;
  }

  private fade(): void {
    this.total = { bad: this.total.bad / 2, all: this.total.all / 2 };
    for (const [at, { bad, all }] of this.byInFlight)
      if (all < 0.5) this.byInFlight.delete(at);
      else this.byInFlight.set(at, { bad: bad / 2, all: all / 2 });
  }
}

export function plus(a: Share, b: Share): Share {
  return { bad: a.bad + b.bad, all: a.all + b.all };
}
