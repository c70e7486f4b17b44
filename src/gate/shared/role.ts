/** What a process does with the gate of a credential, by what it was and what the row says. */
import type { LockedRow } from './budget-store.js';

/** An owner is the owner for so long after it has written down the gate. */
export const OWNER_MS = 1000;

/**
 * - `keeps`: it owns the gate, and nobody else is there.
 * - `hands over`: it owns the gate, and somebody came: the gate goes into the row.
 * - `waits`: another owns it, who hands it over within a moment, or is gone by then.
 * - `shares`: several run it in turns, under the row's lock.
 * - `takes over`: nobody else is there: the gate comes into this process.
 */
export type Role = 'keeps' | 'hands over' | 'waits' | 'shares' | 'takes over';

export function roleOf(row: LockedRow, member: string, isOwner: boolean): Role {
  const others = [...row.members].some((name) => name !== member);
  const owns = row.owner === member;
  if (isOwner && owns) return others ? 'hands over' : 'keeps';
  const isOwned = row.owner !== null && row.ownerUntilMs > row.nowMs && row.ownerUntilMs <= row.nowMs + 2 * OWNER_MS;
  if (isOwned && !owns) return 'waits';
  return others ? 'shares' : 'takes over';
}
