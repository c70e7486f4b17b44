/**
 * What a seed decides before anything happens: the API, its limits and its lies, the streams, and who disturbs them.
 */
import { seededRandom, type Random } from '../../../src/base/random.js';
import { epochWindows, LIMIT_MODELS, stripeLimits, type LimitModel } from '../../../src/testbed/limit-models.js';
import type { LieShares } from './lies.js';
import type { NetworkFaults } from './network.js';
import { EPOCH_MS } from './process.js';
import type { Shape, StreamPlan } from './source.js';

/** What happens to processes and to the database while they run. */
export type Blow = 'kill' | 'kill helper' | 'pause' | 'zombie' | 'cut' | 'cut all' | 'crash' | 'stop';

export interface Disturbance {
  blow: Blow;
  /** After so many requests of the round, or so long after its beginning. */
  afterRequests?: number | undefined;
  afterMs?: number | undefined;
  lastsMs: number;
}

export interface Round {
  /** Seconds before it, in which rows change. */
  gapSeconds: number;
  disturbances: Disturbance[];
  /** Attempts until the next round begins, complete or not. */
  attempts: number;
}

export interface Scenario {
  seed: number;
  plans: StreamPlan[];
  rows: number;
  historySeconds: number;
  createdKnown: boolean;
  /** The streams are read by a manifest. */
  byManifest: boolean;
  skewMs: number;
  /** Changes a second, over all collections, while runs go on. */
  changesPerSecond: number;
  /** Rows are listed so long after the time that they bear. */
  lateMs: number;
  /** Rows are dated so far ahead of the server's clock. */
  aheadSeconds: number;
  /** The front of numbered lists goes away while they are read. */
  frontGoes: number;
  /** Deletes and inserts rather than updates. */
  mix: { insert: number; update: number };
  poison: boolean;
  startMovesBack: boolean;
  lies: LieShares;
  faults: NetworkFaults;
  limit: LimitModel;
  dialect: string;
  statedRate: number | undefined;
  processes: number;
  /** Who was lent a part first stands still, and its lender loses its sessions after so long. */
  orphanedMs: number | undefined;
  sharesBudget: boolean;
  forgets: boolean;
  slowTrips: number;
  /** A database that is lost is waited for. */
  waitsForDatabase: boolean;
  rounds: Round[];
}

/** What a scenario may hold; some of it is left out where the product is known not to bear it yet. */
export type Feature = 'moving positions' | 'numbered lists' | 'poison' | 'cut sessions';

const DAY = 86_400;
const BLOWS: Blow[] = [
  'kill',
  'kill',
  'kill',
  'kill helper',
  'pause',
  'zombie',
  'cut',
  'cut all',
  'crash',
  'stop',
  'stop',
];

const CUTS: Blow[] = ['zombie', 'cut', 'cut all', 'crash'];
const SHAPES: Shape[] = ['newest', 'newest', 'oldest', 'moving', 'windows', 'windows', 'numbered', 'numbered', 'chain'];
const NEEDS: Partial<Record<Shape, Feature>> = {
  moving: 'moving positions',
  windows: 'moving positions',
  numbered: 'numbered lists',
};

/** Draws from one generator, in one order. */
class Draw {
  constructor(readonly random: Random) {}
  chance(share: number): boolean {
    return this.random.next() < share;
  }
  between(least: number, most: number): number {
    return least + Math.floor((most - least + 1) * this.random.next());
  }
  pick<T>(...from: T[]): T {
    return from[this.random.integer(from.length)]!;
  }
}

