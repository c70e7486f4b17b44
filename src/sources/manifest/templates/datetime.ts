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
