/**
 * Strict JSON in bytes, without objects: where a value ends, and of what kind it is. Bytes must be valid UTF-8; what
 * JSON.parse refuses throws NOT_JSON.
 */

/** What is thrown at bytes that are no JSON, or nested deeper than is looked into. */
export const NOT_JSON = new Error('not JSON, or nested too deep');

/** Kinds of values. What is *odd* can be read by JSON.parse alone: its bytes must not be taken over as they are. */
export const KIND = {
  null: 0,
  false: 1,
  true: 2,
  /** At most 15 digits, no fraction, no exponent, not -0: a double holds it. */
  integer: 3,
  /** Any other number without an exponent, of at most 40 characters. */
  decimal: 4,
  oddNumber: 5,
  /** Its bytes, without the quotes, are its text. */
  string: 6,
  escaped: 7,
  /** Holds NUL, or half a surrogate pair. */
  oddString: 8,
  nested: 9,
  /** Holds something odd. */
  oddNested: 10,
} as const;

/** One of them. */
export type Kind = (typeof KIND)[keyof typeof KIND];

/** Objects in objects; what is deeper is left to who can say what is wrong with it. */
const MOST_DEEP = 200;
/** Digits of an integer that a double holds, whatever they are. */
const SAFE_DIGITS = 15;
/** Numbers of more characters may be past what a double reaches. */
const MOST_DIGITS = 40;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const MINUS = 0x2d;
const ZERO = 0x30;
const LOWER_U = 0x75;

/** Bytes at which a string cannot just go on: the quote, the backslash, and control characters. */
const STOPS = new Uint8Array(256).fill(1, 0, 0x20);
STOPS[QUOTE] = 1;
STOPS[BACKSLASH] = 1;
/** What may follow a backslash, without `u`. */
const ESCAPES = new Uint8Array(256);
for (const char of '"\\/bfnrt') ESCAPES[char.charCodeAt(0)] = 1;

const ESCAPED = 1;
const ODD = 2;

/** What the strings of the value that is looked at hold. */
let marks = 0;
let kind: Kind = KIND.null;
/** Of each level: whether it is an object. */
const levels = new Uint8Array(MOST_DEEP);

/** The first place from `at` on that is no blank. */
export function pastBlank(bytes: Uint8Array, at: number): number {
  for (;;) {
    const byte = bytes[at];
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return at;
    at++;
  }
}

/** The kind of the value that `endOfValue` was asked for last. */
export const lastKind = (): Kind => kind;

/** The place after the value that begins at `at`. */
export function endOfValue(bytes: Uint8Array, at: number): number {
  const byte = bytes[at];
  if (byte === QUOTE) {
    marks = 0;
    const end = endOfString(bytes, at);
    kind = marks === 0 ? KIND.string : (marks & ODD) !== 0 ? KIND.oddString : KIND.escaped;
    return end;
  }
  if (byte === OPEN_OBJECT || byte === OPEN_LIST) {
    marks = 0;
    const end = endOfNested(bytes, at);
    kind = (marks & ODD) === 0 ? KIND.nested : KIND.oddNested;
    return end;
  }
  return endOfWord(bytes, at);
}

/** The place after the key whose quote is at `at`. */
export function endOfKey(bytes: Uint8Array, at: number): number {
  if (bytes[at] !== QUOTE) throw NOT_JSON;
  return endOfString(bytes, at);
}

/** The place after the string whose quote is at `at`. Adds to `marks`. */
function endOfString(bytes: Uint8Array, at: number): number {
  const { length } = bytes;
  let i = at + 1;
  for (;;) {
    while (i < length && STOPS[bytes[i]!] === 0) i++;
    const byte = bytes[i];
    if (byte === QUOTE) return i + 1;
    if (byte !== BACKSLASH) throw NOT_JSON;
    marks |= ESCAPED;
    const escape = bytes[i + 1];
    if (escape !== LOWER_U) {
      if (escape === undefined || ESCAPES[escape] === 0) throw NOT_JSON;
      i += 2;
      continue;
    }
    const unit = unitAt(bytes, i + 2);
    i += 6;
    if (unit === 0) marks |= ODD;
    else if (unit >= 0xd800 && unit < 0xe000) {
      const isPair = unit < 0xdc00 && bytes[i] === BACKSLASH && bytes[i + 1] === LOWER_U;
      const low = isPair ? unitAt(bytes, i + 2) : 0;
      if (low >= 0xdc00 && low < 0xe000) i += 6;
      else marks |= ODD;
    }
  }
}

