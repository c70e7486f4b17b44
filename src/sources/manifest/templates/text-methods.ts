/** Methods of Python's `str`. Those that reach into values (`format`) are in operations.ts. */
import { bounded } from './limits.js';
import {
  failed,
  integerOf,
  isDict,
  iterate,
  hasAstral,
  keysOf,
  mismatch,
  numberOf,
  tupleOf,
  typeName,
  valueAt,
  dictOf,
  type Value,
} from './values.js';
import { SPACE } from './numbers.js';
import { LINE_END, titleCase, titled } from './words.js';

export type TextMethod = [signature: string, method: (self: string, ...args: Value[]) => Value];

/** The value, which must be a string. */
export const stringArgument = (value: Value): string =>
  typeof value === 'string' ? value : mismatch(`a string is needed, not ${typeName(value)}`);

const integerArgument = (value: Value): number => {
  const integer = integerOf(value);
  return integer === undefined
    ? mismatch(`'${typeName(value)}' object cannot be interpreted as an integer`)
    : Number(integer);
};
const width = (value: Value): number => {
  const wide = integerArgument(value);
  bounded(wide);
  return wide;
};
const LEADING = new RegExp(`^${SPACE}+`);
const TRAILING = new RegExp(`${SPACE}+$`);
const LINES = new RegExp(LINE_END);

/** Python's `strip`: blanks, or these characters. */
export function trimmed(self: string, chars: Value, left = true, right = true): string {
  if (chars === undefined || chars === null) {
    const text = left ? self.replace(LEADING, '') : self;
    return right ? text.replace(TRAILING, '') : text;
  }
  const set = new Set(stringArgument(chars));
  const items = [...self];
  let from = 0;
  let to = items.length;
  while (left && from < to && set.has(items[from]!)) from++;
  while (right && to > from && set.has(items[to - 1]!)) to--;
  return items.slice(from, to).join('');
}

const affix = (test: (value: string) => boolean, value: Value): boolean =>
  Array.isArray(value) ? value.some((each) => test(stringArgument(each))) : test(stringArgument(value));

/** A part of a text by places, as `find(x, start, end)` means them, and where it begins. */
function windowOf(self: string, start: Value, end: Value): [string, number] {
  const chars = hasAstral(self) ? [...self] : self;
  const place = (value: Value, otherwise: number) => {
    if (value === null || value === undefined) return otherwise;
    const at = integerArgument(value);
    return at < 0 ? Math.max(0, chars.length + at) : at;
  };
  const from = place(start, 0);
  const part = chars.slice(from, Math.min(place(end, chars.length), chars.length));
  return [typeof part === 'string' ? part : part.join(''), from];
}

function found(self: string, args: Value[], last: boolean): number {
  const [part, start, end] = args;
  const [text, from] = windowOf(self, start, end);
  const sought = stringArgument(part);
  if (from > (hasAstral(self) ? [...self].length : self.length)) return -1;
  const at = last ? text.lastIndexOf(sought) : text.indexOf(sought);
  if (at < 0) return -1;
  return from + (hasAstral(text) ? Array.from(text.slice(0, at)).length : at);
}

function indexOf(self: string, args: Value[], last: boolean): number {
  const at = found(self, args, last);
  return at < 0 ? failed('substring not found') : at;
}

export function replaceText(self: string, from: string, to: string, count = -1): string {
  if (count === 0) return self;
  const most = count < 0 ? Infinity : count;
  const parts = from === '' ? ['', ...self, ''] : self.split(from);
  bounded(self.length + Math.min(parts.length, most) * to.length);
  if (parts.length - 1 <= most) return parts.join(to);
  const head = parts.slice(0, most).join(to);
  return head + (from === '' ? to + parts.slice(most).join('') : to + parts.slice(most).join(from));
}

const limitOf = (most: Value): number => (most === null ? -1 : integerArgument(most));

function split(self: string, separator: Value, most: Value): Value[] {
  const limit = limitOf(most);
  if (separator === null) return words(self, limit);
  const mark = stringArgument(separator);
  if (mark === '') return failed('empty separator');
  const parts = self.split(mark);
  return limit >= 0 && parts.length > limit + 1 ? [...parts.slice(0, limit), parts.slice(limit).join(mark)] : parts;
}

function words(self: string, limit: number): string[] {
  const found: string[] = [];
  let rest = self.replace(LEADING, '');
  while (rest !== '') {
    const end = limit >= 0 && found.length >= limit ? -1 : rest.search(new RegExp(SPACE));
    if (end < 0) {
      found.push(rest);
      break;
    }
    found.push(rest.slice(0, end));
    rest = rest.slice(end).replace(LEADING, '');
  }
  return found;
}

