/**
 * When a repeated task is due next: an interval, or a cron expression in a time zone. Pure: the time is an argument.
 */
import { Cron } from 'croner';
import { ConfigError } from '../../base/errors.js';

export type Cadence = { everySeconds: number } | { cron: string; timeZone?: string };

/** Clocks are set back by three hours at most. */
const STEP_MS = 1_800_000;
const MOST_STEPS = 8;
/** Ten years: more is a mistake. */
const MOST_SECONDS = 315_360_000;

/** Throws ConfigError where the cadence makes no sense. */
export function assertCadence(cadence: Cadence, place: string): void {
  if ('everySeconds' in cadence) {
    const { everySeconds } = cadence;
    if (Number.isInteger(everySeconds) && everySeconds >= 1 && everySeconds <= MOST_SECONDS) return;
    throw new ConfigError('the interval is no whole number of seconds', {
      code: 'bad_cadence',
      place,
      expected: `1 to ${MOST_SECONDS} seconds`,
      found: String(everySeconds),
      next: 'write every: 15m, 6h or 1d',
    });
  }
  try {
    if (dueAfter(cadence, 0) !== undefined) return;
  } catch (cause) {
    throw new ConfigError('the cron expression or its time zone cannot be read', {
      code: 'bad_cadence',
      place,
      expected: 'minute hour day month weekday, and a zone such as Europe/Berlin',
      found: `${cadence.cron} (${cadence.timeZone ?? 'UTC'})`,
      next: 'see docs/guides/scheduler.md',
      cause,
    });
  }
  throw new ConfigError('the cron expression names no time that ever comes', {
    code: 'bad_cadence',
    place,
    expected: 'a date that exists',
    found: cadence.cron,
  });
}

/**
 * The first time after `nowMs` (milliseconds) at which a task is due, given when it was due last. An interval keeps its
 * phase, and times that were missed are not made up for: the next one brings all that they would have.
 */
export function nextDue(cadence: Cadence, dueMs: number, nowMs: number): number {
  if (!('everySeconds' in cadence)) return dueAfter(cadence, nowMs) ?? nowMs + MOST_SECONDS * 1000;
  const every = cadence.everySeconds * 1000;
  return dueMs > nowMs ? dueMs : dueMs + (Math.floor((nowMs - dueMs) / every) + 1) * every;
}

function dueAfter(
  { cron, timeZone = 'UTC' }: { cron: string; timeZone?: string },
  afterMs: number,
): number | undefined {
  const after = new Date(afterMs);
  const zoned = new Cron(cron, { timezone: timeZone, paused: true, mode: '5-part' });
  let next = zoned.nextRun(after)?.getTime();
  // Within the second of two equal hours, the library names times of the first one: they are past.
  for (let step = 1; next !== undefined && next <= afterMs && step <= MOST_STEPS; step++)
    next = zoned.nextRun(new Date(afterMs + step * STEP_MS))?.getTime();
  if (next === undefined || !goesByTheClock(cron)) return next;
  // An hour that comes twice is one hour for a time of day, and two for what goes every few minutes.
  return Math.min(
    next,
    ...[...new Set([offsetOf(timeZone, afterMs), offsetOf(timeZone, next)])].flatMap((offset) => {
      const own = new Cron(cron, { utcOffset: offset, paused: true, mode: '5-part' }).nextRun(after)?.getTime();
      return own !== undefined && offsetOf(timeZone, own) === offset ? [own] : [];
    }),
  );
}

/** As cron has it: `*` in the minutes or in the hours is an interval, anything else names times of a day. */
function goesByTheClock(cron: string): boolean {
  const [minutes, hours] = cron.trim().split(/\s+/);
  return minutes!.startsWith('*') || /^(?:\*|0-23)/.test(hours ?? '');
}

/** Minutes that a zone is ahead of UTC at a time. */
function offsetOf(timeZone: string, atMs: number): number {
  const [year, month, day, hour, minute] = new Intl.DateTimeFormat('en-CA-u-hc-h23-nu-latn-ca-gregory', {
    timeZone,
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
  })
    .formatToParts(atMs)
    .filter(({ type }) => type !== 'literal')
    .map(({ value }) => Number(value)) as [number, number, number, number, number];
  return (Date.UTC(year, month - 1, day, hour, minute) - Math.floor(atMs / 60_000) * 60_000) / 60_000;
}

const UNITS: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** `90s`, `15m`, `6h`, `1d` in seconds. Throws ConfigError. */
export function secondsOf(text: string, place: string): number {
  const found = /^(\d{1,9})([smhd])$/.exec(text);
  const seconds = found ? Number(found[1]) * UNITS[found[2]!]! : Number.NaN;
  assertCadence({ everySeconds: seconds }, place);
  return seconds;
}
