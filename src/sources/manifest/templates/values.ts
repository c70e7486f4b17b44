/**
 * Values of templates, with the semantics of Python, since manifests were written against it. None is null, Jinja's
 * undefined is undefined, int is an integral number, dict a plain object, list an array; a float with an integral
 * value, a date and a duration have classes of their own.
 */
import { ExactNumber } from '../../../base/json.js';
import { PyDate, PyDelta } from './datetime.js';

/** A float whose value is integral: `1.0` prints as `1.0`. */
export class PyFloat {
  constructor(readonly value: number) {}
}

export class Tuple extends Array<Value> {}

/** A bigint is an integer that JSON had and a number could not hold. */
export type Value =
  | undefined
  | null
  | boolean
  | number
  | bigint
  | string
  | PyFloat
  | PyDate
  | PyDelta
  | Value[]
  | { [key: string]: Value }
  | Callable;
export type Dict = { [key: string]: Value };
/** Only functions of ours are ever values. Keyword arguments come last, as a dict. */
export type Callable = (args: Value[], named: Dict) => Value;

/** What Jinja raises where an undefined value is used. */
export class UndefinedUse extends Error {}
/** Python's TypeError: Airbyte's interpolation takes it for a text without templates. */
export class TypeMismatch extends Error {}
/** Any other error of an evaluation. */
export class TemplateError extends Error {}

export const isDict = (value: unknown): value is Dict =>
  typeof value === 'object' &&
  value !== null &&
  !Array.isArray(value) &&
  !(value instanceof ExactNumber) &&
  !(value instanceof PyFloat) &&
  !(value instanceof PyDate) &&
  !(value instanceof PyDelta);

/** A decimal of the API's with more digits than a double keeps. */
const isExact = (value: unknown): boolean => value instanceof ExactNumber;

/** A number, where the value is one; Python's booleans are integers. */
export function numberOf(value: Value): number | undefined {
  if (typeof value === 'number') return value;
  if (value instanceof PyFloat) return value.value;
  if (typeof value === 'bigint' || isExact(value)) return Number(value);
  return typeof value === 'boolean' ? Number(value) : undefined;
}

export const isFloat = (value: Value): boolean =>
  value instanceof PyFloat || isExact(value) || (typeof value === 'number' && !Number.isInteger(value));

export const floatOf = (value: number): Value => (Number.isInteger(value) ? new PyFloat(value) : value);

export function isTrue(value: Value): boolean {
  if (typeof value === 'number') return value !== 0;
  if (typeof value === 'string') return value !== '';
  if (typeof value === 'boolean') return value;
  if (typeof value === 'bigint') return value !== 0n;
  if (isExact(value)) return Number(value) !== 0;
  if (value === undefined || value === null) return false;
  if (Array.isArray(value)) return value.length > 0;
  if (value instanceof PyFloat) return value.value !== 0;
  if (value instanceof PyDelta) return value.micros !== 0;
  return isDict(value) ? Object.keys(value).length > 0 : true;
}