function rsplit(self: string, separator: Value, most: Value): Value[] {
  const limit = limitOf(most);
  if (separator === null) {
    const reversed = words([...self].toReversed().join(''), limit);
    return reversed.map((word) => [...word].toReversed().join('')).toReversed();
  }
  const parts = split(self, separator, null) as string[];
  if (limit < 0 || parts.length <= limit + 1) return parts;
  const cut = parts.length - limit;
  return [parts.slice(0, cut).join(separator as string), ...parts.slice(cut)];
}

function lines(self: string, keepEnds: Value): Value[] {
  const parts = self.split(new RegExp(`(?<=${LINES.source})(?<!\\r(?=\\n))`));
  const all = parts.at(-1) === '' ? parts.slice(0, -1) : parts;
  return keepEnds === true ? all : all.map((line) => line.replace(new RegExp(`(?:${LINES.source})$`), ''));
}

function centered(self: string, wide: number, fill: Value): string {
  const missing = wide - [...self].length;
  if (missing <= 0) return self;
  const left = Math.floor(missing / 2) + (missing & wide & 1);
  return filling(fill).repeat(left) + self + filling(fill).repeat(missing - left);
}

function filling(fill: Value): string {
  const char = stringArgument(fill);
  return [...char].length === 1 ? char : mismatch('The fill character must be exactly one character long');
}

const aligned = (self: string, wide: Value, fill: Value, isLeft: boolean): string => {
  const pad = filling(fill).repeat(Math.max(0, width(wide) - [...self].length));
  return isLeft ? self + pad : pad + self;
};

function expanded(self: string, size: Value): string {
  const tab = integerArgument(size);
  let column = 0;
  let out = '';
  for (const char of self) {
    if (char === '\t') {
      const wide = tab > 0 ? tab - (column % tab) : 0;
      out += ' '.repeat(wide);
      column += wide;
    } else {
      out += char;
      column = char === '\n' || char === '\r' ? 0 : column + 1;
    }
  }
  return out;
}

function translated(self: string, table: Value): string {
  if (!isDict(table)) return mismatch('a table of characters is needed');
  const known = dictOf(keysOf(table).map((key) => [key, valueAt(table, key)]));
  return [...self]
    .map((char) => {
      const to = known.entries.get(`n${char.codePointAt(0)!}`)?.[1];
      if (to === undefined) return char;
      return to === null ? '' : typeof to === 'string' ? to : String.fromCodePoint(numberOf(to)!);
    })
    .join('');
}

const swapped = (self: string) =>
  [...self].map((char) => (char === char.toUpperCase() ? char.toLowerCase() : char.toUpperCase())).join('');
const hasCase = (self: string) => self.toLowerCase() !== self.toUpperCase();
const partition = (self: string, separator: Value, last: boolean): Value => {
  const mark = stringArgument(separator);
  if (mark === '') return failed('empty separator');
  const at = last ? self.lastIndexOf(mark) : self.indexOf(mark);
  if (at < 0) return tupleOf(last ? ['', '', self] : [self, '', '']);
  return tupleOf([self.slice(0, at), mark, self.slice(at + mark.length)]);
};
const IDENTIFIER = /^[\p{L}\p{Nl}_][\p{L}\p{Nl}\p{Mn}\p{Mc}\p{Nd}\p{Pc}]*$/u;

