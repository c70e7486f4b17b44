/**
 * A process takes over the gate that it finds in the row, or begins a new one; what cannot be known of it is waited
 * out.
 */
import { CredentialGate, type CredentialGateOptions } from '../credential-gate.js';
import type { GateRequest } from '../gate.js';
import { assumeSent } from './grant-pool.js';
import type { LockedRow, SharedState } from './budget-store.js';

/** A state older than this is only a memory: the limits may have changed. */
const FRESH_MS = 600_000;
/** After an owner vanished, the database crashed, or its clock was set: what was sent last is unknown. */
export const UNKNOWN_MS = 1000;

/** What the process that takes over knows itself; times are the database's. */
export interface Adopter {
  options: CredentialGateOptions;
  /** Its own state, where the row has none. */
  own: SharedState;
  /** For how long what was sent last is unknown at least. */
  unsureMs: number;
  /** What it sent before it came. */
  early: { atMs: number; request: GateRequest }[];
}

export function adopted(row: LockedRow, { options, own, unsureMs, early }: Adopter): SharedState {
  const found = row.read();
  const age = found && found.gate.lastSentMs > -Infinity ? row.nowMs - found.gate.lastSentMs : 0;
  const isOfFuture = age < -UNKNOWN_MS;
  const usable = found && age < FRESH_MS && !isOfFuture;
  let state = found ?? own;
  if (found && !usable) {
    const memory = { ...found.gate.remember(), ...options.memory };
    state = {
      gate: new CredentialGate({ ...options, memory }),
      open: new Map(),
      nextId: Math.max(found.nextId, own.nextId),
      askedAtMs: 0,
      bootMs: row.bootMs,
    };
  }
  if (usable) state.gate.setCeilings(options.ceilings ?? {});
  if (usable && row.owner !== null) assumeSent(state, row.nowMs);
  state.allowed = undefined;
  const isUnknown = row.owner !== null || isOfFuture || (usable && state.bootMs !== row.bootMs && !state.left);
  state.gate.hold(row.nowMs, isUnknown ? UNKNOWN_MS : unsureMs);
  state.bootMs = row.bootMs;
  state.left = false;
  for (const { atMs, request } of early) {
    state.gate.answered(atMs, state.gate.sent(atMs, request), {
      kind: 'accepted',
      signs: { readings: [] },
      serverTimeMs: undefined,
    });
  }
  return state;
}