export function equals(a: Value, b: Value): boolean {
  if (a === b) return true;
  const x = numberOf(a);
  if (x !== undefined) return x === numberOf(b);
  if (Array.isArray(a))
    return (
      Array.isArray(b) &&
      a instanceof Tuple === b instanceof Tuple &&
      a.length === b.length &&
      a.every((item, i) => equals(item, b[i]))
    );
  if (a instanceof PyDate) return b instanceof PyDate && a.compare(b) === 0;
  if (a instanceof PyDelta) return b instanceof PyDelta && a.micros === b.micros;
  if (!isDict(a) || !isDict(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && equals(a[key], b[key]));
}

export function compare(a: Value, b: Value): number {
  if (a === undefined || b === undefined) throw new UndefinedUse('comparison with an undefined value');
  const x = numberOf(a);
  const y = numberOf(b);
  if (x !== undefined && y !== undefined) return x - y;
  if (typeof a === 'string' && typeof b === 'string') return a < b ? -1 : a > b ? 1 : 0;
  if (a instanceof PyDate && b instanceof PyDate) return a.compare(b);
  if (a instanceof PyDelta && b instanceof PyDelta) return a.micros - b.micros;
  if (Array.isArray(a) && Array.isArray(b)) {
    for (let i = 0; i < Math.min(a.length, b.length); i++) if (!equals(a[i], b[i])) return compare(a[i], b[i]);
    return a.length - b.length;
  }
  throw new TypeMismatch(`${typeName(a)} and ${typeName(b)} cannot be compared`);
}

export function contains(container: Value, item: Value): boolean {
  if (typeof container === 'string') {
    if (typeof item !== 'string') throw new TypeMismatch(`'in <string>' requires a string, not ${typeName(item)}`);
    return container.includes(item);
  }
  if (Array.isArray(container)) return container.some((each) => equals(each, item));
  if (container === undefined) return false;
  if (isDict(container)) return typeof item === 'string' && Object.hasOwn(container, item);
  throw new TypeMismatch(`${typeName(container)} cannot be searched`);
}

/** What `for`, filters and methods go through. */
export function iterate(value: Value): Value[] {
  if (Array.isArray(value)) return value;
  if (typeof value === 'string') return [...value];
  if (value === undefined) return [];
  if (isDict(value)) return Object.keys(value);
  throw new TypeMismatch(`${typeName(value)} cannot be iterated`);
}

export function typeName(value: Value): string {
  if (value === undefined) return 'Undefined';
  if (value === null) return 'NoneType';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'string') return 'str';
  if (typeof value === 'bigint') return 'int';
  if (typeof value === 'number') return Number.isInteger(value) ? 'int' : 'float';
  if (value instanceof PyFloat || isExact(value)) return 'float';
  if (value instanceof PyDate) return value.hasTime ? 'datetime' : 'date';
  if (value instanceof PyDelta) return 'timedelta';
  if (Array.isArray(value)) return value instanceof Tuple ? 'tuple' : 'list';
  return typeof value === 'function' ? 'function' : 'dict';
}

/** Python's `str`. */
export function textOf(value: Value): string {
  if (typeof value === 'string') return value;
  return value === undefined ? '' : reprOf(value);
}

/** Python's `repr`. */
export function reprOf(value: Value): string {
  if (typeof value === 'string') return quote(value);
  if (value === null) return 'None';
  if (value === undefined) return 'Undefined';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'bigint' || isExact(value)) return String(value);
  if (typeof value === 'number') return Number.isInteger(value) ? integerText(value) : floatText(value);
  if (value instanceof PyFloat) return floatText(value.value);
  if (value instanceof Tuple)
    return value.length === 1 ? `(${reprOf(value[0])},)` : `(${value.map(reprOf).join(', ')})`;
  if (Array.isArray(value)) return `[${value.map(reprOf).join(', ')}]`;
  if (value instanceof PyDate || value instanceof PyDelta) return value.toString();
  if (typeof value === 'function') return '<function>';
  return `{${Object.entries(value)
    .map(([key, item]) => `${quote(key)}: ${reprOf(item)}`)
    .join(', ')}}`;
}

function integerText(value: number): string {
  return Number.isSafeInteger(value) ? String(value) : BigInt(value).toString();
}

function floatText(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e16 || size < 1e-4)) {
    const [digits, exponent] = value.toExponential().split('e') as [string, string];
    return `${digits}e${exponent[0]}${exponent.slice(1).padStart(2, '0')}`;
  }
  return Number.isInteger(value) ? `${Object.is(value, -0) ? '-0' : value}.0` : String(value);
}

function quote(text: string): string {
  const mark = text.includes("'") && !text.includes('"') ? '"' : "'";
  let out = mark;
  for (const char of text) {
    const code = char.codePointAt(0)!;
    if (char === mark || char === '\\') out += `\\${char}`;
    else if (char === '\n') out += '\\n';
    else if (char === '\r') out += '\\r';
    else if (char === '\t') out += '\\t';
    else if (code < 0x20 || code === 0x7f) out += `\\x${code.toString(16).padStart(2, '0')}`;
    else out += char;
  }
  return out + mark;
}
