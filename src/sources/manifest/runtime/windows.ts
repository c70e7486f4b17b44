/** Windows as a manifest declares them: forward from the start by a step of the calendar, clamped where it says so. */
import { isObject, type JsonObject } from '../document/read.js';
import type { PyDelta } from '../templates/datetime.js';

const DAY_S = 86_400;

/** A step of so many months, and so much beside them. Seconds since the epoch. */
export function stepFrom(from: number, { ms, months }: Pick<PyDelta, 'ms' | 'months'>): number {
  return addMonths(from, months) + ms / 1000;
}

/** The same day of another month, or that month's last. */
function addMonths(seconds: number, months: number): number {
  if (months === 0) return seconds;
  const at = new Date(seconds * 1000);
  const [year, month] = [at.getUTCFullYear(), at.getUTCMonth() + months];
  const last = new Date(Date.UTC(year, month + 1, 0)).getUTCDate();
  const day = Math.min(at.getUTCDate(), last);
  return Date.UTC(year, month, day) / 1000 + (seconds - Math.floor(seconds / DAY_S) * DAY_S);
}

export interface Clamping {
  floor(seconds: number): number;
  ceil(seconds: number): number;
}

const WEEKDAYS = ['SUNDAY', 'MONDAY', 'TUESDAY', 'WEDNESDAY', 'THURSDAY', 'FRIDAY', 'SATURDAY'];

/** Where windows may begin: at a day, a day of the week, or a month. */
export function clampingOf(component: JsonObject | undefined): Clamping | undefined {
  const dayOf = (seconds: number) => Math.floor(seconds / DAY_S) * DAY_S;
  switch (component?.['target']) {
    case 'DAY':
      return around(dayOf, (at) => at + DAY_S);
    case 'WEEK': {
      const details = component['target_details'];
      const weekday = Math.max(0, WEEKDAYS.indexOf(String(isObject(details) ? details['weekday'] : 'MONDAY')));
      const floor = (seconds: number) =>
        dayOf(seconds) - ((new Date(seconds * 1000).getUTCDay() - weekday + 7) % 7) * DAY_S;
      return around(floor, (at) => at + 7 * DAY_S);
    }
    case 'MONTH': {
      const floor = (seconds: number) => {
        const at = new Date(seconds * 1000);
        return Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), 1) / 1000;
      };
      return around(floor, (at) => addMonths(at, 1));
    }
    default:
      return undefined;
  }
}

function around(floor: (seconds: number) => number, next: (at: number) => number): Clamping {
  return { floor, ceil: (seconds) => (floor(seconds) === seconds ? seconds : next(floor(seconds))) };
}

/** The least difference of two times that a date format can write down, in seconds. */
export function precisionOf(format: string): number {
  if (/%(S|s|f|T|ms|_ms|c|X|epoch|s_as_float)/.test(format)) return 1;
  if (/%M/.test(format)) return 60;
  return /%[HI]/.test(format) ? 3600 : DAY_S;
}
