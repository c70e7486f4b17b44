/**
 * Dates, durations and their text forms as Python's datetime, dateutil's isoparse and isodate have them. Microsecond
 * precision.
 */
export const DAY_MS = 86_400_000;
export const DAYS = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'];
export const MONTHS = [
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
export const short = (name: string) => name.slice(0, 3);

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
    if (!this.hasTime && delta.months === 0)
      return new PyDate(this.wallMs + sign * delta.days * DAY_MS, 0, this.offsetMinutes, false);
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

  /** As Python's `isoformat`; `timespec` cuts the time (`auto`, `hours`, `minutes`, `seconds`, `milliseconds`). */
  isoformat(separator = 'T', timespec = 'auto'): string {
    const date = this.part('Y') + this.part('-m');
    if (!this.hasTime) return date;
    const digits = String(this.microsecond).padStart(6, '0');
    const clock = this.part('T');
    const time =
      {
        auto: this.microsecond === 0 ? clock : `${clock}.${digits}`,
        hours: clock.slice(0, 2),
        minutes: clock.slice(0, 5),
        seconds: clock,
        milliseconds: `${clock}.${digits.slice(0, 3)}`,
        microseconds: `${clock}.${digits}`,
      }[timespec] ?? clock;
    return `${date}${separator}${time}${this.zone(':')}`;
  }

  /** Python's `repr`. */
  repr(): string {
    const [date, clock] = [new Date(this.wallMs), this.hasTime];
    const day = [date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate()];
    if (!clock) return `datetime.date(${day.join(', ')})`;
    const fields = [...day, date.getUTCHours(), date.getUTCMinutes()];
    if (date.getUTCSeconds() !== 0 || this.microsecond !== 0) fields.push(date.getUTCSeconds());
    if (this.microsecond !== 0) fields.push(this.microsecond);
    const zone = this.offsetMinutes === null ? '' : ', tzinfo=datetime.timezone.utc';
    return `datetime.datetime(${fields.join(', ')}${zone})`;
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
    return format.replaceAll(DIRECTIVE, (whole, flags: string, width: string, directive: string) => {
      const found = this.directive(directive);
      if (found === undefined) return whole;
      return flagged(found, flags, width, directive);
    });
  }

  /** Long because it is the list of C's directives. */
  private directive(directive: string): string | undefined {
    const date = new Date(this.wallMs);
    const weekday = (date.getUTCDay() + 6) % 7;
    const yearDay = () => Math.floor((this.wallMs - dayOne(date.getUTCFullYear())) / DAY_MS);
    const hour12 = () => date.getUTCHours() % 12 || 12;
    switch (directive) {
      case 'Y':
        return String(date.getUTCFullYear());
      case 'C':
        return two(Math.floor(date.getUTCFullYear() / 100));
      case 'y':
        return two(date.getUTCFullYear() % 100);
      case 'm':
        return two(date.getUTCMonth() + 1);
      case 'd':
        return two(date.getUTCDate());
      case 'e':
        return String(date.getUTCDate()).padStart(2);
      case 'H':
        return two(date.getUTCHours());
      case 'k':
        return String(date.getUTCHours()).padStart(2);
      case 'I':
        return two(hour12());
      case 'l':
        return String(hour12()).padStart(2);
      case 'M':
        return two(date.getUTCMinutes());
      case 'S':
        return two(date.getUTCSeconds());
      case 'f':
        return String(this.microsecond).padStart(6, '0');
      case 'z':
        return this.zone('');
      case 'Z':
        return this.offsetMinutes === null ? '' : this.offsetMinutes === 0 ? 'UTC' : `UTC${this.zone(':')}`;
      case 'j':
        return String(yearDay() + 1).padStart(3, '0');
      case 'U':
        return two(Math.floor((yearDay() + 7 - date.getUTCDay()) / 7));
      case 'W':
        return two(Math.floor((yearDay() + 7 - weekday) / 7));
      case 'V':
        return two(this.isoWeek()[1]);
      case 'G':
        return String(this.isoWeek()[0]);
      case 'g':
        return two(this.isoWeek()[0] % 100);
      case 'p':
        return date.getUTCHours() < 12 ? 'AM' : 'PM';
      case 'P':
        return date.getUTCHours() < 12 ? 'am' : 'pm';
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
      case 's':
        return String(Math.floor(this.epochMs / 1000));
      case '%':
        return '%';
      case 'n':
        return '\n';
      case 't':
        return '\t';
      default:
        return Object.hasOwn(COMBINED, directive) ? this.strftime(COMBINED[directive]!) : undefined;
    }
  }

  /** Year and week by ISO 8601. */
  private isoWeek(): [number, number] {
    const date = new Date(this.wallMs);
    const weekday = (date.getUTCDay() + 6) % 7;
    const thursday = new Date(this.wallMs + (3 - weekday) * DAY_MS);
    const year = thursday.getUTCFullYear();
    return [year, Math.floor((thursday.getTime() - dayOne(year)) / DAY_MS / 7) + 1];
  }
}

const dayOne = (year: number) => new Date(Date.UTC(2000, 0, 1)).setUTCFullYear(year);
/** What other directives stand for; a locale is C's. */
const COMBINED: Record<string, string> = {
  F: '%Y-%m-%d',
  T: '%H:%M:%S',
  X: '%H:%M:%S',
  R: '%H:%M',
  r: '%I:%M:%S %p',
  D: '%m/%d/%y',
  x: '%m/%d/%y',
  c: '%a %b %e %H:%M:%S %Y',
};
const DIRECTIVE = /%([-_0^#]*)(\d*)[EO]?([a-zA-Z%])/g;

/** glibc's flags: no padding, blanks, zeros, upper case, the other case; and a width. */
function flagged(found: string, flags: string, width: string, directive: string): string {
  let out = found;
  if (flags.includes('-')) out = out.replace(/^[0 ]+(?=\d)/, '');
  else if (flags.includes('_')) out = out.replace(/^0+(?=\d)/, (zeros) => ' '.repeat(zeros.length));
  else if (flags.includes('0')) out = out.replace(/^ +(?=\d)/, (blanks) => '0'.repeat(blanks.length));
  if (flags.includes('^')) out = out.toUpperCase();
  if (flags.includes('#')) out = 'pZ'.includes(directive) ? out.toLowerCase() : out.toUpperCase();
  if (width === '') return out;
  const fill = flags.includes('_') || (!/^\d/.test(out) && !flags.includes('0')) ? ' ' : '0';
  return out.padStart(Math.min(Number(width), 1000), fill);
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

  /** Python's `repr`. */
  repr(): string {
    const rest = this.micros - this.days * DAY_MS * 1000;
    const parts = [
      ['days', this.days],
      ['seconds', Math.floor(rest / 1_000_000)],
      ['microseconds', rest % 1_000_000],
    ].filter(([, value]) => value !== 0);
    return `datetime.timedelta(${parts.length === 0 ? '0' : parts.map(([name, value]) => `${name}=${value}`).join(', ')})`;
  }

  toString(): string {
    const { days } = this;
    const seconds = Math.floor(this.micros / 1_000_000) - days * 86_400;
    const micros = this.micros - Math.floor(this.micros / 1_000_000) * 1_000_000;
    const clock = `${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}${micros === 0 ? '' : `.${String(micros).padStart(6, '0')}`}`;
    return days === 0 ? clock : `${days} day${Math.abs(days) === 1 ? '' : 's'}, ${clock}`;
  }
}
