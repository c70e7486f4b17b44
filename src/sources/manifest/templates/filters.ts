/** Jinja's filters and tests, and Airbyte's own. */
import { createHash, createHmac, getHashes } from 'node:crypto';
import { replaceText, stringArgument } from './methods.js';
import { quotePlus } from './macros.js';
import {
  compare,
  contains,
  equals,
  floatOf,
  isDict,
  isFloat,
  isTrue,
  iterate,
  numberOf,
  reprOf,
  TemplateError,
  textOf,
  Tuple,
  TypeMismatch,
  typeName,
  UndefinedUse,
  type Dict,
  type Value,
} from './values.js';

export type Filter = (value: Value, args: Value[], named: Dict, member: (object: Value, key: Value) => Value) => Value;
export type Test = (value: Value, args: Value[]) => boolean;

const MOST_REGEXP = 2000;
const MOST_SEARCHED = 100_000;

function toInt(value: Value, otherwise: Value): Value {
  if (value === undefined) throw new UndefinedUse('an undefined value is no number');
  const number = numberOf(value);
  if (number !== undefined) return Number.isFinite(number) ? Math.trunc(number) + 0 : otherwise;
  if (typeof value !== 'string') return otherwise;
  const word = value.trim().replaceAll('_', '');
  if (!/^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$/.test(word)) return otherwise;
  return Math.trunc(Number(word)) + 0;
}

function toFloat(value: Value, otherwise: Value): Value {
  if (value === undefined) throw new UndefinedUse('an undefined value is no number');
  const number = numberOf(value);
  if (number !== undefined) return floatOf(number);
  if (typeof value !== 'string') return otherwise;
  const word = value.trim().replaceAll('_', '');
  return /^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$/.test(word) ? floatOf(Number(word)) : otherwise;
}

function lengthOf(value: Value): number {
  if (value === undefined) return 0;
  if (typeof value === 'string') return [...value].length;
  if (Array.isArray(value)) return value.length;
  if (isDict(value)) return Object.keys(value).length;
  throw new TypeMismatch(`object of type '${typeName(value)}' has no len()`);
}

/** A pattern of Python's `re`, as far as JavaScript has it. */
export function regexOf(pattern: string, flags = 'u'): RegExp {
  if (pattern.length > MOST_REGEXP) throw new TemplateError('a regular expression is too long');
  const translated = pattern
    .replaceAll('(?P<', '(?<')
    .replaceAll(/\(\?P=(\w+)\)/g, '\\k<$1>')
    .replaceAll('\\Z', '$')
    .replaceAll('\\A', '^');
  const inline = /^\(\?([ims]+)\)/.exec(translated);
  const body = inline ? translated.slice(inline[0].length) : translated;
  const all = [...new Set(flags + (inline?.[1] ?? ''))].join('');
  try {
    return new RegExp(body, all);
  } catch {
    try {
      return new RegExp(body, all.replace('u', ''));
    } catch (error) {
      throw new TemplateError(`"${pattern.slice(0, 60)}" is no regular expression: ${(error as Error).message}`);
    }
  }
}

function searched(value: Value): string {
  const found = stringArgument(value);
  if (found.length > MOST_SEARCHED)
    throw new TemplateError('a text is too long to be searched by a regular expression');
  return found;
}

