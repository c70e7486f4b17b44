/** Dates and durations as text: ISO 8601, Python's formats, the formats of Airbyte's cursors. */
import { DAYS, DAY_MS, DateTextError, MONTHS, PyDate, PyDelta, short } from './datetime.js';

const DURATION =
  /^([+-])?P(?:(\d+(?:\.\d+)?)Y)?(?:(\d+(?:\.\d+)?)M)?(?:(\d+(?:\.\d+)?)W)?(?:(\d+(?:\.\d+)?)D)?(?:T(?:(\d+(?:[.,]\d+)?)H)?(?:(\d+(?:[.,]\d+)?)M)?(?:(\d+(?:[.,]\d+)?)S)?)?$/;

/** An ISO 8601 duration: `P1D`, `PT1H30M`, `P1Y`. */
export function parseDuration(text: string): PyDelta {
  const match = DURATION.exec(text);
  if (!match || text.endsWith('T') || text.endsWith('P'))
    throw new DateTextError(`"${text.slice(0, 60)}" is no ISO 8601 duration`);
  const part = (index: number) => Number((match[index] ?? '0').replace(',', '.'));
  const sign = match[1] === '-' ? -1 : 1;
  const seconds = part(4) * 604_800 + part(5) * 86_400 + part(6) * 3600 + part(7) * 60 + part(8);
  return new PyDelta(sign * Math.round(seconds * 1_000_000), sign * (part(2) * 12 + part(3)));
}

const ISO =
  /^(\d{4})(?:-?([\d\s]\d)(?:-?([\d\s]\d))?)?(?:[^](\d{2})(?::?(\d{2})(?::?(\d{2})(?:[.,](\d{1,9}))?)?)?(Z|[+-]\d{2}(?::?\d{2})?)?)?$/i;

/** Text as dateutil's isoparse reads it; without a zone it has none. */
export function parseIso(text: string): PyDate {
  const match = ISO.exec(text);
  if (!match) throw new DateTextError(`"${text.slice(0, 60)}" is no ISO 8601 date`);
  const [, year, month, day, hour, minute, second, fraction, zone] = match;
  const offset = zone === undefined ? null : offsetOf(zone);
  const date = build(
    {
      year: Number(year),
      month: Number(month ?? 1),
      day: Number(day ?? 1),
      hour: Number(hour ?? 0),
      minute: Number(minute ?? 0),
      second: Number(second ?? 0),
      micros: microsOf(fraction),
      offset,
    },
    text,
  );
  // 24:00 is the start of the next day.
  return date;
}

/** Text as dateutil's isoparse reads it, in UTC. */
export function parseIsoUtc(text: string): PyDate {
  return parseIso(text).inUtc();
}

interface Fields {
  year: number;
  month: number;
  day: number;
  hour: number;
  minute: number;
  second: number;
  micros: number;
  offset: number | null;
  /** Where a format has them. */
  afternoon?: boolean;
  yearDay?: number;
}

function build({ year, month, day, hour, minute, second, micros, offset }: Fields, text: string): PyDate {
  const ms = new Date(Date.UTC(2000, month - 1, day, hour, minute, second)).setUTCFullYear(year, month - 1, day);
  const back = new Date(ms);
  const isMidnight = hour === 24 && minute === 0 && second === 0;
  if (
    !isMidnight &&
    (month < 1 ||
      month > 12 ||
      back.getUTCMonth() !== month - 1 ||
      back.getUTCDate() !== day ||
      hour > 23 ||
      minute > 59 ||
      second > 61)
  ) {
    throw new DateTextError(`"${text.slice(0, 60)}" names no day or time that exists`);
  }
  return new PyDate((isMidnight ? ms + DAY_MS : ms) + Math.floor(micros / 1000), micros % 1000, offset);
}

function microsOf(fraction: string | undefined): number {
  return fraction === undefined ? 0 : Number(fraction.padEnd(6, '0').slice(0, 6));
}

function offsetOf(zone: string): number {
  if (/^(z|utc|gmt)$/i.test(zone)) return 0;
  const digits = zone.slice(1).replace(':', '');
  return (zone[0] === '-' ? -1 : 1) * (Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2, 4) || 0));
}

const PATTERNS: Record<string, string> = {
  Y: '(\\d{4})',
  m: '(\\d{1,2})',
  d: '(\\d{1,2})',
  e: '(\\d{1,2})',
  H: '(\\d{1,2})',
  I: '(\\d{1,2})',
  M: '(\\d{1,2})',
  S: '(\\d{1,2})',
  f: '(\\d{1,6})',
  y: '(\\d{2})',
  j: '(\\d{1,3})',
  z: '(Z|[+-]\\d{2}:?\\d{2})',
  Z: '(UTC|GMT|[A-Z]{1,5})',
  p: '(AM|PM)',
  b: `(${MONTHS.map(short).join('|')})`,
  B: `(${MONTHS.join('|')})`,
  a: `(${DAYS.map(short).join('|')})`,
  A: `(${DAYS.join('|')})`,
};
const parsers = new Map<string, Parser>();
const MOST_PARSERS = 1000;

type Read = (fields: Fields, value: string) => void;
const monthOf = (names: string[], value: string) =>
  names.findIndex((name) => name.toLowerCase() === value.toLowerCase()) + 1;

