/**
 * Dates, durations and their text forms as Python's datetime, dateutil's isoparse and isodate have them. Microsecond
 * precision.
 */
const DAY_MS = 86_400_000;
const DAYS = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'];
const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];

/** A text that is no date, or not of the format that was asked for. */
export class DateTextError extends Error {}

const two = (value: number) => String(value).padStart(2, '0');
const short = (name: string) => name.slice(0, 3);

/** A date, or a date with a time; `offsetMinutes` null: without a zone. */
export class PyDate {
  /** `wallMs`: the wall clock's reading as if it were UTC; `micros`: what is below a millisecond, 0 to 999. */
  constructor(
    readonly wallMs: number,
    readonly micros = 0,
    readonly offsetMinutes: number | null = 0,
    readonly hasTime = true,
  ) {}

  static ofEpoch(ms: number, micros = 0): PyDate {
    return new PyDate(ms, micros, 0);
  }

  /** Milliseconds since the epoch; without a zone it is taken for UTC. */
  get epochMs(): number {
    return this.wallMs - (this.offsetMinutes ?? 0) * 60_000;
  }

  get microsecond(): number {
    return (((this.wallMs % 1000) + 1000) % 1000) * 1000 + this.micros;
  }

  compare(other: PyDate): number {
    return this.epochMs - other.epochMs || this.micros - other.micros;
  }

  plus(delta: PyDelta, sign: 1 | -1 = 1): PyDate {
    let { wallMs } = this;
    if (delta.months !== 0) {
      const date = new Date(wallMs);
      const month = date.getUTCFullYear() * 12 + date.getUTCMonth() + sign * delta.months;
      const lastDay = new Date(Date.UTC(Math.floor(month / 12), (month % 12) + 1, 0)).getUTCDate();
      wallMs =
        Date.UTC(Math.floor(month / 12), month % 12, Math.min(date.getUTCDate(), lastDay)) +
        (((wallMs % DAY_MS) + DAY_MS) % DAY_MS);
    }
    const total = this.micros + sign * delta.micros;
    const ms = Math.floor(total / 1000);
    return new PyDate(
      this.hasTime ? wallMs + ms : Math.floor((wallMs + ms) / DAY_MS) * DAY_MS,
      this.hasTime ? total - ms * 1000 : 0,
      this.offsetMinutes,
      this.hasTime,
    );
  }

  minus(other: PyDate): PyDelta {
    return new PyDelta((this.epochMs - other.epochMs) * 1000 + this.micros - other.micros);
  }

  inUtc(): PyDate {
    return new PyDate(this.epochMs, this.micros, 0);
  }

  dateOnly(): PyDate {
    return new PyDate(Math.floor(this.wallMs / DAY_MS) * DAY_MS, 0, null, false);
  }

  isoformat(separator = 'T'): string {
    const date = this.part('Y') + this.part('-m');
    if (!this.hasTime) return date;
    const fraction = this.microsecond === 0 ? '' : `.${String(this.microsecond).padStart(6, '0')}`;
    return `${date}${separator}${this.part('T')}${fraction}${this.zone(':')}`;
  }

  toString(): string {
    return this.isoformat(' ');
  }

  private part(which: 'Y' | '-m' | 'T'): string {
    const date = new Date(this.wallMs);
    if (which === 'Y') return String(date.getUTCFullYear()).padStart(4, '0');
    if (which === '-m') return `-${two(date.getUTCMonth() + 1)}-${two(date.getUTCDate())}`;
    return `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`;
  }

  private zone(colon: string): string {
    if (this.offsetMinutes === null) return '';
    const size = Math.abs(this.offsetMinutes);
    return `${this.offsetMinutes < 0 ? '-' : '+'}${two(Math.floor(size / 60))}${colon}${two(size % 60)}`;
  }

