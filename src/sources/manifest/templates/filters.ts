/** Jinja's filters, and Airbyte's own; those that go through lists are in list-filters.ts. */
import { createHash, createHmac } from 'node:crypto';
import { dumps } from './json-text.js';
import { LIST_FILTERS } from './list-filters.js';
import { bounded } from './limits.js';
import { percentFormat } from './format.js';
import { roundedInteger, roundedTo } from './digits.js';
import { floatFrom, integerFrom } from './numbers.js';
import { regexOf } from './patterns.js';
import { quote, quotePlus } from './quoting.js';
import { capitalized, replaceText, stringArgument, trimmed } from './text-methods.js';
import { jinjaTitle, LINE_END, shortened, wordCount, wrapped } from './words.js';
import { PyDelta } from './datetime.js';
import type { Filter } from './filter.js';
import {
  entriesOf,
  failed,
  floatOf,
  integerOf,
  isDict,
  isFloat,
  isTrue,
  iterate,
  intOf,
  lengthOf,
  mismatch,
  numberOf,
  reprOf,
  textOf,
  truncated,
  Tuple,
  tupleOf,
  typeName,
  UndefinedUse,
  type Dict,
  type Value,
} from './values.js';

const MOST_SEARCHED = 100_000;

function toInt(value: Value, otherwise: Value, base: Value): Value {
  if (value === undefined) throw new UndefinedUse('an undefined value is no number');
  const integer = integerOf(value);
  if (integer !== undefined) return intOf(integer);
  const number = typeof value === 'string' ? floatFrom(value) : numberOf(value);
  if (typeof value === 'string') {
    const exact = integerFrom(value, Number(integerOf(base) ?? 10n));
    if (exact !== undefined) return exact;
    return number === undefined || !Number.isFinite(number) ? otherwise : truncated(number);
  }
  if (number === undefined || Number.isNaN(number)) return otherwise;
  return truncated(number);
}

function toFloat(value: Value, otherwise: Value): Value {
  if (value === undefined) throw new UndefinedUse('an undefined value is no number');
  const number = typeof value === 'string' ? floatFrom(value) : numberOf(value);
  return number === undefined ? otherwise : floatOf(number);
}

function searched(value: Value): string {
  const found = stringArgument(value);
  if (found.length > MOST_SEARCHED) failed('a text is too long to be searched by a regular expression');
  return found;
}

/** What Airbyte's filters ask a text for fails otherwise than Python's own. */
const encodable = (value: Value): string =>
  typeof value === 'string'
    ? value
    : value === undefined
      ? undefinedUse()
      : failed(`'${typeName(value)}' object has no attribute 'encode'`);

function undefinedUse(): never {
  throw new UndefinedUse('an undefined value is no text');
}

