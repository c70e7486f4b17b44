/** Makes a gate whole again that was taken apart into plain data: by a store that several processes share. */
import { AcceptedSends, BanDistance } from './ban.js';
import { BucketLedger } from './bucket-ledger.js';
import { BudgetLedger } from './budget-ledger.js';
import { ClockOffset } from './clock-offset.js';
import { ConcurrencyLearner } from './concurrency-learner.js';
import { CredentialGate } from './credential-gate.js';
import { Delivery } from './delivery.js';
import { Edge } from './edge.js';
import { Endpoints } from './endpoints.js';
import { EpochLedger } from './epoch-ledger.js';
import { Evidence } from './evidence.js';
import { Governor } from './governor.js';
import { LastSecond } from './last-second.js';
import { Learner } from './learner.js';
import { Pacer } from './pacer.js';
import { RateLearner } from './rate-learner.js';
import { RateWindow } from './rate-window.js';
import { RollingLedger } from './rolling-ledger.js';
import { ShortWindows } from './short-windows.js';
import { SendLog } from './send-log.js';

const CLASSES: Record<string, object> = {
  'accepted-sends': AcceptedSends.prototype,
  'ban-distance': BanDistance.prototype,
  'bucket-ledger': BucketLedger.prototype,
  'budget-ledger': BudgetLedger.prototype,
  'clock-offset': ClockOffset.prototype,
  'concurrency-learner': ConcurrencyLearner.prototype,
  'credential-gate': CredentialGate.prototype,
  delivery: Delivery.prototype,
  edge: Edge.prototype,
  endpoints: Endpoints.prototype,
  'epoch-ledger': EpochLedger.prototype,
  evidence: Evidence.prototype,
  governor: Governor.prototype,
  'last-second': LastSecond.prototype,
  learner: Learner.prototype,
  pacer: Pacer.prototype,
  'rate-learner': RateLearner.prototype,
  'rate-window': RateWindow.prototype,
  'rolling-ledger': RollingLedger.prototype,
  'send-log': SendLog.prototype,
  'short-windows': ShortWindows.prototype,
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
