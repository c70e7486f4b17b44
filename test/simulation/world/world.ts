/**
 * Plays one seed: rounds of runs that are killed, stopped, cut off and resumed while the API lives on; then all is
 * calm, and at most three runs must make it whole.
 */
import { messageOf } from '../../../src/base/errors.js';
import { Agenda } from './agenda.js';
import { VirtualApi } from './api.js';
import { Database } from './database.js';
import { Lies } from './lies.js';
import { Life } from './life.js';
import { Network, NO_FAULTS } from './network.js';
import { Oracle, type Finding } from './oracle.js';
import type { Manifest } from '../../../src/sources/manifest/document/manifest.js';
import { manifestOf } from './manifest.js';
import { Player } from './player.js';
import type { RealDatabase } from './real.js';
import { scenarioOf, startedLate, startOf, type Disturbance, type Scenario } from './scenario.js';
import { answering, type StreamPlan } from './source.js';

export interface Verdict {
  seed: number;
  runs: number;
  steps: number;
  requests: number;
  virtualSeconds: number;
  findings: Finding[];
  digest: number;
  history: readonly string[];
}

/** So long without a request, and without a reason that is shown, is too long. */
const STUCK_MS = 60_000;
/** Whatever the reason: no limit of these servers holds for longer. */
const STUCK_ANYWAY_MS = 300_000;
const WATCH_MS = 5_000;
/** A world that takes more steps than this asks without end. */
const MOST_STEPS = 400_000;
const CALM_RUNS = 3;
/** The server needs this long to notice that a process is gone. */
const BURIED_MS = 40;

/** Plays a seed to its end, or to its first finding. */
export async function play(
  seed: number,
  keepsHistory = false,
  scenario = scenarioOf(seed),
  realOf?: (agenda: Agenda) => RealDatabase,
): Promise<Verdict> {
  const world = new World(scenario, keepsHistory, realOf);
  const onCrash = (error: unknown) => world.crashed(error);
  const others = process.listeners('unhandledRejection');
  process.removeAllListeners('unhandledRejection');
  process.on('unhandledRejection', onCrash);
  try {
    return await world.play();
  } finally {
    process.removeListener('unhandledRejection', onCrash);
    for (const each of others) process.on('unhandledRejection', each);
  }
}

class World {
  private readonly agenda: Agenda;
  private readonly api: VirtualApi;
  private readonly network: Network;
  private readonly database: Database;
  private readonly life: Life;
  private readonly oracle: Oracle;
  private readonly lies: Lies;
  private players: Player[] = [];
  private leader: Player | undefined;
  private names = 0;
  private runs = 0;
  private isOver = false;
  private wakeDirector: () => void = () => {};
  private roundBegan = { requests: 0 };
  private due: { disturbance: Disturbance; at: number }[] = [];
  private movedMs = 0;
  private hasOrphaned = false;
  private readonly real: RealDatabase | undefined;
  /** The streams as the configuration has them now. */
  private plans: StreamPlan[];
  private readonly manifests = new Map<StreamPlan[], Manifest>();

  constructor(
    private readonly scenario: Scenario,
    keepsHistory: boolean,
    realOf: ((agenda: Agenda) => RealDatabase) | undefined,
  ) {
    this.plans = scenario.startMovesBack ? startedLate(scenario) : scenario.plans;
    this.agenda = new Agenda(scenario.seed, keepsHistory);
    this.agenda.onThrow = (error) => this.crashed(error);
    this.real = realOf?.(this.agenda);
    this.lies = new Lies(this.agenda, scenario.lies);
    this.api = new VirtualApi(this.agenda, this.lies, scenario.skewMs);
    for (const { name, shape, tokensByRow } of scenario.byManifest ? scenario.plans : []) {
      if (shape !== 'chain' || !tokensByRow) this.lies.withoutDoubt.add(name);
      if (shape === 'numbered') this.lies.steadyPages.add(name);
      if (shape === 'offsets') this.lies.countedLists.add(name);
    }
    const createdMs = scenario.createdKnown ? startOf(scenario.historySeconds) * 1000 : undefined;
    this.network = new Network(this.agenda, this.api, scenario.limit, answering(this.api, scenario.plans, createdMs));
    this.network.onAsk = () => this.strikeByCount();
    this.database = new Database(this.agenda, scenario.forgets);
    this.database.slowTrips = scenario.slowTrips;
    this.database.isWaitedFor = scenario.waitsForDatabase;
    this.database.onGrant = (borrower) => this.orphan(borrower);
    this.life = new Life(this.agenda, this.api, scenario);
    this.oracle = new Oracle(this.api, this.database, scenario.plans);
  }