const MARKS: Record<string, string> = { '<': '\\u003c', '>': '\\u003e', '&': '\\u0026', "'": '\\u0027' };
const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', "'": '&#39;', '"': '&#34;' };
const escaped = (value: Value) => textOf(value).replaceAll(/[&<>'"]/g, (char) => ENTITIES[char]!);
const NAMED: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0', copy: '©' };

function withoutTags(value: Value): string {
  let text = textOf(value);
  for (const [open, close] of [
    ['<!--', '-->'],
    ['<', '>'],
  ] as const) {
    for (let start = text.indexOf(open); start >= 0; start = text.indexOf(open)) {
      const end = text.indexOf(close, start);
      if (end < 0) break;
      text = text.slice(0, start) + text.slice(end + close.length);
    }
  }
  return text
    .split(/\s+/)
    .filter(Boolean)
    .join(' ')
    .replaceAll(/&(?:#(\d+)|#[xX]([\da-fA-F]+)|(\w+));/g, (whole, decimal?: string, hex?: string, name?: string) =>
      name === undefined
        ? String.fromCodePoint(Math.min(0x10_ff_ff, Number.parseInt(decimal ?? hex!, decimal ? 10 : 16)))
        : (NAMED[name] ?? whole),
    );
}

function urlencoded(value: Value): string {
  if (value === undefined) return '';
  const isPairs = typeof value !== 'string' && (Array.isArray(value) || isDict(value) || isIterable(value));
  if (!isPairs) return quote(textOf(value));
  const pairs = isDict(value) ? entriesOf(value) : iterate(value).map((pair) => iterate(pair));
  return pairs
    .map((pair) => {
      if (pair.length !== 2) failed('not enough values to unpack');
      return pair.map((part) => quotePlus(textOf(part))).join('=');
    })
    .join('&');
}

const isIterable = (value: Value) => ['dict_keys', 'dict_values', 'dict_items', 'generator'].includes(typeName(value));

function fileSize(value: Value, isBinary: Value): string {
  const bytes = numberOf(toFloat(value, null));
  if (bytes === undefined && typeof value === 'string') return failed(`could not convert string to float: '${value}'`);
  if (bytes === undefined) return mismatch('a number of bytes is needed') as string;
  const base = isTrue(isBinary) ? 1024 : 1000;
  if (bytes === 1) return '1 Byte';
  if (bytes < base) return `${truncated(bytes)} Bytes`;
  const prefixes = ['k', 'M', 'G', 'T', 'P', 'E', 'Z', 'Y'];
  for (const [at, prefix] of prefixes.entries()) {
    const unit = base ** (at + 2);
    if (bytes < unit || at === prefixes.length - 1)
      return `${percentFormat('%.1f', floatOf((base * bytes) / unit))} ${isTrue(isBinary) ? `${prefix.toUpperCase()}i` : prefix}B`;
  }
  return '';
}

function indented(value: Value, width: Value, first: Value, blank: Value): string {
  const indention =
    typeof width === 'string' ? width : ' '.repeat(Number(integerOf(width) ?? mismatch('a width is a number')));
  if (value === undefined) throw new UndefinedUse('an undefined value is no text');
  if (Array.isArray(value)) failed("'list' object has no attribute 'splitlines'");
  const lines = `${stringArgument(value)}\n`.split(new RegExp(LINE_END)).slice(0, -1);
  const [head = '', ...rest] = lines;
  const body = isTrue(blank)
    ? lines.join(`\n${indention}`)
    : [head, ...rest.map((line) => (line === '' ? line : indention + line))].join('\n');
  return isTrue(first) ? indention + body : body;
}

function rounded(value: Value, precision: Value, method: Value): Value {
  if (method !== 'common' && method !== 'ceil' && method !== 'floor')
    return failed('method must be common, ceil or floor');
  const number = numberOf(value) ?? (mismatch(`type ${typeName(value)} doesn't define __round__ method`) as number);
  const places = Number(integerOf(precision) ?? mismatch('a precision is an integer'));
  if (method === 'common')
    return isFloat(value) ? floatOf(roundedTo(number, places)) : intOf(roundedInteger(integerOf(value)!, places));
  const scale = 10 ** places;
  const scaled = number * scale;
  if (!Number.isFinite(scaled)) return failed('cannot convert float to integer');
  return floatOf(((method === 'ceil' ? Math.ceil(scaled) : Math.floor(scaled)) + 0) / scale);
}

const HASHES: Record<string, string> = {
  md5: 'md5',
  sha1: 'sha1',
  sha224: 'sha224',
  sha256: 'sha256',
  sha384: 'sha384',
  sha512: 'sha512',
  sha3_224: 'sha3-224',
  sha3_256: 'sha3-256',
  sha3_384: 'sha3-384',
  sha3_512: 'sha3-512',
  blake2b: 'blake2b512',
  blake2s: 'blake2s256',
};

function hashed(value: Value, kind: Value, salt: Value): string {
  const name = stringArgument(kind);
  if (!Object.hasOwn(HASHES, name)) return failed(`No hashing function named ${name}`);
  return createHash(HASHES[name]!)
    .update(textOf(value))
    .update(isTrue(salt) ? textOf(salt) : '')
    .digest('hex');
}

function base64Of(value: Value): string {
  const text = encodable(value);
  if (/[^\p{ASCII}]/u.test(text)) failed("'ascii' codec can't encode a character");
  return Buffer.from(text).toString('base64');
}

function base64Text(value: Value): string {
  const text = encodable(value);
  const kept = text.replaceAll(/[^A-Za-z\d+/=]/g, '');
  const data = kept.replace(/=.*$/, '');
  if (data.length % 4 === 1 || (kept.length % 4 !== 0 && !/=/.test(kept))) failed('Incorrect padding');
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(kept, 'base64'));
  } catch {
    return failed("'utf-8' codec can't decode the bytes");
  }
}

function attributes(value: Value, autospace: Value): string {
  if (value === undefined) throw new UndefinedUse('the items of an undefined value');
  if (!isDict(value)) return failed('a mapping is needed');
  const items = entriesOf(value).filter(([, item]) => item !== undefined && item !== null);
  for (const [key] of items) if (typeof key !== 'string') mismatch('a name of an attribute is a text');
  for (const [key] of items)
    if (/[\s/>=]/.test(textOf(key))) failed(`Invalid character in attribute name: ${textOf(key)}`);
  const text = items.map(([key, item]) => `${escaped(key)}="${escaped(item)}"`).join(' ');
  return isTrue(autospace) && text !== '' ? ` ${text}` : text;
}

function signedBy(value: Value, key: Value, kind: Value): string {
  if (kind !== 'sha256') return failed(`Hash type '${textOf(kind)}' is not allowed. Allowed types: sha256`);
  return createHmac('sha256', textOf(key)).update(textOf(value)).digest('hex');
}

const replacement = (text: string) =>
  text
    .replaceAll('$', '$$$$')
    .replaceAll(/\\(\d)/g, '$$$1')
    .replaceAll(/\\g<(\w+)>/g, (_, name: string) => (/^\d+$/.test(name) ? `$${name}` : `$<${name}>`));

const TEXT_FILTERS: Record<string, Filter> = {
  int: ['default=0 base=10', (value, _env, otherwise, base) => toInt(value, otherwise, base)],
  float: ['default=0.0', (value, _env, otherwise) => toFloat(value, otherwise)],
  string: ['', (value) => (typeof value === 'string' ? value : `"""${dumps(value)}"""`)],
  default: [
    "default_value='' boolean=False",
    (value, _env, otherwise, falsy) => (value === undefined || (isTrue(falsy) && !isTrue(value)) ? otherwise : value),
  ],
  lower: ['', (value) => textOf(value).toLowerCase()],
  upper: ['', (value) => textOf(value).toUpperCase()],
  title: ['', (value) => jinjaTitle(textOf(value))],
  capitalize: ['', (value) => capitalized(textOf(value))],
  trim: ['chars=None', (value, _env, chars) => trimmed(textOf(value), chars)],
  replace: [
    'old new count=None',
    (value, _env, from, to, count) =>
      replaceText(
        textOf(value),
        textOf(from),
        textOf(to),
        count === null ? -1 : Number(integerOf(count) ?? mismatch('a count is a number')),
      ),
  ],
  center: ['width=80', (value, env, width) => env.member(textOf(value), 'center', [width])],
  indent: ['width=4 first=False blank=False', (value, _env, ...args) => indented(value, args[0], args[1], args[2])],
  tojson: [
    'indent=None',
    (value, _env, indent) =>
      dumps(value, {
        sortKeys: true,
        indent:
          indent === null ? undefined : typeof indent === 'string' ? indent : ' '.repeat(Number(integerOf(indent)!)),
      }).replaceAll(/[<>&']/g, (char) => MARKS[char]!),
  ],
  pprint: ['', (value) => sortedRepr(value)],
  abs: ['', (value) => absolute(value)],
  round: ["precision=0 method='common'", (value, _env, precision, method) => rounded(value, precision, method)],
  urlencode: ['', (value) => urlencoded(value)],
  escape: ['', escaped],
  forceescape: ['', escaped],
  safe: ['', (value) => textOf(value)],
  striptags: ['', withoutTags],
  xmlattr: ['autospace=True', (value, _env, autospace) => attributes(value, autospace)],
  filesizeformat: ['binary=False', (value, _env, isBinary) => fileSize(value, isBinary)],
  truncate: [
    "length=255 killwords=False end='...' leeway=None",
    (value, _env, length, kill, end, leeway) => {
      const most = Number(integerOf(length) ?? mismatch('a length is a number'));
      const extra = leeway === null ? 5 : Number(integerOf(leeway) ?? mismatch('a leeway is a number'));
      if (most < stringArgument(end).length) failed(`expected length >= ${stringArgument(end).length}, got ${most}`);
      if (extra < 0) failed(`expected leeway >= 0, got ${extra}`);
      // What is short enough is not looked at further.
      if (typeof value !== 'string')
        return lengthOf(value) <= most + extra ? value : mismatch(`'${typeName(value)}' cannot be cut`);
      return shortened(value, most, isTrue(kill), stringArgument(end), extra);
    },
  ],
  wordcount: ['', (value) => wordCount(textOf(value))],
  wordwrap: [
    'width=79 break_long_words=True wrapstring=None break_on_hyphens=True',
    (value, _env, width, long, mark, hyphens) => {
      const wide = Number(integerOf(width) ?? mismatch('a width is a number'));
      if (wide <= 0) failed('invalid width (must be > 0)');
      if (value === undefined) throw new UndefinedUse('an undefined value is no text');
      if (typeof value !== 'string') return failed(`'${typeName(value)}' object has no attribute 'splitlines'`);
      return wrapped(value, wide, isTrue(long), isTrue(hyphens), isTrue(mark) ? textOf(mark) : '\n');
    },
  ],
  format: [
    '*args **named',
    (value, _env, args, named) => {
      const names = Object.keys(named as Dict);
      if ((args as Value[]).length > 0 && names.length > 0)
        failed("can't handle positional and keyword arguments at the same time");
      const text = percentFormat(textOf(value), names.length > 0 ? named : tupleOf(args as Value[]));
      bounded(text.length);
      return text;
    },
  ],
  hash: ["hash_type='md5' salt=None", (value, _env, kind, salt) => hashed(value, kind, salt)],
  hmac: ["key hash_type='sha256'", (value, _env, key, kind) => signedBy(value, key, kind)],
  base64encode: ['', (value) => Buffer.from(encodable(value)).toString('base64')],
  base64decode: ['', base64Text],
  base64binascii_decode: ['', base64Of],
  regex_search: ['regex', (value, _env, pattern) => regexOf(stringArgument(pattern)).exec(searched(value))?.[1] ?? ''],
  regex_replace: [
    'regex replacement',
    (value, _env, pattern, by) =>
      searched(value).replaceAll(regexOf(stringArgument(pattern), 'gu'), replacement(stringArgument(by))),
  ],
};

function absolute(value: Value): Value {
  if (value instanceof PyDelta && value.months === 0) return value.micros < 0 ? new PyDelta(-value.micros) : value;
  const integer = integerOf(value);
  if (integer !== undefined) return intOf(integer < 0n ? -integer : integer);
  const number = numberOf(value) ?? (mismatch(`bad operand type for abs(): '${typeName(value)}'`) as number);
  return floatOf(Math.abs(number));
}

/** `repr` with the keys of dicts in order. */
function sortedRepr(value: Value): string {
  if (Array.isArray(value)) {
    const items = value.map(sortedRepr);
    if (!(value instanceof Tuple)) return `[${items.join(', ')}]`;
    return items.length === 1 ? `(${items[0]},)` : `(${items.join(', ')})`;
  }
  if (!isDict(value)) return reprOf(value);
  const entries = entriesOf(value).toSorted(([a], [b]) => (reprOf(a) < reprOf(b) ? -1 : 1));
  return `{${entries.map(([key, item]) => `${reprOf(key)}: ${sortedRepr(item)}`).join(', ')}}`;
}

export const FILTERS: Record<string, Filter> = { ...TEXT_FILTERS, ...LIST_FILTERS };
for (const [alias, name] of [
  ['count', 'length'],
  ['d', 'default'],
  ['e', 'escape'],
] as const)
  FILTERS[alias] = FILTERS[name]!;