  /** C's directives, on this date's own wall clock; `%s` is always the epoch. */
  strftime(format: string): string {
    const date = new Date(this.wallMs);
    const weekday = (date.getUTCDay() + 6) % 7;
    const yearDay = () => Math.floor((this.wallMs - Date.UTC(date.getUTCFullYear(), 0, 1)) / DAY_MS) + 1;
    const hour12 = () => date.getUTCHours() % 12 || 12;
    return format.replaceAll(/%(-?)([a-zA-Z%])/g, (whole, strip: string, directive: string) => {
      const number = (text: string) => (strip ? text.replace(/^0+(?=\d)/, '') : text);
      switch (directive) {
        case 'Y':
          return this.part('Y');
        case 'm':
          return number(two(date.getUTCMonth() + 1));
        case 'd':
          return number(two(date.getUTCDate()));
        case 'e':
          return String(date.getUTCDate()).padStart(2);
        case 'H':
          return number(two(date.getUTCHours()));
        case 'I':
          return number(two(hour12()));
        case 'M':
          return number(two(date.getUTCMinutes()));
        case 'S':
          return number(two(date.getUTCSeconds()));
        case 'f':
          return String(this.microsecond).padStart(6, '0');
        case 'z':
          return this.zone('');
        case 'Z':
          return this.offsetMinutes === null ? '' : this.offsetMinutes === 0 ? 'UTC' : `UTC${this.zone(':')}`;
        case 'y':
          return this.part('Y').slice(2);
        case 'j':
          return number(String(yearDay()).padStart(3, '0'));
        case 'p':
          return date.getUTCHours() < 12 ? 'AM' : 'PM';
        case 'A':
          return DAYS[weekday]!;
        case 'a':
          return short(DAYS[weekday]!);
        case 'B':
          return MONTHS[date.getUTCMonth()]!;
        case 'b':
        case 'h':
          return short(MONTHS[date.getUTCMonth()]!);
        case 'u':
          return String(weekday + 1);
        case 'w':
          return String(date.getUTCDay());
        case 'F':
          return this.part('Y') + this.part('-m');
        case 'T':
          return this.part('T');
        case 'D':
          return `${two(date.getUTCMonth() + 1)}/${two(date.getUTCDate())}/${this.part('Y').slice(2)}`;
        case 's':
          return String(Math.floor(this.epochMs / 1000));
        case '%':
          return '%';
        default:
          return whole;
      }
    });
  }
}

/** A span of time; `months` where it was given in years or months. */
export class PyDelta {
  constructor(
    readonly micros: number,
    readonly months = 0,
  ) {}

  get ms(): number {
    return this.micros / 1000;
  }

  get days(): number {
    return Math.floor(this.micros / (DAY_MS * 1000));
  }

  plus(other: PyDelta, sign: 1 | -1 = 1): PyDelta {
    return new PyDelta(this.micros + sign * other.micros, this.months + sign * other.months);
  }

  toString(): string {
    const { days } = this;
    const seconds = Math.floor(this.micros / 1_000_000) - days * 86_400;
    const micros = this.micros - Math.floor(this.micros / 1_000_000) * 1_000_000;
    const clock = `${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}${micros === 0 ? '' : `.${String(micros).padStart(6, '0')}`}`;
    return days === 0 ? clock : `${days} day${Math.abs(days) === 1 ? '' : 's'}, ${clock}`;
  }
}

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
  /^(\d{4})(?:-?(\d{2})(?:-?(\d{2}))?)?(?:[T ]?(\d{2})(?::?(\d{2})(?::?(\d{2})(?:[.,](\d{1,9}))?)?)?(Z|[+-]\d{2}(?::?\d{2})?)?)?$/i;

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
const parsers = new Map<string, { pattern: RegExp; directives: string[] }>();
const MOST_PARSERS = 1000;

/** Python's strptime. Throws DateTextError. */
export function strptime(text: string, format: string): PyDate {
  let parser = parsers.get(format);
  if (!parser) {
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
    parser = { pattern: new RegExp(`^${source}$`, 'i'), directives };
    if (parsers.size >= MOST_PARSERS) parsers.clear();
    parsers.set(format, parser);
  }
  const match = parser.pattern.exec(text);
  if (!match) throw new DateTextError(`"${text.slice(0, 60)}" does not match the date format "${format}"`);
  const fields: Fields = { year: 1900, month: 1, day: 1, hour: 0, minute: 0, second: 0, micros: 0, offset: null };
  let afternoon: boolean | undefined;
  for (const [index, directive] of parser.directives.entries()) {
    const value = match[index + 1]!;
    const number = Number(value);
    switch (directive) {
      case 'Y':
        fields.year = number;
        break;
      case 'y':
        fields.year = number < 69 ? 2000 + number : 1900 + number;
        break;
      case 'm':
        fields.month = number;
        break;
      case 'd':
      case 'e':
        fields.day = number;
        break;
      case 'j':
        fields.month = 1;
        fields.day = number;
        break;
      case 'H':
      case 'I':
        fields.hour = number;
        break;
      case 'M':
        fields.minute = number;
        break;
      case 'S':
        fields.second = number;
        break;
      case 'f':
        fields.micros = microsOf(value);
        break;
      case 'z':
        fields.offset = offsetOf(value);
        break;
      case 'Z':
        fields.offset = /^(UTC|GMT)$/i.test(value) ? null : fields.offset;
        break;
      case 'p':
        afternoon = /pm/i.test(value);
        break;
      case 'b':
        fields.month = MONTHS.findIndex((name) => short(name).toLowerCase() === value.toLowerCase()) + 1;
        break;
      case 'B':
        fields.month = MONTHS.findIndex((name) => name.toLowerCase() === value.toLowerCase()) + 1;
        break;
      default:
        break;
    }
  }
  if (afternoon !== undefined) fields.hour = (fields.hour % 12) + (afternoon ? 12 : 0);
  if (parser.directives.includes('j')) {
    const { wallMs } = build({ ...fields, month: 1, day: 1 }, text);
    return new PyDate(wallMs + (fields.day - 1) * DAY_MS, 0, fields.offset);
  }
  return build(fields, text);
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
