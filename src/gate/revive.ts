/** Makes a gate whole again that was taken apart into plain data: by a store that several processes share. */
import { AcceptedSends } from './accepted-sends.js';
import { AtOnce } from './at-once.js';
import { BucketLedger } from './bucket-ledger.js';
import { BudgetLedger } from './budget-ledger.js';
import { ClockOffset } from './clock-offset.js';
import { CredentialGate } from './credential-gate.js';
import { Cycles } from './cycles.js';
import { Delivery } from './delivery.js';
import { Doubts } from './doubts.js';
import { Edge } from './edge.js';
import { Endpoints } from './endpoints.js';
import { EpochLedger } from './epoch-ledger.js';
import { Evidence } from './evidence.js';
import { Governor } from './governor.js';
import { LastSecond } from './last-second.js';
import { Learner } from './learner.js';
import { Ledgers } from './ledgers.js';
import { Limits } from './limits.js';
import { Level } from './level.js';
import { Pacer } from './pacer.js';
import { RateWindow } from './rate-window.js';
import { RollingLedger } from './rolling-ledger.js';
import { SendLog } from './send-log.js';
import { ShortWindows } from './short-windows.js';
import { Silence } from './silence.js';
import { Stops } from './stops.js';
import { Trust } from './trust.js';
import { UserCeilings } from './user-ceilings.js';

const CLASSES: Record<string, object> = {
  'accepted-sends': AcceptedSends.prototype,
  'at-once': AtOnce.prototype,
  'bucket-ledger': BucketLedger.prototype,
  'budget-ledger': BudgetLedger.prototype,
  'clock-offset': ClockOffset.prototype,
  'credential-gate': CredentialGate.prototype,
  cycles: Cycles.prototype,
  delivery: Delivery.prototype,
  doubts: Doubts.prototype,
  edge: Edge.prototype,
  endpoints: Endpoints.prototype,
  'epoch-ledger': EpochLedger.prototype,
  evidence: Evidence.prototype,
  governor: Governor.prototype,
  'last-second': LastSecond.prototype,
  learner: Learner.prototype,
  ledgers: Ledgers.prototype,
  limits: Limits.prototype,
  level: Level.prototype,
  pacer: Pacer.prototype,
  'rate-window': RateWindow.prototype,
  'rolling-ledger': RollingLedger.prototype,
  'send-log': SendLog.prototype,
  'short-windows': ShortWindows.prototype,
  silence: Silence.prototype,
  stops: Stops.prototype,
  trust: Trust.prototype,
  'user-ceilings': UserCeilings.prototype,
};

/** Gives every part of a structured clone its class back, in place. */
export function revive<T>(root: T): T {
  const seen = new Set<object>();
  const todo: unknown[] = [root];
  while (todo.length > 0) {
    const value = todo.pop();
    if (value === null || typeof value !== 'object' || seen.has(value)) continue;
    seen.add(value);
    if (value instanceof Map) for (const inner of value.values()) todo.push(inner);
    else if (Array.isArray(value)) {
      if (typeof value[0] === 'object') todo.push(...value);
    } else {
      const { kind } = value as { kind?: unknown };
      if (typeof kind === 'string' && Object.hasOwn(CLASSES, kind)) Object.setPrototypeOf(value, CLASSES[kind]!);
      todo.push(...Object.values(value));
    }
  }
  return root;
}