export function scenarioOf(seed: number, without: readonly Feature[] = []): Scenario {
  const draw = new Draw(seededRandom(seed * 7919 + 17));
  // What came later draws for itself, so that a seed stays what it was.
  const later = new Draw(seededRandom(seed * 104_729 + 5));
  const historySeconds = draw.pick(3_600, 3 * DAY, 400 * DAY, 3000 * DAY);
  const orphanedMs = later.chance(0.2) ? later.between(0, 3_000) : undefined;
  // A part of the seeds, so that the others stay what they were.
  const byManifest = seed % 5 === 2 || seed % 7 === 3 || seed % 7 === 4;
  const latest = new Draw(seededRandom(seed * 15_485_863 + 11));
  const drawn = plansOf(draw, historySeconds, without);
  const plans = byManifest ? manifestPlansOf(latest, historySeconds) : drawn;
  const rows = draw.chance(0.15) ? draw.between(0, 12) : draw.between(20, 160);
  const limit = limitOf(draw);
  // A gap of many windows would be as many requests.
  const longestGap = 20 * Math.min(...plans.map(({ window = Infinity }) => window));
  const processes = draw.chance(0.55) ? 1 : draw.between(2, 4);
  const rounds = Array.from({ length: draw.between(1, 3) }, () => roundOf(draw, processes, longestGap, without));
  const isFaulty = draw.chance(0.4);
  const share = () => (isFaulty && draw.chance(0.4) ? draw.random.next() * 0.08 : 0);
  return {
    seed,
    plans,
    rows,
    historySeconds,
    byManifest,
    createdKnown: draw.chance(0.7) && !byManifest,
    skewMs: draw.chance(0.2) ? draw.between(-300_000, 300_000) : draw.between(-900, 900),
    changesPerSecond: draw.chance(0.3) ? 0 : draw.random.next() * 2,
    lateMs: later.chance(0.15) ? later.between(500, 8_000) : 0,
    aheadSeconds: later.chance(0.08) ? later.between(1, 90 * DAY) : 0,
    frontGoes: draw.chance(0.5) ? draw.between(1, 12) : 0,
    mix: { insert: 0.2 + 0.3 * draw.random.next(), update: 0.3 + 0.2 * draw.random.next() },
    poison: draw.chance(0.03) && !without.includes('poison'),
    startMovesBack: later.chance(0.15) && !plans.some(({ shape }) => shape === 'children'),
    lies: { ...liesOf(draw), ...(byManifest ? manifestLiesOf(latest, plans) : {}) },
    faults: {
      error500: share(),
      unavailable: share() / 2,
      reset: share(),
      cutBody: share(),
      lostRequest: share() / 8,
      lostAnswer: share() / 8,
      slow: share() / 4,
    },
    ...limit,
    processes,
    orphanedMs,
    sharesBudget: processes > 1 || draw.chance(0.6),
    forgets: draw.chance(0.3),
    slowTrips: draw.chance(0.2) ? 0.01 : 0,
    waitsForDatabase: draw.chance(0.8) && !(orphanedMs !== undefined && later.chance(0.7)),
    rounds,
  };
}

function plansOf(draw: Draw, historySeconds: number, without: readonly Feature[]): StreamPlan[] {
  const count = draw.between(1, 3);
  const plans: StreamPlan[] = [];
  for (let i = 1; i <= count; i++) {
    const shape = draw.pick(
      ...SHAPES.filter((each) => {
        const needed = NEEDS[each];
        return needed === undefined || !without.includes(needed);
      }),
    );
    const plan = planOf(draw, `${shape}${i}`, shape, historySeconds);
    plans.push(plan);
    if (shape === 'newest' && draw.chance(0.4)) {
      const follow = draw.pick<StreamPlan['follow']>(
        { kind: 'reread' },
        { kind: 'cursor', lookback: 5, parents: 'all' },
      );
      plans.push({ name: `children${i}`, shape: 'children', pageRows: draw.between(3, 10), follow, parent: plan.name });
    }
  }
  return plans;
}

function planOf(draw: Draw, name: string, shape: Shape, historySeconds: number): StreamPlan {
  const cursor = { kind: 'cursor', lookback: draw.pick(1, 5, 60, 600) } as const;
  const reread = { kind: 'reread' } as const;
  const base = { name, shape, pageRows: draw.between(4, 20) };
  switch (shape) {
    case 'newest':
      return {
        ...base,
        follow: draw.pick<StreamPlan['follow']>(cursor, reread, { kind: 'events' }),
        verified: draw.chance(0.3),
      };
    case 'windows':
      return {
        ...base,
        follow: cursor,
        window: Math.ceil(historySeconds / draw.between(1, 9)),
        start: startOf(historySeconds),
      };
    case 'numbered':
      return { ...base, follow: reread, tellsTotal: draw.chance(0.6), oldestFirst: draw.chance(0.5) };
    case 'chain':
      return { ...base, follow: reread };
    default:
      return { ...base, follow: draw.chance(0.8) ? cursor : reread };
  }
}

const MANIFEST_SHAPES: Shape[] = ['windows', 'moving', 'numbered', 'offsets', 'offsets', 'chain', 'scroll'];

