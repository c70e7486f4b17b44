/** Points in time as text: what RFC 3339 writes and a database with microseconds can keep as it is. */
const INSTANT = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,6})0*)?(?:[Zz]|([+-])(\d\d):?(\d\d))$/;
const DATE = /^(\d{4})-(\d\d)-(\d\d)$/;
const MICROSECONDS = 1000n;
const DAY_MS = 86_400_000;
const MOST_HOURS_OFF = 15;

/**
 * Microseconds since 1970, or undefined where the text is no date with a time and a zone, where no such moment exists,
 * or where it is finer than a microsecond.
 */
export function parseInstant(text: string): bigint | undefined {
  const found = INSTANT.exec(text);
  if (!found) return undefined;
  const [, year, month, day, hour, minute, second, fraction = '', sign, hours = '0', minutes = '0'] = found;
  if (!isDay(year!, month!, day!) || Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return undefined;
  if (Number(hours) > MOST_HOURS_OFF || Number(minutes) > 59) return undefined;
  const offset = (Number(hours) * 60 + Number(minutes)) * (sign === '-' ? -1 : 1);
  const local = utc(year!, month!, day!) + ((Number(hour) * 60 + Number(minute) - offset) * 60 + Number(second)) * 1000;
  return BigInt(local) * MICROSECONDS + BigInt(fraction.padEnd(6, '0'));
}

/** Whether the text is a day of the calendar, YYYY-MM-DD. */
export function isDate(text: string): boolean {
  return dayOf(text) !== undefined;
}

/** Days from the first of 1970 to the day of the calendar, YYYY-MM-DD; undefined where the text is none. */
export function dayOf(text: string): number | undefined {
  const found = DATE.exec(text);
  if (!found || !isDay(found[1]!, found[2]!, found[3]!)) return undefined;
  return utc(found[1]!, found[2]!, found[3]!) / DAY_MS;
}

function isDay(year: string, month: string, day: string): boolean {
  if (year === '0000') return false;
  const at = new Date(utc(year, month, day));
  return at.getUTCMonth() + 1 === Number(month) && at.getUTCDate() === Number(day);
}

/** Date.UTC takes years below 100 for others. */
function utc(year: string, month: string, day: string): number {
  return new Date(0).setUTCFullYear(Number(year), Number(month) - 1, Number(day));
}
