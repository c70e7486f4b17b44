/** One process of the product at work: the real engine, gate, shared gate and client over the world's parts. */
import { PausedError } from '../../../src/base/errors.js';
import type { Permits } from '../../../src/engine/read/context.js';
import type { Progress, RunSummary } from '../../../src/engine/report/events.js';
import { runSync } from '../../../src/engine/run/sync.js';
import { runPart } from '../../../src/engine/share/part.js';
import type { GateMemory } from '../../../src/gate/credential-gate.js';
import { SharedGate } from '../../../src/gate/shared/shared-gate.js';
import type { Manifest } from '../../../src/sources/manifest/document/manifest.js';
import type { Agenda } from './agenda.js';
import type { Database } from './database.js';
import { virtualDestination } from './destination.js';
import type { Network } from './network.js';
import { Process } from './process.js';
import type { RealDatabase } from './real.js';
import type { Scenario } from './scenario.js';
import { manifestSource } from './manifest.js';
import { factsOf, worldSource, type StreamPlan, type WorldSource } from './source.js';

export const CONNECTION = 'world';

/** The streams as the configuration has them now, and the manifest that says the same. */
export interface Configuration {
  plans: StreamPlan[];
  manifest: Manifest | undefined;
}

export interface Ended {
  /** Undefined: it threw, or was killed. */
  summary: RunSummary | undefined;
  error: unknown;
}

export class Player {
  readonly process: Process;
  /** Undefined while it goes on; a process that is killed never ends. */
  ended: Ended | undefined;
  isHelper = false;
  snapshot: (() => Progress) | undefined;
  private readonly gate: SharedGate;
  private readonly source: Promise<WorldSource>;

  constructor(
    private readonly agenda: Agenda,
    private readonly database: Database,
    network: Network,
    private readonly scenario: Scenario,
    configuration: Configuration,
    readonly name: string,
    private readonly real: RealDatabase | undefined,
  ) {
    this.process = new Process(agenda, name);
    this.gate = new SharedGate({ facts: factsOf(scenario.statedRate) }, this.process.clock);
    const parts = { process: this.process, network, gate: this.gate, dialect: scenario.dialect };
    const { plans, manifest } = configuration;
    this.source = manifest ? manifestSource(manifest, parts) : Promise.resolve(worldSource(plans, parts));
  }

  get isAtWork(): boolean {
    return !this.ended && !this.process.dead;
  }

  lead(runId: string, onLead: () => void): void {
    void this.settle(this.source.then((source) => this.leading(source, runId, onLead)));
  }

  private leading(source: WorldSource, runId: string, onLead: () => void): Promise<RunSummary> {
    const { process, database } = this;
    return runSync({
      source,
      destination: this.real?.destinationOf(process) ?? virtualDestination(database, process),
      permits: this.permits(source),
      gateStatus: () => this.gate.status(process.clock.monotonic()),
      limits: {
        fingerprint: 'credential',
        recall: (memory) => this.gate.recall(memory as GateMemory),
        remember: () => ({ memory: this.gate.remember(), views: [] }),
      },
      ...(this.scenario.sharesBudget ? { shareBudget: () => this.shareBudget() } : {}),
      connection: this.real?.connection ?? CONNECTION,
      runId,
      mode: 'upsert',
      clock: process.clock,
      signal: process.stop.signal,
      onProgress: (snapshot) => {
        this.snapshot = snapshot;
        onLead();
      },
    });
  }

  help(runId: string): void {
    this.isHelper = true;
    const { process, database } = this;
    const helping = async (source: WorldSource) => {
      await runPart({
        source,
        destination: this.real?.destinationOf(process) ?? virtualDestination(database, process),
        permits: this.permits(source),
        ...(this.scenario.sharesBudget ? { shareBudget: () => this.shareBudget() } : {}),
        connection: this.real?.connection ?? CONNECTION,
        run: runId,
        borrower: this.name,
        mode: 'upsert',
        clock: process.clock,
        signal: process.stop.signal,
      });
      return undefined;
    };
    void this.settle(this.source.then(helping));
  }

  /** Why nothing is asked for, as it would be shown; undefined: no reason is known. */
  statedWait(): string | undefined {
    const wait = this.snapshot?.().waits.find(({ ms }) => Number.isFinite(ms));
    return wait && `${wait.reason} (${Math.round(wait.ms)} ms)`;
  }

  private async settle(run: Promise<RunSummary | undefined>): Promise<void> {
    try {
      this.end({ summary: await run, error: undefined });
    } catch (error) {
      this.end({ summary: undefined, error });
    }
  }

  private end(ended: Ended): void {
    this.ended = ended;
    const { summary, error } = ended;
    this.agenda.note('end', 0, () => {
      if (!summary) return `${this.name} ${error instanceof PausedError ? 'paused' : String(error ?? 'helped')}`;
      const problems = summary.problems.map(({ stream, code, message }) => `${stream} ${code} ${message}`);
      const faults = summary.proofs.flatMap((proof) => proof.faults.map((fault) => `${proof.stream}: ${fault}`));
      return `${this.name} ${summary.outcome} ${[...problems, ...faults, ...summary.notes].join('; ')}`;
    });
    this.process.exit();
  }

  private async shareBudget(): Promise<() => Promise<void>> {
    const open = () => this.database.budget.connect(this.process, this.name);
    await this.gate.attach(open, this.name, () => {});
    return () => this.gate.close();
  }

  private permits(source: WorldSource): Permits {
    const { gate } = this;
    const { client } = source;
    return {
      admit: (endpoint, weight, signal) => client.admission.admit({ endpoint, weight, signal }),
      giveBack: (ticket) => client.admission.giveBack(ticket),
      rateOf: (endpoint) => gate.rateOf(endpoint),
      wholeRate: () => gate.status(this.process.clock.monotonic()).limitPerSecond,
      latencyMs: () => {
        const { latencyMs } = client.meter;
        return latencyMs === undefined ? undefined : latencyMs + gate.grantMs;
      },
      inFlightBound: () => Math.min(client.meter.inFlightBound(), gate.concurrency()),
    };
  }
}