/** Python's `json.dumps`, with its separators. */
function dumps(value: Value): string {
  if (value === undefined) throw new TypeMismatch('Object of type Undefined is not JSON serializable');
  if (typeof value === 'string')
    return JSON.stringify(value).replaceAll(
      /[\u007f-\uffff]/g,
      (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
    );
  if (value === null || typeof value === 'boolean') return JSON.stringify(value);
  if (numberOf(value) !== undefined) return reprOf(value);
  if (Array.isArray(value)) return `[${value.map(dumps).join(', ')}]`;
  if (isDict(value))
    return `{${Object.entries(value)
      .map(([key, item]) => `${dumps(key)}: ${dumps(item)}`)
      .join(', ')}}`;
  throw new TypeMismatch(`Object of type ${typeName(value)} is not JSON serializable`);
}

const htmlSafe = (value: string) =>
  value.replaceAll('<', '\\u003c').replaceAll('>', '\\u003e').replaceAll('&', '\\u0026').replaceAll("'", '\\u0027');

/** `attribute='a.b'` goes down by its parts. */
function attribute(member: (object: Value, key: Value) => Value, item: Value, path: Value): Value {
  if (typeof path === 'number') return member(item, path);
  return stringArgument(path)
    .split('.')
    .reduce<Value>((value, key) => member(value, /^\d+$/.test(key) ? Number(key) : key), item);
}

function test(name: Value): Test {
  const found = Object.hasOwn(TESTS, stringArgument(name)) ? TESTS[stringArgument(name)] : undefined;
  if (!found) throw new TemplateError(`No test named '${textOf(name)}'.`);
  return found;
}

function selected(
  value: Value,
  args: Value[],
  member: (object: Value, key: Value) => Value,
  byAttribute: boolean,
  keep: boolean,
): Value {
  const [path, name, ...rest] = byAttribute ? args : [undefined, ...args];
  const check: Test = name === undefined ? isTrue : test(name);
  return iterate(value).filter((item) => check(byAttribute ? attribute(member, item, path) : item, rest) === keep);
}

export const FILTERS: Record<string, Filter> = {
  int: (value, [otherwise], named) => toInt(value, otherwise ?? named['default'] ?? 0),
  float: (value, [otherwise], named) => toFloat(value, otherwise ?? named['default'] ?? floatOf(0)),
  string: (value) => (typeof value === 'string' ? value : `"""${dumps(value)}"""`),
  default: (value, [otherwise, falsy], named) =>
    value === undefined || (isTrue(falsy ?? named['boolean']) && !isTrue(value))
      ? otherwise === undefined
        ? (named['default_value'] ?? '')
        : otherwise
      : value,
  length: (value) => lengthOf(value),
  first: (value) => iterate(value)[0],
  last: (value) => iterate(value).at(-1),
  join: (value, [separator, path], named, member) => {
    const by = path ?? named['attribute'];
    return iterate(value)
      .map((item) => textOf(by === undefined ? item : attribute(member, item, by)))
      .join(textOf(separator ?? named['d'] ?? ''));
  },
  lower: (value) => textOf(value).toLowerCase(),
  upper: (value) => textOf(value).toUpperCase(),
  title: (value) =>
    textOf(value)
      .toLowerCase()
      .replaceAll(/(^|[\s\-([{<])(\p{L})/gu, (_, before: string, letter: string) => before + letter.toUpperCase()),
  capitalize: (value) => textOf(value).slice(0, 1).toUpperCase() + textOf(value).slice(1).toLowerCase(),
  trim: (value, [chars]) =>
    chars === undefined ? textOf(value).trim() : replaceTrim(textOf(value), stringArgument(chars)),
  replace: (value, [from, to, count]) =>
    replaceText(textOf(value), textOf(from), textOf(to), count === undefined ? -1 : (numberOf(count) ?? -1)),
  tojson: (value) => htmlSafe(dumps(value)),
  list: (value) => [...iterate(value)],
  items: (value) =>
    value === undefined
      ? []
      : isDict(value)
        ? Object.entries(value).map((entry) => Tuple.from(entry as Value[]))
        : mismatch('a dict', value),
  dictsort: (value) =>
    isDict(value)
      ? Object.keys(value)
          .toSorted()
          .map((key) => Tuple.from([key, value[key]] as Value[]))
      : mismatch('a dict', value),
  sort: (value, [reverse], named, member) => {
    const by = named['attribute'];
    const key = (item: Value) => {
      const found = by === undefined ? item : attribute(member, item, by);
      return typeof found === 'string' ? found.toLowerCase() : found;
    };
    const sorted = iterate(value).toSorted((a, b) => compare(key(a), key(b)));
    return isTrue(reverse ?? named['reverse']) ? sorted.toReversed() : sorted;
  },
  reverse: (value) => (typeof value === 'string' ? [...value].toReversed().join('') : [...iterate(value)].toReversed()),
  unique: (value) =>
    iterate(value).filter((item, index, all) => all.findIndex((other) => equals(other, item)) === index),
  sum: (value, [path], named, member) => {
    const by = path ?? named['attribute'];
    const items = iterate(value).map((item) => (by === undefined ? item : attribute(member, item, by)));
    const total = items.reduce<number>(
      (sum, item) => sum + (numberOf(item) ?? Number.NaN),
      numberOf(named['start']) ?? 0,
    );
    return items.some(isFloat) ? floatOf(total) : total;
  },
  max: (value) => extreme(value, 1),
  min: (value) => extreme(value, -1),
  abs: (value) =>
    isFloat(value)
      ? floatOf(Math.abs(numberOf(value)!))
      : Math.abs(numberOf(value) ?? (mismatch('a number', value) as never)),
  round: (value, [digits, method]) => {
    const number = numberOf(value) ?? (mismatch('a number', value) as never);
    const scale = 10 ** (numberOf(digits) ?? 0);
    const scaled = number * scale;
    return floatOf(
      (method === 'ceil' ? Math.ceil(scaled) : method === 'floor' ? Math.floor(scaled) : halfEven(scaled)) / scale,
    );
  },
  map: (value, args, named, member) => {
    if (named['attribute'] !== undefined)
      return iterate(value).map((item) => {
        const found = attribute(member, item, named['attribute']);
        return found === undefined ? named['default'] : found;
      });
    const [name, ...rest] = args;
    const filter = Object.hasOwn(FILTERS, stringArgument(name)) ? FILTERS[stringArgument(name)] : undefined;
    if (!filter) throw new TemplateError(`No filter named '${textOf(name)}'.`);
    return iterate(value).map((item) => filter(item, rest, named, member));
  },
  select: (value, args, _named, member) => selected(value, args, member, false, true),
  reject: (value, args, _named, member) => selected(value, args, member, false, false),
  selectattr: (value, args, _named, member) => selected(value, args, member, true, true),
  rejectattr: (value, args, _named, member) => selected(value, args, member, true, false),
  attr: (value, [name], _named, member) => member(value, name),
  urlencode: (value) =>
    isDict(value)
      ? Object.entries(value)
          .map(([key, item]) => `${quotePlus(key)}=${quotePlus(textOf(item))}`)
          .join('&')
      : quotePlus(textOf(value)).replaceAll('+', '%20').replaceAll('%2F', '/'),
  escape: (value) =>
    textOf(value)
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
      .replaceAll("'", '&#39;')
      .replaceAll('"', '&#34;'),
  safe: (value) => textOf(value),
  truncate: (value, [length]) => {
    const most = numberOf(length) ?? 255;
    const whole = textOf(value);
    return whole.length <= most + 5 ? whole : `${whole.slice(0, most - 3)}...`;
  },
  wordcount: (value) => textOf(value).split(/\W+/).filter(Boolean).length,
  format: (value, args) => {
    let next = 0;
    return stringArgument(value).replaceAll(/%[sd]/g, () => textOf(args[next++]));
  },
  hash: (value, [kind, salt]) => {
    const name = textOf(kind ?? 'md5').toLowerCase();
    if (!getHashes().includes(name)) throw new TemplateError(`No hashing function named ${name}`);
    return createHash(name)
      .update(textOf(value))
      .update(isTrue(salt) ? textOf(salt) : '')
      .digest('hex');
  },
  hmac: (value, [key, kind], named) => {
    const name = textOf(kind ?? named['hash_type'] ?? 'sha256');
    if (name !== 'sha256') throw new TemplateError(`Hash type '${name}' is not allowed. Allowed types: sha256`);
    return createHmac('sha256', textOf(key ?? named['key']))
      .update(textOf(value))
      .digest('hex');
  },
  base64encode: (value) => Buffer.from(stringArgument(value)).toString('base64'),
  base64decode: (value) => Buffer.from(stringArgument(value), 'base64').toString('utf8'),
  base64binascii_decode: (value) => Buffer.from(stringArgument(value), 'ascii').toString('base64'),
  regex_search: (value, [pattern]) => regexOf(stringArgument(pattern)).exec(searched(value))?.[1] ?? '',
  regex_replace: (value, [pattern, replacement]) =>
    searched(value).replaceAll(
      regexOf(stringArgument(pattern), 'gu'),
      stringArgument(replacement)
        .replaceAll('$', '$$$$')
        .replaceAll(/\\(\d)/g, '$$$1')
        .replaceAll(/\\g<(\w+)>/g, (_, name: string) => (/^\d+$/.test(name) ? `$${name}` : `$<${name}>`)),
    ),
};
FILTERS['count'] = FILTERS['length']!;
FILTERS['d'] = FILTERS['default']!;
FILTERS['e'] = FILTERS['escape']!;

export const TESTS: Record<string, Test> = {
  defined: (value) => value !== undefined,
  undefined: (value) => value === undefined,
  none: (value) => value === null,
  true: (value) => value === true,
  false: (value) => value === false,
  boolean: (value) => typeof value === 'boolean',
  string: (value) => typeof value === 'string',
  number: (value) => numberOf(value) !== undefined,
  integer: (value) => typeof value === 'number' && Number.isInteger(value),
  float: (value) => isFloat(value),
  mapping: (value) => isDict(value),
  sequence: (value) => value === undefined || typeof value === 'string' || Array.isArray(value) || isDict(value),
  iterable: (value) => value === undefined || typeof value === 'string' || Array.isArray(value) || isDict(value),
  callable: (value) => typeof value === 'function',
  odd: (value) => Math.abs((numberOf(value) ?? 0) % 2) === 1,
  even: (value) => (numberOf(value) ?? 1) % 2 === 0,
  divisibleby: (value, [by]) => (numberOf(value) ?? Number.NaN) % (numberOf(by) ?? Number.NaN) === 0,
  lower: (value) => hasCase(value, 'lower'),
  upper: (value) => hasCase(value, 'upper'),
  in: (value, [container]) => contains(container, value),
  eq: (value, [other]) => equals(value, other),
  ne: (value, [other]) => !equals(value, other),
  gt: (value, [other]) => compare(value, other) > 0,
  ge: (value, [other]) => compare(value, other) >= 0,
  lt: (value, [other]) => compare(value, other) < 0,
  le: (value, [other]) => compare(value, other) <= 0,
};
for (const [alias, name] of [
  ['equalto', 'eq'],
  ['==', 'eq'],
  ['!=', 'ne'],
  ['>', 'gt'],
  ['greaterthan', 'gt'],
  ['>=', 'ge'],
  ['<', 'lt'],
  ['lessthan', 'lt'],
  ['<=', 'le'],
] as const)
  TESTS[alias] = TESTS[name]!;

function hasCase(value: Value, which: 'lower' | 'upper'): boolean {
  const text = textOf(value);
  return (
    text.toLowerCase() !== text.toUpperCase() && text === (which === 'lower' ? text.toLowerCase() : text.toUpperCase())
  );
}

function extreme(value: Value, sign: 1 | -1): Value {
  const items = iterate(value);
  return items.length === 0 ? undefined : items.reduce((best, item) => (sign * compare(item, best) > 0 ? item : best));
}

function halfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest === 0.5 ? (floor % 2 === 0 ? floor : floor + 1) : Math.round(value);
}

function replaceTrim(value: string, chars: string): string {
  const set = new Set(chars);
  let from = 0;
  let to = value.length;
  while (from < to && set.has(value[from]!)) from++;
  while (to > from && set.has(value[to - 1]!)) to--;
  return value.slice(from, to);
}

function mismatch(expected: string, value: Value): Value {
  throw new TypeMismatch(`${expected} is needed, not ${typeName(value)}`);
}
