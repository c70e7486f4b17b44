/** Attributes and methods of Python's dates and durations. */
import { PyDate, PyDelta } from './datetime.js';
import {
  Attributes,
  failed,
  floatOf,
  mismatch,
  numberOf,
  textOf,
  tupleOf,
  typeName,
  type Dict,
  type Value,
} from './values.js';
import { DAY_MS } from './datetime.js';

type Methods<T> = Record<string, [signature: string, method: (self: T, ...args: Value[]) => Value]>;

const text = (value: Value): string =>
  typeof value === 'string' ? value : mismatch(`a string is needed, not ${typeName(value)}`);
const isoWeekday = (self: PyDate) => new Date(self.wallMs).getUTCDay() || 7;
const ORDINAL_1970 = 719_163;
const timeOf = (self: PyDate) => {
  if (!self.hasTime) return mismatch('a date has no time');
  const [, clock] = self.isoformat(' ').split(' ');
  return new Attributes(
    () => clock!.replace(/[+-]\d\d:\d\d$/, ''),
    (name) => (['hour', 'minute', 'second', 'microsecond'].includes(name) ? dateAttribute(self, name) : undefined),
  );
};

export const DATE_METHODS: Methods<PyDate> = {
  strftime: ['format', (self, format) => self.strftime(text(format))],
  isoformat: ["sep='T' timespec='auto'", (self, separator, spec) => self.isoformat(text(separator), text(spec))],
  timestamp: ['', (self) => floatOf((self.epochMs * 1000 + self.micros) / 1_000_000)],
  date: ['', (self) => self.dateOnly()],
  time: ['', timeOf],
  weekday: ['', (self) => isoWeekday(self) - 1],
  isoweekday: ['', isoWeekday],
  isocalendar: ['', (self) => tupleOf(['%G', '%V', '%u'].map((directive) => Number(self.strftime(directive))))],
  toordinal: ['', (self) => Math.floor(self.wallMs / DAY_MS) + ORDINAL_1970],
  ctime: ['', (self) => self.strftime('%a %b %e %H:%M:%S %Y')],
  replace: ['**fields', (self, fields) => replaceFields(self, fields as Dict)],
  astimezone: ['tz=None', (self) => self.inUtc()],
  utcoffset: ['', (self) => (self.offsetMinutes === null ? null : new PyDelta(self.offsetMinutes * 60_000_000))],
  tzname: ['', (self) => (self.offsetMinutes === null ? null : self.strftime('%Z'))],
};
const OF_TIMES = ['timestamp', 'date', 'time', 'astimezone', 'utcoffset', 'tzname'];
/** What a date without a time has. */
export const DAY_METHODS: Methods<PyDate> = Object.fromEntries(
  Object.entries(DATE_METHODS).filter(([name]) => !OF_TIMES.includes(name)),
);
DAY_METHODS['isoformat'] = ['', (self) => self.isoformat()];

export function dateAttribute(self: PyDate, name: string): Value {
  const date = new Date(self.wallMs);
  switch (name) {
    case 'year':
      return date.getUTCFullYear();
    case 'month':
      return date.getUTCMonth() + 1;
    case 'day':
      return date.getUTCDate();
    default:
  }
  if (!self.hasTime) return undefined;
  switch (name) {
    case 'hour':
      return date.getUTCHours();
    case 'minute':
      return date.getUTCMinutes();
    case 'second':
      return date.getUTCSeconds();
    case 'microsecond':
      return self.microsecond;
    case 'tzinfo':
      return self.offsetMinutes === null
        ? null
        : new Attributes(
            () => self.strftime('%Z'),
            () => undefined,
          );
    case 'fold':
      return 0;
    default:
      return undefined;
  }
}

export const DELTA_METHODS: Methods<PyDelta> = {
  total_seconds: ['', (self) => floatOf(self.micros / 1_000_000)],
};

export function deltaAttribute(self: PyDelta, name: string): Value {
  const micros = self.micros - self.days * DAY_MS * 1000;
  switch (name) {
    case 'days':
      return self.days;
    case 'seconds':
      return Math.floor(micros / 1_000_000);
    case 'microseconds':
      return micros % 1_000_000;
    case 'months':
      return self.months === 0 ? undefined : self.months % 12;
    case 'years':
      return self.months === 0 ? undefined : Math.trunc(self.months / 12);
    default:
      return undefined;
  }
}

const FIELDS = ['year', 'month', 'day', 'hour', 'minute', 'second', 'microsecond'];

function replaceFields(self: PyDate, named: Dict): PyDate {
  const fields = self.hasTime ? [...FIELDS, 'tzinfo', 'fold'] : FIELDS.slice(0, 3);
  const wrong = Object.keys(named).find((name) => !fields.includes(name));
  if (wrong !== undefined) mismatch(`replace() got an unexpected keyword argument '${wrong}'`);
  const [year, month, day, hour, minute, second, micro] = FIELDS.map((name) => {
    const value = Object.hasOwn(named, name) ? named[name] : (dateAttribute(self, name) ?? 0);
    const number = numberOf(value);
    return number === undefined || !Number.isInteger(number)
      ? mismatch(`an integer is needed, not ${textOf(value)}`)
      : number;
  }) as [number, number, number, number, number, number, number];
  const days = new Date(Date.UTC(2000, month, 0));
  days.setUTCFullYear(year, month, 0);
  if (
    year < 1 ||
    year > 9999 ||
    month < 1 ||
    month > 12 ||
    day < 1 ||
    day > days.getUTCDate() ||
    hour < 0 ||
    hour > 23 ||
    minute < 0 ||
    minute > 59 ||
    second < 0 ||
    second > 59 ||
    micro < 0 ||
    micro > 999_999
  )
    return failed('a field of the date is out of range');
  const ms = new Date(Date.UTC(2000, 0, 1, hour, minute, second)).setUTCFullYear(year, month - 1, day);
  const offset = Object.hasOwn(named, 'tzinfo') && named['tzinfo'] === null ? null : self.offsetMinutes;
  return new PyDate(ms + Math.floor(micro / 1000), micro % 1000, offset, self.hasTime);
}