  async play(): Promise<Verdict> {
    this.life.begin();
    this.direct().catch((error: unknown) => {
      this.oracle.find('crash', `the world itself: ${error instanceof Error ? error.stack : String(error)}`);
      this.isOver = true;
    });
    await this.agenda.run(() => this.isOver || this.oracle.findings.length > 0 || this.agenda.steps > MOST_STEPS);
    if (this.agenda.steps > MOST_STEPS) this.oracle.find('stuck', `${this.network.sent} requests and no end`);
    const { agenda } = this;
    return {
      seed: this.scenario.seed,
      runs: this.runs,
      steps: agenda.steps,
      requests: this.network.sent,
      virtualSeconds: Math.round(agenda.nowMs / 1000),
      findings: this.oracle.findings,
      digest: agenda.digest,
      history: agenda.history,
    };
  }

  /** An error that nobody caught ends the process it happened in; no error may. */
  crashed(error: unknown): void {
    const of = this.agenda.current;
    const player = this.players.find(({ process }) => process === of);
    this.agenda.note('crash', 0, () => `${player?.name ?? 'nobody'}: ${String(error)}`);
    this.oracle.find('crash', `${player?.name ?? 'nobody'}: ${messageOf(error)}`);
  }

  private async direct(): Promise<void> {
    const { scenario, agenda } = this;
    this.network.faults = scenario.faults;
    for (const [index, round] of scenario.rounds.entries()) {
      if (index > 0 && index === scenario.rounds.length - 1) this.plans = scenario.plans;
      if (round.gapSeconds > 0) this.life.pass();
      await this.sleep(round.gapSeconds * 1000);
      this.roundBegan = { requests: this.network.sent };
      this.due = round.disturbances
        .filter(({ afterRequests }) => afterRequests !== undefined)
        .map((disturbance) => ({ disturbance, at: this.roundBegan.requests + disturbance.afterRequests! }));
      for (const each of round.disturbances)
        if (each.afterMs !== undefined) agenda.in(each.afterMs, () => this.strike(each));
      for (let attempt = 0; attempt < round.attempts; attempt++) {
        const outcome = await this.lead();
        if (outcome === 'complete') break;
        await this.sleep(agenda.between(0, 3_000));
      }
      this.due = [];
    }
    await this.calm();
    this.isOver = true;
  }

  private async calm(): Promise<void> {
    this.life.heal();
    this.lies.isHealed = true;
    this.plans = this.scenario.plans;
    this.network.faults = NO_FAULTS;
    this.database.slowTrips = 0;
    await this.sleep(30_000);
    for (const player of this.players) if (player.isAtWork) this.kill(player);
    await this.sleep(1_000);
    let outcome = '';
    for (let run = 1; run <= CALM_RUNS && outcome !== 'complete'; run++) outcome = await this.lead();
    if (outcome !== 'complete') {
      this.oracle.find('never complete', `after ${CALM_RUNS} undisturbed runs: ${outcome}`);
      return;
    }
    // What a disturbed run began ends where that one began; the next one brings the rest.
    this.oracle.isLast = true;
    outcome = await this.lead();
    // What seems gone, and is too much to believe, is believed when a second run agrees.
    if (outcome !== 'complete') outcome = await this.lead();
    if (outcome !== 'complete') this.oracle.find('never complete', `the runs after a complete one: ${outcome}`);
    this.oracle.atEnd();
  }

  /** One run, from its beginning until its process ended or is dead. */
  private async lead(): Promise<string> {
    const runId = `run${++this.runs}`;
    this.oracle.begins(this.plans);
    const leader = this.newPlayer('p');
    this.leader = leader;
    this.movedMs = this.agenda.nowMs;
    const endLife = this.life.during();
    const endWatch = this.watch();
    leader.lead(runId, () => this.callHelpers(runId));
    await new Promise<void>((resolve) => {
      this.wakeDirector = resolve;
      leader.process.onExit = resolve;
    });
    endLife();
    endWatch();
    await this.real?.mirror(this.database, this.scenario.plans);
    return this.judge(leader);
  }

  private judge({ ended, process }: Player): string {
    if (!ended) return process.dead ? 'killed' : 'taken over';
    const { summary, error } = ended;
    if (!summary) return `error: ${messageOf(error)}`;
    const proven = summary.proofs
      .filter(({ faults, doubt }) => faults.length === 0 && doubt === undefined)
      .map(({ stream }) => stream);
    this.oracle.claimed(new Set(proven), summary.outcome === 'complete');
    if (summary.outcome === 'complete') return 'complete';
    const why = [
      ...summary.problems.map(({ stream, message }) => `${stream}: ${message}`),
      ...summary.proofs.flatMap(({ stream, faults }) => faults.map((fault) => `${stream}: ${fault}`)),
    ];
    return `${summary.outcome}: ${why.join('; ')}`;
  }