export const TEXT_METHODS: Record<string, TextMethod> = {
  lower: ['', (self) => self.toLowerCase()],
  upper: ['', (self) => self.toUpperCase()],
  casefold: ['', (self) => self.replaceAll('ß', 'ss').toLowerCase()],
  swapcase: ['', swapped],
  title: ['', titled],
  capitalize: ['', (self) => capitalized(self)],
  strip: ['chars=None /', (self, chars) => trimmed(self, chars, true, true)],
  lstrip: ['chars=None /', (self, chars) => trimmed(self, chars, true, false)],
  rstrip: ['chars=None /', (self, chars) => trimmed(self, chars, false, true)],
  replace: [
    'old new count=-1 /',
    (self, from, to, count) => replaceText(self, stringArgument(from), stringArgument(to), integerArgument(count)),
  ],
  split: ['sep=None maxsplit=-1', split],
  rsplit: ['sep=None maxsplit=-1', rsplit],
  splitlines: ['keepends=False', lines],
  startswith: [
    'prefix start=None end=None /',
    (self, prefix, start, end) => {
      const [text] = windowOf(self, start, end);
      return affix((value) => text.startsWith(value), prefix);
    },
  ],
  endswith: [
    'suffix start=None end=None /',
    (self, suffix, start, end) => {
      const [text] = windowOf(self, start, end);
      return affix((value) => text.endsWith(value), suffix);
    },
  ],
  removeprefix: [
    'prefix /',
    (self, prefix) => (self.startsWith(stringArgument(prefix)) ? self.slice(stringArgument(prefix).length) : self),
  ],
  removesuffix: [
    'suffix /',
    (self, suffix) =>
      stringArgument(suffix) !== '' && self.endsWith(stringArgument(suffix))
        ? self.slice(0, -stringArgument(suffix).length)
        : self,
  ],
  join: [
    'iterable /',
    (self, items) => {
      if (items === undefined) return '';
      return iterate(items).map(stringArgument).join(self);
    },
  ],
  find: ['sub start=None end=None /', (self, ...args) => found(self, args, false)],
  rfind: ['sub start=None end=None /', (self, ...args) => found(self, args, true)],
  index: ['sub start=None end=None /', (self, ...args) => indexOf(self, args, false)],
  rindex: ['sub start=None end=None /', (self, ...args) => indexOf(self, args, true)],
  count: [
    'sub start=None end=None /',
    (self, part, start, end) => {
      const [text] = windowOf(self, start, end);
      return stringArgument(part) === '' ? [...text].length + 1 : text.split(stringArgument(part)).length - 1;
    },
  ],
  isdigit: ['', (self) => /^[\p{Nd}²³¹⁰-⁹₀-₉①-⑨]+$/u.test(self)],
  isdecimal: ['', (self) => /^\p{Nd}+$/u.test(self)],
  isnumeric: ['', (self) => /^\p{N}+$/u.test(self)],
  isalpha: ['', (self) => /^\p{L}+$/u.test(self)],
  isalnum: ['', (self) => /^[\p{L}\p{N}]+$/u.test(self)],
  isascii: ['', (self) => /^[\0-\x7f]*$/.test(self)],
  isspace: ['', (self) => new RegExp(`^${SPACE}+$`).test(self)],
  isidentifier: ['', (self) => IDENTIFIER.test(self)],
  isprintable: ['', (self) => !/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u.test(self)],
  isupper: ['', (self) => hasCase(self) && self === self.toUpperCase()],
  islower: ['', (self) => hasCase(self) && self === self.toLowerCase()],
  istitle: ['', (self) => hasCase(self) && self === titled(self)],
  zfill: [
    'width /',
    (self, wide) => {
      const missing = Math.max(0, width(wide) - [...self].length);
      return /^[+-]/.test(self) ? self[0]! + '0'.repeat(missing) + self.slice(1) : '0'.repeat(missing) + self;
    },
  ],
  ljust: ['width fillchar="\\x20" /', (self, wide, fill) => aligned(self, wide, fill, true)],
  rjust: ['width fillchar="\\x20" /', (self, wide, fill) => aligned(self, wide, fill, false)],
  center: ['width fillchar="\\x20" /', (self, wide, fill) => centered(self, width(wide), fill)],
  expandtabs: ['tabsize=8', expanded],
  partition: ['sep /', (self, separator) => partition(self, separator, false)],
  rpartition: ['sep /', (self, separator) => partition(self, separator, true)],
  translate: ['table /', translated],
  maketrans: ['x y=None z=None /', (_self, x, y, z) => charTable(x, y, z)],
  // Bytes are no value of a template: their text stands for them.
  encode: ['encoding=None errors=None', (self) => self],
};

function charTable(x: Value, y: Value, z: Value): Value {
  if (y === null) {
    if (!isDict(x)) return mismatch('if you give only one argument to maketrans it must be a dict');
    return dictOf(keysOf(x).map((key) => [typeof key === 'string' ? key.codePointAt(0)! : key, valueAt(x, key)]));
  }
  const [from, to] = [[...stringArgument(x)], [...stringArgument(y)]];
  if (from.length !== to.length) return failed('the first two maketrans arguments must have equal length');
  const gone = z === null ? [] : [...stringArgument(z)];
  return dictOf([
    ...from.map((char, at) => [char.codePointAt(0)!, to[at]!.codePointAt(0)!] as const),
    ...gone.map((char) => [char.codePointAt(0)!, null] as const),
  ]);
}

export function capitalized(self: string): string {
  const [first = '', ...rest] = [...self];
  return titleCase(first) + rest.join('').toLowerCase();
}
