/**
 * Attributes and methods of Python's own types. What is not listed here does not exist: no template reaches the host.
 */
import { parseIso } from './date-text.js';
import { PyDate, PyDelta } from './datetime.js';
import {
  equals,
  floatOf,
  isDict,
  iterate,
  numberOf,
  textOf,
  Tuple,
  TypeMismatch,
  TemplateError,
  typeName,
  type Callable,
  type Dict,
  type Value,
} from './values.js';

/** No result of a template is longer. */
export const MOST_TEXT = 10_000_000;

type Methods<T> = Record<string, (self: T, args: Value[], named: Dict) => Value>;

/** The value, which must be a string. */
export const stringArgument = (value: Value): string => {
  if (typeof value !== 'string') throw new TypeMismatch(`a string is needed, not ${typeName(value)}`);
  return value;
};
const trimmed = (self: string, chars: Value, left: boolean, right: boolean): string => {
  if (chars === undefined || chars === null)
    return left && right ? self.trim() : left ? self.trimStart() : self.trimEnd();
  const set = new Set(stringArgument(chars));
  let from = 0;
  let to = self.length;
  while (left && from < to && set.has(self[from]!)) from++;
  while (right && to > from && set.has(self[to - 1]!)) to--;
  return self.slice(from, to);
};
const affix = (test: (value: string) => boolean, value: Value) =>
  Array.isArray(value) ? value.some((each) => test(stringArgument(each))) : test(stringArgument(value));

const STRING_METHODS: Methods<string> = {
  lower: (self) => self.toLowerCase(),
  upper: (self) => self.toUpperCase(),
  strip: (self, [chars]) => trimmed(self, chars, true, true),
  lstrip: (self, [chars]) => trimmed(self, chars, true, false),
  rstrip: (self, [chars]) => trimmed(self, chars, false, true),
  replace: (self, [from, to, count]) =>
    replaceText(self, stringArgument(from), stringArgument(to), count === undefined ? -1 : (numberOf(count) ?? -1)),
  split: (self, [separator, most], named) => split(self, separator ?? named['sep'], most ?? named['maxsplit']),
  rsplit: (self, [separator, most]) => rsplit(self, separator, most),
  splitlines: (self) => (self === '' ? [] : self.replace(/\r?\n$/, '').split(/\r\n|\r|\n/)),
  startswith: (self, [prefix]) => affix((value) => self.startsWith(value), prefix),
  endswith: (self, [suffix]) => affix((value) => self.endsWith(value), suffix),
  removeprefix: (self, [prefix]) =>
    self.startsWith(stringArgument(prefix)) ? self.slice(stringArgument(prefix).length) : self,
  removesuffix: (self, [suffix]) =>
    stringArgument(suffix) !== '' && self.endsWith(stringArgument(suffix))
      ? self.slice(0, -stringArgument(suffix).length)
      : self,
  join: (self, [items]) => iterate(items).map(stringArgument).join(self),
  title: (self) =>
    self
      .toLowerCase()
      .replaceAll(/(^|[^a-z])([a-z])/g, (_, before: string, letter: string) => before + letter.toUpperCase()),
  capitalize: (self) => self.slice(0, 1).toUpperCase() + self.slice(1).toLowerCase(),
  find: (self, [part]) => self.indexOf(stringArgument(part)),
  rfind: (self, [part]) => self.lastIndexOf(stringArgument(part)),
  count: (self, [part]) => self.split(stringArgument(part)).length - 1,
  index: (self, [part]) => {
    const at = self.indexOf(stringArgument(part));
    if (at < 0) throw new TemplateError('substring not found');
    return at;
  },
  isdigit: (self) => /^\d+$/.test(self),
  isnumeric: (self) => /^\d+$/.test(self),
  isalpha: (self) => /^\p{L}+$/u.test(self),
  isalnum: (self) => /^[\p{L}\d]+$/u.test(self),
  isupper: (self) => self !== self.toLowerCase() && self === self.toUpperCase(),
  islower: (self) => self !== self.toUpperCase() && self === self.toLowerCase(),
  zfill: (self, [width]) =>
    /^[+-]/.test(self)
      ? self[0]! + self.slice(1).padStart(boundedWidth(width) - 1, '0')
      : self.padStart(boundedWidth(width), '0'),
  ljust: (self, [width, fill]) => self.padEnd(boundedWidth(width), fill === undefined ? ' ' : stringArgument(fill)),
  rjust: (self, [width, fill]) => self.padStart(boundedWidth(width), fill === undefined ? ' ' : stringArgument(fill)),
  format: (self, args, named) => formatText(self, args, named),
  encode: (self) => self,
  partition: (self, [separator]) => {
    const at = self.indexOf(stringArgument(separator));
    return Tuple.from(
      at < 0 ? [self, '', ''] : [self.slice(0, at), separator, self.slice(at + stringArgument(separator).length)],
    );
  },
};

