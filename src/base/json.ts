/**
 * JSON as APIs send it: numbers that a double cannot hold keep every digit, integers as bigint, others as ExactNumber.
 */
import { isSafeNumber, parse as parseLossless } from 'lossless-json';
import { parseDeep, stringifyDeep } from './deep-json.js';

/** Numbers that a double cannot hold have at least this many digits. */
const LONG_DIGITS = 16;
/** Put around digits that are to be written as they are. */
const MARK = '\u0001';
const MARKED = /"\\u0001(-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)\\u0001"/g;

let marking = false;
/** How many numbers were marked: a text that looks like one is told by there being more. */
let marked = 0;

/** A decimal with more digits than a double keeps. */
export class ExactNumber {
  constructor(readonly digits: string) {}

  valueOf(): number {
    return Number(this.digits);
  }

  toString(): string {
    return this.digits;
  }

  /** Only `stringifyJson` can write it: anything else would lose its digits, or make it text. */
  toJSON(): string {
    if (!marking) throw new TypeError('a number with more digits than a double keeps: use stringifyJson');
    return markedText(this.digits);
  }
}

/**
 * Of a key that comes twice in one object, the last counts. NaN and Infinity, which some servers send, and numbers past
 * what a double reaches become Infinity: no destination can store them, and their row is told so.
 */
export function parseJson(text: string): unknown {
  if (!hasUnsafeNumber(text)) {
    try {
      return JSON.parse(text);
    } catch (error) {
      const mended = withoutNaN(text);
      if (mended === text) throw error;
      return JSON.parse(mended);
    }
  }
  const clean = withoutNaN(text);
  try {
    return parseLossless(clean, undefined, {
      parseNumber: exactly,
      // As JSON.parse has it, and Python.
      onDuplicateKey: ({ newValue }: { newValue: unknown }) => newValue,
    });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return parseDeep(clean, exactly);
  }
}

function exactly(digits: string): unknown {
  if (isSafeNumber(digits)) return Number(digits);
  if (/^-?\d+$/.test(digits)) return BigInt(digits);
  const number = Number(digits);
  return Number.isFinite(number) ? new ExactNumber(digits) : number;
}

/** JSON.stringify that writes every digit. */
export function stringifyJson(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const text = withDigits(value);
    return text ?? stringifyDeep(value, leafText);
  }
}

/** JSON in which numbers that a double cannot hold are texts between marks at first. Undefined: a text looks like one. */
function withDigits(value: unknown): string | undefined {
  marking = true;
  marked = 0;
  try {
    const text = JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? markedText(String(v)) : v));
    let found = 0;
    const out = text.replace(MARKED, (_, digits: string) => {
      found++;
      return digits;
    });
    return found === marked ? out : undefined;
  } finally {
    marking = false;
  }
}

function markedText(digits: string): string {
  marked++;
  return MARK + digits + MARK;
}

/** What is no list and no plain object. */
function leafText(value: unknown): string | undefined {
  return typeof value === 'bigint' || value instanceof ExactNumber ? String(value) : JSON.stringify(value);
}

/**
 * What tells one value from another, also to people: its JSON, however deep it is nested. `notFinite` stands for numbers
 * that JSON cannot hold, which are null otherwise. What is stored has bounds of its own.
 */
export function identityText(value: unknown, notFinite?: string): string {
  try {
    const text = stringifyJson(value) ?? 'undefined';
    if (notFinite === undefined || !text.includes('null')) return text;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  return stringifyDeep(value, (leaf) => {
    const isNone = typeof leaf === 'number' && !Number.isFinite(leaf);
    return leafText(isNone ? (notFinite ?? null) : leaf);
  });
}

/** Whether a number within the value cannot be stored: NaN, Infinity, or past what a double reaches. */
export function hasUnstorableNumber(value: unknown): boolean {
  if (typeof value === 'number') return !Number.isFinite(value);
  if (value === null || typeof value !== 'object' || value instanceof ExactNumber) return false;
  if (Array.isArray(value)) return value.some(hasUnstorableNumber);
  for (const key in value) if (hasUnstorableNumber((value as Record<string, unknown>)[key])) return true;
  return false;
}

/** NaN and Infinity outside of strings become a number past what a double reaches. */
function withoutNaN(text: string): string {
  if (!/NaN|Infinity/.test(text)) return text;
  return text.replace(/"(?:[^"\\]|\\.)*"|-?(?:NaN|Infinity)\b/g, (token) =>
    token.startsWith('"') ? token : token.startsWith('-') ? '-1e999' : '1e999',
  );
}

/**
 * A run of 16 digits, with a point in it or without, covers one of every 8 places: only those are looked at, and their
 * neighbours where one is a digit.
 */
function hasUnsafeNumber(text: string): boolean {
  const step = LONG_DIGITS / 2;
  for (let at = step - 1; at < text.length; at += step) {
    if (!isDigit(text, at)) continue;
    let from = at;
    let to = at;
    while (from > 0 && isNumeric(text, from - 1)) from--;
    while (to + 1 < text.length && isNumeric(text, to + 1)) to++;
    at = Math.max(at, to - ((to + 1) % step));
    if (to - from + 1 < LONG_DIGITS || !startsValue(text, from)) continue;
    if (!isSafeNumber(text.slice(from, to + 1))) return true;
  }
  return false;
}

function isNumeric(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return (code >= 48 && code <= 57) || code === 46 || code === 101 || code === 69 || code === 45 || code === 43;
}

function isDigit(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 48 && code <= 57;
}

/** Whether a number at this place is a value of its own, not the end of a string or of a fraction. */
function startsValue(text: string, at: number): boolean {
  let before = at - 1;
  if (text[before] === '-') before--;
  while (before >= 0 && /\s/.test(text[before]!)) before--;
  return before < 0 || ':[,'.includes(text[before]!);
}

/** NUL and halves of surrogate pairs become U+FFFD, as in every destination. */
export function storableText(text: string): string {
  const clean = text.includes('\0') ? text.replaceAll('\0', '\ufffd') : text;
  return clean.isWellFormed() ? clean : clean.toWellFormed();
}
