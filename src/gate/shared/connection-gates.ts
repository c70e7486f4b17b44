/**
 * The gates of one connection: as a rule one, and one for each credential where several stand in for each other. They
 * are shared with other processes, remembered and shown together.
 */
import type { Clock } from '../../base/clock.js';
import type { CredentialGateOptions, GateMemory } from '../credential-gate.js';
import type { Gate, InterchangeableGates, QuotaSource } from '../gate.js';
import { ceilingsOfOne, InterchangeableGate } from '../interchangeable-gate.js';
import { QuotaGate } from '../quota-gate.js';
import type { BudgetStore } from './budget-store.js';
import { SharedGate } from './shared-gate.js';

export class ConnectionGates {
  private readonly members: { gate: SharedGate; credential: string | undefined }[] = [];
  /** What calls when a request that had to wait may go. */
  private readonly waking: { onChange: () => void }[] = [];

  constructor(private readonly clock: Clock) {}

  /** The gate of the connection's credential. */
  one(limits: CredentialGateOptions): Gate {
    return this.member(limits, undefined);
  }

  /** Gates of credentials that stand in for each other. */
  several(
    { facts, ceilings = {} }: CredentialGateOptions,
    credentials: string[],
    quotas: QuotaSource,
  ): InterchangeableGates {
    const own = ceilingsOfOne(ceilings, credentials.length);
    const members = credentials.map(
      (credential) =>
        new QuotaGate(
          this.member({ ...(facts ? { facts } : {}), ceilings: own }, credential),
          credential,
          quotas,
          this.clock,
        ),
    );
    this.waking.push(...members);
    return new InterchangeableGate(members, ceilings);
  }

  /** `pump` is called whenever a request that had to wait may go. */
  wake(pump: () => void): void {
    for (const each of this.waking) each.onChange = pump;
  }

  /** How long a grant takes, over that of the request itself. */
  grantMs(): number {
    return Math.max(...this.members.map(({ gate }) => gate.grantMs));
  }

  /** Credentials that stand in for each other have the same limits. */
  recall(memory: GateMemory): void {
    for (const { gate } of this.members) gate.recall(memory);
  }

  remember(): GateMemory {
    return Object.assign({}, ...this.members.map(({ gate }) => gate.remember())) as GateMemory;
  }

  /** Shares each gate with the processes that use its credential. */
  async attach(
    open: (credential: string | undefined) => Promise<BudgetStore>,
    member: string,
    onError: (error: unknown) => void,
  ): Promise<void> {
    for (const { gate, credential } of this.members) await gate.attach(() => open(credential), member, onError);
  }

  async close(): Promise<void> {
    await Promise.all(this.members.map(({ gate }) => gate.close()));
  }

  private member(limits: CredentialGateOptions, credential: string | undefined): SharedGate {
    const gate = new SharedGate(limits, this.clock);
    this.members.push({ gate, credential });
    this.waking.push(gate);
    return gate;
  }
}