const DICT_METHODS: Methods<Dict> = {
  get: (self, [key, otherwise]) =>
    Object.hasOwn(self, keyText(key)) ? self[keyText(key)] : otherwise === undefined ? null : otherwise,
  keys: (self) => Object.keys(self),
  values: (self) => Object.values(self),
  items: (self) => Object.entries(self).map((entry) => Tuple.from(entry as Value[])),
  copy: (self) => ({ ...self }),
};

const LIST_METHODS: Methods<Value[]> = {
  index: (self, [item]) => {
    const at = self.findIndex((each) => equals(each, item));
    if (at < 0) throw new TemplateError('the value is not in the list');
    return at;
  },
  count: (self, [item]) => self.filter((each) => equals(each, item)).length,
  copy: (self) => [...self],
  // Lists of a template's own making grow; those of the context are copies when they get here.
  append: (self, [item]) => {
    if (self.length >= MOST_TEXT) throw new TemplateError('a list of the template grows too long');
    self.push(item);
    return null;
  },
};

const DATE_METHODS: Methods<PyDate> = {
  strftime: (self, [format]) => self.strftime(stringArgument(format)),
  isoformat: (self, [separator]) => self.isoformat(separator === undefined ? 'T' : stringArgument(separator)),
  timestamp: (self) => floatOf(self.epochMs / 1000 + self.micros / 1_000_000),
  date: (self) => self.dateOnly(),
  weekday: (self) => (new Date(self.wallMs).getUTCDay() + 6) % 7,
  isoweekday: (self) => new Date(self.wallMs).getUTCDay() || 7,
  replace: (self, _args, named) => replaceFields(self, named),
  astimezone: (self) => self.inUtc(),
};

export function dateAttribute(self: PyDate, name: string): Value {
  const date = new Date(self.wallMs);
  switch (name) {
    case 'year':
      return date.getUTCFullYear();
    case 'month':
      return date.getUTCMonth() + 1;
    case 'day':
      return date.getUTCDate();
    case 'hour':
      return date.getUTCHours();
    case 'minute':
      return date.getUTCMinutes();
    case 'second':
      return date.getUTCSeconds();
    case 'microsecond':
      return self.microsecond;
    default:
      return undefined;
  }
}

export function deltaAttribute(self: PyDelta, name: string): Value {
  switch (name) {
    case 'days':
      return self.days;
    case 'seconds':
      return Math.floor(self.micros / 1_000_000) - self.days * 86_400;
    default:
      return undefined;
  }
}

const DELTA_METHODS: Methods<PyDelta> = { total_seconds: (self) => floatOf(self.micros / 1_000_000) };

/** A method bound to its value; undefined where the type has none of this name. */
export function methodOf(self: Value, name: string): Callable | undefined {
  const table =
    typeof self === 'string'
      ? STRING_METHODS
      : Array.isArray(self)
        ? LIST_METHODS
        : self instanceof PyDate
          ? DATE_METHODS
          : self instanceof PyDelta
            ? DELTA_METHODS
            : isDict(self)
              ? DICT_METHODS
              : undefined;
  if (!table || !Object.hasOwn(table, name)) return undefined;
  const method = (table as Methods<Value>)[name]!;
  return (args, named) => method(self, args, named);
}