/** What each directive says of a date. Names of weekdays say nothing. */
const READS: Record<string, Read> = {
  Y: (fields, value) => (fields.year = Number(value)),
  y: (fields, value) => (fields.year = Number(value) + (Number(value) < 69 ? 2000 : 1900)),
  m: (fields, value) => (fields.month = Number(value)),
  d: (fields, value) => (fields.day = Number(value)),
  e: (fields, value) => (fields.day = Number(value)),
  j: (fields, value) => (fields.yearDay = Number(value)),
  H: (fields, value) => (fields.hour = Number(value)),
  I: (fields, value) => (fields.hour = Number(value)),
  M: (fields, value) => (fields.minute = Number(value)),
  S: (fields, value) => (fields.second = Number(value)),
  f: (fields, value) => (fields.micros = microsOf(value)),
  z: (fields, value) => (fields.offset = offsetOf(value)),
  Z: (fields, value) => (fields.offset = /^(UTC|GMT)$/i.test(value) ? null : fields.offset),
  p: (fields, value) => (fields.afternoon = /pm/i.test(value)),
  b: (fields, value) => (fields.month = monthOf(MONTHS.map(short), value)),
  B: (fields, value) => (fields.month = monthOf(MONTHS, value)),
};

interface Parser {
  pattern: RegExp;
  directives: string[];
}

function parserOf(format: string): Parser {
  const known = parsers.get(format);
  if (known) return known;
  const directives: string[] = [];
  const source = format
    .replaceAll('%F', '%Y-%m-%d')
    .replaceAll('%T', '%H:%M:%S')
    .replaceAll(
      /%([a-zA-Z%])|([.*+?^${}()|[\]\\/])|(\s+)/g,
      (whole, directive: string | undefined, special: string | undefined, space: string | undefined) => {
        if (special !== undefined) return `\\${special}`;
        if (space !== undefined) return '\\s+';
        if (directive === '%') return '%';
        const pattern = PATTERNS[directive!];
        if (pattern === undefined)
          throw new DateTextError(`the date format "${format}" has ${whole}, which is unknown`);
        directives.push(directive!);
        return pattern;
      },
    );
  const parser = { pattern: new RegExp(`^${source}$`, 'i'), directives };
  if (parsers.size >= MOST_PARSERS) parsers.clear();
  parsers.set(format, parser);
  return parser;
}

/** Python's strptime. Throws DateTextError. */
export function strptime(text: string, format: string): PyDate {
  const { pattern, directives } = parserOf(format);
  const match = pattern.exec(text);
  if (!match) throw new DateTextError(`"${text.slice(0, 60)}" does not match the date format "${format}"`);
  const fields: Fields = { year: 1900, month: 1, day: 1, hour: 0, minute: 0, second: 0, micros: 0, offset: null };
  for (const [index, directive] of directives.entries()) READS[directive]?.(fields, match[index + 1]!);
  if (fields.afternoon !== undefined) fields.hour = (fields.hour % 12) + (fields.afternoon ? 12 : 0);
  if (fields.yearDay === undefined) return build(fields, text);
  const { wallMs } = build({ ...fields, month: 1, day: 1 }, text);
  return new PyDate(wallMs + (fields.yearDay - 1) * DAY_MS, 0, fields.offset);
}

/** Reads a date of a stream: the formats of Airbyte's cursors. Without a zone it is UTC. Throws DateTextError. */
export function parseWith(value: string | number, format: string): PyDate {
  const epoch = (perMs: number): PyDate => {
    const number =
      typeof value === 'number' ? value : /^\s*[+-]?\d+(\.\d+)?\s*$/.test(value) ? Number(value) : Number.NaN;
    if (!Number.isFinite(number))
      throw new DateTextError(`"${String(value).slice(0, 60)}" is no number, as the date format "${format}" asks for`);
    const micros = Math.round((number / perMs) * 1000);
    const ms = Math.floor(micros / 1000);
    return PyDate.ofEpoch(ms, micros - ms * 1000);
  };
  switch (format) {
    case '%s':
      return epoch(1 / 1000);
    case '%s_as_float':
      return epoch(1 / 1000);
    case '%ms':
      return epoch(1);
    case '%epoch_microseconds':
      return epoch(1000);
    default: {
      const parsed = strptime(String(value), format.replaceAll('%_ms', '%f'));
      return parsed.offsetMinutes === null ? new PyDate(parsed.wallMs, parsed.micros, 0) : parsed;
    }
  }
}

/** Writes a date in a format of Airbyte's cursors. */
export function formatWith(date: PyDate, format: string): string {
  switch (format) {
    case '%s':
      return String(Math.floor(date.epochMs / 1000));
    case '%s_as_float': {
      const seconds = (date.epochMs * 1000 + date.micros) / 1_000_000;
      return Number.isInteger(seconds) ? `${seconds}.0` : String(seconds);
    }
    case '%ms':
      return String(date.epochMs);
    case '%epoch_microseconds':
      return String(date.epochMs * 1000 + date.micros);
    default:
      return date.strftime(format.replaceAll('%_ms', String(Math.floor(date.microsecond / 1000)).padStart(3, '0')));
  }
}
