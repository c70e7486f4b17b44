/**
 * What a dialect read, within bounds: whatever a server writes into a header, nothing waits for longer than a day, and
 * no number is larger than the gate can count with.
 */
import { LIMITS } from '../../base/bounds.js';
import type { LimitSigns, Reading } from '../../gate/gate.js';
import { header, type Dialect, type DialectResponse } from './dialect.js';
import { readRetryAfter } from './retry-after.js';

/** The dialect, whose signs are kept within bounds. */
export function bounded(dialect: Dialect): Dialect {
  return (response) => within(dialect(response), response);
}

function within(signs: LimitSigns, response: DialectResponse): LimitSigns {
  const { rejection } = signs;
  const said = readRetryAfter(header(response, 'retry-after'), response.serverTimeMs ?? response.receivedMs);
  return {
    ...signs,
    readings: signs.readings.filter(isUsable).map((reading) => bound(reading, response.serverTimeMs)),
    rejection: rejection && {
      ...rejection,
      retryAfterMs: wait(rejection.retryAfterMs),
      ...(said?.doubt ? { doubt: said.doubt } : {}),
    },
    // In an accepted answer, a wait that makes no sense is ignored.
    holdMs: said?.doubt ? undefined : wait(signs.holdMs),
    actualCost: isCount(signs.actualCost) ? signs.actualCost : undefined,
  };
}

function wait(ms: number | undefined): number | undefined {
  return ms === undefined || Number.isNaN(ms) ? undefined : Math.min(LIMITS.statedMs, Math.max(0, ms));
}

function isCount(value: number | undefined): boolean {
  return value !== undefined && value >= 0 && value <= LIMITS.statedQuota;
}

function isUsable(reading: Reading): boolean {
  return reading.kind === 'bucket'
    ? isCount(reading.max) && isCount(reading.available) && isCount(reading.restorePerSecond)
    : isCount(reading.quota) && isCount(reading.remaining) && (reading.windowMs === undefined || reading.windowMs > 0);
}

function bound(reading: Reading, serverTimeMs: number | undefined): Reading {
  if (reading.kind === 'bucket') return reading;
  const windowMs = reading.windowMs === undefined ? undefined : Math.min(LIMITS.statedMs, reading.windowMs);
  if (reading.kind === 'rolling') return { ...reading, windowMs: windowMs ?? LIMITS.statedMs };
  const resetMs =
    reading.resetMs === undefined || serverTimeMs === undefined
      ? reading.resetMs
      : Math.min(reading.resetMs, serverTimeMs + LIMITS.statedMs);
  return { ...reading, windowMs, resetMs } as Reading;
}