function manifestPlansOf(draw: Draw, historySeconds: number): StreamPlan[] {
  const plans: StreamPlan[] = [];
  for (let i = 1; i <= draw.between(1, 3); i++) {
    const shape = draw.pick(...MANIFEST_SHAPES);
    const isTimed = shape === 'windows' || shape === 'moving';
    const plan: StreamPlan = {
      name: `${shape}${i}`,
      shape,
      pageRows: draw.between(4, 20),
      follow: { kind: isTimed ? 'cursor' : 'reread' },
      ignoresForbidden: draw.chance(0.3),
      tokensByRow: shape === 'chain' && draw.chance(0.5),
      oldestFirst: draw.chance(0.5),
      ...(isTimed ? { start: startOf(historySeconds) } : {}),
      ...(shape === 'windows' ? { window: Math.ceil(historySeconds / draw.between(1, 9)) } : {}),
      ...(shape === 'scroll' && draw.chance(0.5) ? { scrollName: 'scroll_id' } : {}),
    };
    plans.push(plan);
    if (['chain', 'offsets'].includes(shape) && draw.chance(0.4))
      plans.push({
        name: `children${i}`,
        shape: 'children',
        pageRows: draw.between(3, 10),
        follow: { kind: 'reread' },
        parent: plan.name,
      });
  }
  return plans;
}

function manifestLiesOf(draw: Draw, plans: StreamPlan[]): LieShares {
  return {
    ...(draw.chance(0.2) ? { falseEnd: 0.1 } : {}),
    ...(draw.chance(0.2) ? { shortPage: 0.3 } : {}),
    ...(draw.chance(0.2) ? { cappedRows: draw.pick(5, 10) } : {}),
    ...(draw.chance(0.1) ? { circle: draw.pick(...plans).name } : {}),
    ...(draw.chance(0.4) ? { wrongAnswer: draw.pick(0.01, 0.05, 0.3) } : {}),
  };
}

/** The streams as a configuration has them whose start date is in the middle of the history. */
export function startedLate({ plans, historySeconds }: Scenario): StreamPlan[] {
  const start = startOf(Math.ceil(historySeconds / 2));
  return plans.map((plan) =>
    ['newest', 'oldest', 'moving', 'windows'].includes(plan.shape) ? { ...plan, start } : plan,
  );
}

/** The first second that a row can bear. */
export function startOf(historySeconds: number): number {
  return Math.floor(EPOCH_MS / 1000) - historySeconds;
}

function liesOf(draw: Draw): LieShares {
  return {
    ...(draw.chance(0.1) ? { emptyAmid: 0.05 } : {}),
    ...(draw.chance(0.1) ? { lostCursor: 0.05 } : {}),
  };
}

function limitOf(draw: Draw): { limit: LimitModel; dialect: string; statedRate: number | undefined } {
  const perSecond = draw.between(8, 60);
  switch (draw.between(0, 4)) {
    case 0:
      return {
        limit: stripeLimits(perSecond),
        dialect: 'stripe',
        statedRate: draw.chance(0.7) ? perSecond : undefined,
      };
    case 1:
      return { limit: stripeLimits(1000, Infinity, draw.between(2, 10)), dialect: 'stripe', statedRate: 100 };
    case 2:
      return {
        limit: epochWindows(perSecond * 10, 10_000, draw.between(0, 9_999)),
        dialect: 'intercom',
        statedRate: undefined,
      };
    case 3:
      return { limit: LIMIT_MODELS['none']!.make(), dialect: 'generic', statedRate: undefined };
    default:
      return { limit: stripeLimits(1000), dialect: 'stripe', statedRate: perSecond };
  }
}

function roundOf(draw: Draw, processes: number, longestGap: number, without: readonly Feature[]): Round {
  const count = draw.chance(0.2) ? 0 : draw.between(1, 4);
  return {
    gapSeconds: Math.min(longestGap, draw.pick(0, 0, 1, 20, 600, DAY, 9 * DAY)),
    attempts: draw.between(1, 4),
    disturbances: Array.from({ length: count }, () => {
      const early = draw.chance(0.5);
      const blow = draw.pick(
        ...BLOWS.filter(
          (each) =>
            (processes > 1 || each !== 'kill helper') && !(CUTS.includes(each) && without.includes('cut sessions')),
        ),
      );
      return {
        blow,
        ...(early ? { afterRequests: draw.between(1, 60) } : { afterMs: draw.between(0, 15_000) }),
        lastsMs: blow === 'crash' ? draw.between(200, 8_000) : draw.between(300, 20_000),
      };
    }),
  };
}