function unitAt(bytes: Uint8Array, at: number): number {
  let unit = 0;
  for (let i = at; i < at + 4; i++) unit = unit * 16 + hexDigit(bytes[i]);
  return unit;
}

function hexDigit(byte: number | undefined): number {
  if (byte !== undefined) {
    if (byte >= ZERO && byte <= 0x39) return byte - ZERO;
    const lower = byte | 0x20;
    if (lower >= 0x61 && lower <= 0x66) return lower - 0x57;
  }
  throw NOT_JSON;
}

/** The place after a key and its colon, where its value begins. */
function pastKey(bytes: Uint8Array, at: number): number {
  return pastColon(bytes, endOfKey(bytes, at));
}

/** The place where the value of a key begins that ended at `at`. */
export function pastColon(bytes: Uint8Array, at: number): number {
  const colon = pastBlank(bytes, at);
  if (bytes[colon] !== COLON) throw NOT_JSON;
  return pastBlank(bytes, colon + 1);
}

/** Long because it is one machine: a value, or what follows one, in the object or list that is open. */
function endOfNested(bytes: Uint8Array, at: number): number {
  let depth = 0;
  let i = at;
  for (;;) {
    const byte = bytes[i];
    if (byte === OPEN_OBJECT || byte === OPEN_LIST) {
      if (depth === MOST_DEEP) throw NOT_JSON;
      const isObject = byte === OPEN_OBJECT;
      i = pastBlank(bytes, i + 1);
      if (bytes[i] === (isObject ? CLOSE_OBJECT : CLOSE_LIST)) i++;
      else {
        levels[depth++] = isObject ? 1 : 0;
        if (isObject) i = pastKey(bytes, i);
        continue;
      }
    } else if (byte === QUOTE) i = endOfString(bytes, i);
    else {
      i = endOfWord(bytes, i);
      if (kind === KIND.oddNumber) marks |= ODD;
    }
    for (;;) {
      if (depth === 0) return i;
      const isObject = levels[depth - 1] === 1;
      i = pastBlank(bytes, i);
      if (bytes[i] === COMMA) {
        i = pastBlank(bytes, i + 1);
        if (isObject) i = pastKey(bytes, i);
        break;
      }
      if (bytes[i] !== (isObject ? CLOSE_OBJECT : CLOSE_LIST)) throw NOT_JSON;
      depth--;
      i++;
    }
  }
}

/** The place after `null`, `true`, `false` or a number. */
function endOfWord(bytes: Uint8Array, at: number): number {
  switch (bytes[at]) {
    case 0x6e:
      kind = KIND.null;
      return pastLetters(bytes, at, 0x75, 0x6c, 0x6c);
    case 0x74:
      kind = KIND.true;
      return pastLetters(bytes, at, 0x72, 0x75, 0x65);
    case 0x66:
      kind = KIND.false;
      return pastLetters(bytes, at + 1, 0x6c, 0x73, 0x65, 0x61);
    default:
      return endOfNumber(bytes, at);
  }
}

function pastLetters(bytes: Uint8Array, at: number, a: number, b: number, c: number, first?: number): number {
  if (first !== undefined && bytes[at] !== first) throw NOT_JSON;
  if (bytes[at + 1] !== a || bytes[at + 2] !== b || bytes[at + 3] !== c) throw NOT_JSON;
  return at + 4;
}

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= ZERO && byte <= 0x39;

function endOfNumber(bytes: Uint8Array, at: number): number {
  const first = bytes[at] === MINUS ? at + 1 : at;
  let i = pastDigits(bytes, first);
  if (bytes[first] === ZERO && i > first + 1) throw NOT_JSON;
  const isZero = bytes[first] === ZERO;
  kind = i - first <= SAFE_DIGITS && !(isZero && first > at) ? KIND.integer : KIND.decimal;
  if (bytes[i] === 0x2e) {
    i = pastDigits(bytes, i + 1);
    kind = KIND.decimal;
  }
  if (i - at > MOST_DIGITS) kind = KIND.oddNumber;
  if (bytes[i] === 0x65 || bytes[i] === 0x45) {
    i++;
    if (bytes[i] === 0x2b || bytes[i] === MINUS) i++;
    i = pastDigits(bytes, i);
    kind = KIND.oddNumber;
  }
  return i;
}

/** At least one digit. */
function pastDigits(bytes: Uint8Array, at: number): number {
  let i = at;
  while (isDigit(bytes[i])) i++;
  if (i === at) throw NOT_JSON;
  return i;
}