function keyText(key: Value): string {
  if (typeof key === 'string') return key;
  if (Array.isArray(key) || isDict(key)) throw new TypeMismatch(`unhashable type: ${typeName(key)}`);
  return textOf(key);
}

function boundedWidth(value: Value): number {
  const width = numberOf(value);
  if (width === undefined) throw new TypeMismatch('a width is a number');
  if (width > MOST_TEXT) throw new TemplateError('a text of the template grows too long');
  return width;
}

export function replaceText(self: string, from: string, to: string, count = -1): string {
  if (count === 0) return self;
  if (count < 0) {
    const parts = from === '' ? self.length + 1 : self.split(from).length;
    if (self.length + parts * to.length > MOST_TEXT) throw new TemplateError('a text of the template grows too long');
    return from === '' ? to + [...self].map((char) => char + to).join('') : self.replaceAll(from, () => to);
  }
  let out = self;
  let at = 0;
  for (let done = 0; done < count && done < self.length; done++) {
    const found = out.indexOf(from, at);
    if (found < 0) break;
    out = out.slice(0, found) + to + out.slice(found + from.length);
    at = found + to.length;
  }
  return out;
}

function split(self: string, separator: Value, most: Value): Value[] {
  const limit = most === undefined || most === null ? -1 : numberOf(most)!;
  if (separator === undefined || separator === null) {
    const words = self
      .trim()
      .split(/\s+/)
      .filter((word) => word !== '');
    return limit >= 0 && words.length > limit + 1 ? [...words.slice(0, limit), words.slice(limit).join(' ')] : words;
  }
  const mark = stringArgument(separator);
  if (mark === '') throw new TemplateError('empty separator');
  const parts = self.split(mark);
  return limit >= 0 && parts.length > limit + 1 ? [...parts.slice(0, limit), parts.slice(limit).join(mark)] : parts;
}

function rsplit(self: string, separator: Value, most: Value): Value[] {
  const limit = most === undefined || most === null ? -1 : numberOf(most)!;
  const parts = split(self, separator, undefined) as string[];
  if (limit < 0 || parts.length <= limit + 1) return parts;
  const cut = parts.length - limit;
  return [parts.slice(0, cut).join(typeof separator === 'string' ? separator : ' '), ...parts.slice(cut)];
}

/** `{}`, `{0}` and `{name}`; no attribute can be reached through it. */
function formatText(self: string, args: Value[], named: Dict): string {
  let next = 0;
  return self.replaceAll(/\{\{|\}\}|\{(\w*)\}/g, (whole, key: string | undefined) => {
    if (whole === '{{') return '{';
    if (whole === '}}') return '}';
    const value =
      key === '' || key === undefined
        ? args[next++]
        : /^\d+$/.test(key)
          ? args[Number(key)]
          : Object.hasOwn(named, key)
            ? named[key]
            : undefined;
    if (value === undefined) throw new TemplateError(`nothing was given for ${whole}`);
    return textOf(value);
  });
}

const FIELDS = ['year', 'month', 'day', 'hour', 'minute', 'second', 'microsecond'];

function replaceFields(self: PyDate, named: Dict): PyDate {
  const [year, month, day, hour, minute, second, micro] = FIELDS.map(
    (name) => numberOf(Object.hasOwn(named, name) ? named[name] : dateAttribute(self, name)) ?? 0,
  ) as [number, number, number, number, number, number, number];
  const pad = (value: number, width = 2) => String(value).padStart(width, '0');
  const fresh = parseIso(
    `${pad(year, 4)}-${pad(month)}-${pad(day)}T${pad(hour)}:${pad(minute)}:${pad(second)}.${pad(micro, 6)}`,
  );
  const offset = Object.hasOwn(named, 'tzinfo') && named['tzinfo'] === null ? null : self.offsetMinutes;
  return new PyDate(fresh.wallMs, fresh.micros, offset, self.hasTime);
}