  private callHelpers(runId: string): void {
    for (let i = 1; i < this.scenario.processes; i++)
      this.agenda.in(this.agenda.between(0, 1_500), () => this.newPlayer('h').help(runId));
  }

  private newPlayer(kind: string): Player {
    const { agenda, database, network, scenario } = this;
    const configuration = { plans: this.plans, manifest: this.manifest() };
    const player = new Player(agenda, database, network, scenario, configuration, `${kind}${++this.names}`, this.real);
    player.process.onExit = () => {};
    this.players = this.players.filter(({ isAtWork }) => isAtWork);
    this.players.push(player);
    agenda.note('begin', 0, () => player.name);
    return player;
  }

  private manifest(): Manifest | undefined {
    if (!this.scenario.byManifest) return undefined;
    let found = this.manifests.get(this.plans);
    if (!found) this.manifests.set(this.plans, (found = manifestOf(this.plans, this.scenario.dialect)));
    return found;
  }

  /** The first to whom a part is lent stands still; meanwhile its lender may read its own to the end. */
  private orphan(borrower: string): void {
    const { orphanedMs } = this.scenario;
    if (orphanedMs === undefined || this.lies.isHealed || this.hasOrphaned) return;
    this.hasOrphaned = true;
    const { leader, agenda } = this;
    agenda.note('orphan', 0, () => borrower);
    for (const { name, process } of this.players) if (name === borrower) process.stillUntilMs = agenda.nowMs + 30_000;
    agenda.in(orphanedMs, () => leader?.isAtWork && this.database.cut(leader.process));
  }

  private strikeByCount(): void {
    for (const each of this.due.filter(({ at }) => at <= this.network.sent)) {
      this.due.splice(this.due.indexOf(each), 1);
      // Not within the process's own step: it stands between two of them.
      this.agenda.in(0, () => this.strike(each.disturbance));
    }
  }

  private strike({ blow, lastsMs }: Disturbance): void {
    if (this.lies.isHealed) return;
    const { leader, agenda } = this;
    const helpers = this.players.filter((player) => player.isHelper && player.isAtWork);
    const isLed = leader?.isAtWork === true;
    agenda.note('blow', 0, () => blow);
    switch (blow) {
      case 'kill':
        return isLed ? this.kill(leader) : undefined;
      case 'kill helper':
        return helpers.length > 0 ? this.kill(agenda.pick(helpers)) : undefined;
      case 'pause': {
        const victims = this.players.filter(({ isAtWork }) => isAtWork);
        if (victims.length > 0) agenda.pick(victims).process.stillUntilMs = agenda.nowMs + lastsMs;
        return;
      }
      case 'zombie':
        // It stands still, the server drops its sessions, another takes over; then it comes back.
        if (!isLed) return;
        leader.process.stillUntilMs = agenda.nowMs + lastsMs + 2_000;
        agenda.in(500, () => {
          this.database.cut(leader.process);
          if (this.leader === leader) this.wakeDirector();
        });
        return;
      case 'cut':
        return isLed ? this.database.cut(leader.process) : undefined;
      case 'cut all':
        for (const { process } of this.players) this.database.cut(process);
        return;
      case 'crash':
        return this.database.crash(lastsMs);
      case 'stop':
        return isLed ? leader.process.stop.abort() : undefined;
    }
  }

  /** SIGKILL: nothing more of it happens, but what it had sent arrives. */
  private kill(player: Player): void {
    this.agenda.note('kill', 0, () => player.name);
    const { process } = player;
    process.dead = true;
    this.agenda.in(this.agenda.between(0, BURIED_MS), () => {
      this.database.buried(process);
      void (this.real?.bury(process) ?? Promise.resolve()).then(() => process.exit());
    });
  }

  /** No minute without a request, a stated wait, or an end. */
  private watch(): () => void {
    let stop = () => {};
    const next = () => {
      stop = this.agenda.in(WATCH_MS, () => {
        this.look();
        next();
      });
    };
    next();
    return () => stop();
  }

  private look(): void {
    const { leader, network, agenda } = this;
    if (!leader?.isAtWork) return;
    if (leader.process.isStill) {
      this.movedMs = agenda.nowMs;
      return;
    }
    const quietMs = agenda.nowMs - Math.max(network.lastMs, this.movedMs);
    if (quietMs <= STUCK_MS || (leader.process.inFlight > 0 && quietMs < STUCK_ANYWAY_MS)) return;
    const reason = leader.statedWait();
    if (reason === undefined || quietMs > STUCK_ANYWAY_MS)
      this.oracle.find(
        'stuck',
        `${leader.name} asks nothing for ${Math.round(quietMs / 1000)} s, shown reason: ${reason ?? 'none'}`,
      );
  }

  private sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.agenda.in(ms, resolve));
  }
}
