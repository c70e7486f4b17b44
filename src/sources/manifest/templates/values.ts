/**
 * Values of templates, with the semantics of Python, since manifests were written against it. None is null, Jinja's
 * undefined is undefined, int is an integral number or a bigint where a number is not exact, a dict an object or a
 * PyDict, list an array; a float with an integral value, a date and a duration have classes of their own.
 */
import { ExactNumber } from '../../../base/json.js';
import { PyDate, PyDelta } from './datetime.js';

/** A float whose value is integral: `1.0` prints as `1.0`. */
export class PyFloat {
  constructor(readonly value: number) {}
}

export class Tuple extends Array<Value> {}
/** What `groupby` makes: `grouper` and `list` name its parts. */
export class Group extends Tuple {}

/** A dict that a template made: keys of any kind, in the order in which they came. */
export class PyDict {
  /** By what Python's hash and equality make of a key. */
  readonly entries = new Map<unknown, [Value, Value]>();
}

/** The keys, values or items of a dict, which follow it. */
export class View {
  constructor(
    readonly kind: 'dict_keys' | 'dict_values' | 'dict_items',
    readonly dict: Dict | PyDict,
  ) {}
}

/** A generator: its values can be had once. */
export class Lazy {
  constructor(
    /** As Python writes it, without the address. */
    readonly kind: string,
    readonly iterator: Iterator<Value, unknown>,
  ) {}

  /** All that is left. */
  rest(): Value[] {
    const items: Value[] = [];
    for (let next = this.iterator.next(); !next.done; next = this.iterator.next()) items.push(next.value);
    return items;
  }
}

/** An object of Jinja's own: a namespace, `loop`, a cycler, a macro. */
export class Attributes {
  constructor(
    readonly describe: () => string,
    readonly attribute: (name: string) => Value,
    readonly call?: Callable,
    readonly assign?: (name: string, value: Value) => void,
  ) {}
}

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
  | PyDict
  | View
  | Lazy
  | Attributes
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

/** Python's TypeError as an expression. */
export function mismatch(message: string): never {
  throw new TypeMismatch(message);
}

/** Any other error as an expression. */
export function failed(message: string): never {
  throw new TemplateError(message);
}

/** A list or a tuple of these values. */
export const tupleOf = (items: readonly Value[], kind: typeof Tuple = Tuple): Tuple => {
  const tuple = new kind();
  for (const item of items) tuple.push(item);
  return tuple;
};

const OTHERS = [ExactNumber, PyFloat, PyDate, PyDelta, View, Lazy, Attributes];

export const isDict = (value: unknown): value is Dict | PyDict =>
  typeof value === 'object' &&
  value !== null &&
  !Array.isArray(value) &&
  (value instanceof PyDict || !OTHERS.some((kind) => value instanceof kind));

/** A decimal of the API's with more digits than a double keeps. */
const isExact = (value: unknown): boolean => value instanceof ExactNumber;

/** A number, where the value is one; Python's booleans are integers. */
export function numberOf(value: Value): number | undefined {
  if (typeof value === 'number') return value;
  if (value instanceof PyFloat) return value.value;
  if (typeof value === 'bigint' || isExact(value)) return Number(value);
  return typeof value === 'boolean' ? Number(value) : undefined;
}

/** An exact integer, where the value is one. */
export function integerOf(value: Value): bigint | undefined {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'boolean') return BigInt(value);
  return typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : undefined;
}

/** The integer as templates hold it. */
export const intOf = (value: bigint): number | bigint =>
  value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;

export const isFloat = (value: Value): boolean =>
  value instanceof PyFloat || isExact(value) || (typeof value === 'number' && !Number.isInteger(value));

export const floatOf = (value: number): number | PyFloat => (Number.isInteger(value) ? new PyFloat(value) : value);

/** The integer that Python makes of a float; more than a number holds exactly is a bigint. */
export function truncated(value: number): number | bigint {
  if (!Number.isFinite(value)) throw new TemplateError('cannot convert float infinity or NaN to integer');
  const whole = Math.trunc(value) + 0;
  return Number.isSafeInteger(whole) ? whole : intOf(BigInt(whole));
}

export function isTrue(value: Value): boolean {
  if (typeof value === 'number') return value !== 0;
  if (typeof value === 'string') return value !== '';
  if (typeof value === 'boolean') return value;
  if (typeof value === 'bigint') return value !== 0n;
  if (isExact(value)) return Number(value) !== 0;
  if (value === undefined || value === null) return false;
  if (Array.isArray(value)) return value.length > 0;
  if (value instanceof PyFloat) return value.value !== 0;
  if (value instanceof PyDelta) return value.micros !== 0 || value.months !== 0;
  if (value instanceof View) return isTrue(value.dict);
  if (value instanceof PyDict) return value.entries.size > 0;
  return isDict(value) ? Object.keys(value).length > 0 : true;
}

/** What Python's hash and equality make of a key. Throws TypeMismatch where a value cannot be one. */
export function keyOf(value: Value): unknown {
  if (typeof value === 'string') return `s${value}`;
  if (typeof value === 'bigint') return `n${value}`;
  const number = numberOf(value);
  if (number !== undefined) return Number.isInteger(number) ? `n${BigInt(number)}` : `n${number}`;
  if (value === null) return 'none';
  if (value === undefined) return 'undefined';
  if (value instanceof Tuple) return `t${JSON.stringify(value.map((item) => String(keyOf(item))))}`;
  if (value instanceof PyDate) return `d${value.epochMs}.${value.micros}.${value.hasTime}`;
  if (value instanceof PyDelta) return `i${value.micros}.${value.months}`;
  if (Array.isArray(value) || isDict(value)) throw new TypeMismatch(`unhashable type: '${typeName(value)}'`);
  return value;
}

/** Keys and values in their order. */
export function entriesOf(dict: Dict | PyDict): [Value, Value][] {
  return dict instanceof PyDict ? [...dict.entries.values()] : Object.entries(dict);
}

export function keysOf(dict: Dict | PyDict): Value[] {
  return dict instanceof PyDict ? [...dict.entries.values()].map(([key]) => key) : Object.keys(dict);
}

export function hasKey(dict: Dict | PyDict, key: Value): boolean {
  const hashed = keyOf(key);
  if (dict instanceof PyDict) return dict.entries.has(hashed);
  return typeof key === 'string' && Object.hasOwn(dict, key);
}

/** Undefined where there is no such key: ask `hasKey` first where that matters. */
export function valueAt(dict: Dict | PyDict, key: Value): Value {
  if (dict instanceof PyDict) return dict.entries.get(keyOf(key))?.[1];
  return hasKey(dict, key) ? dict[key as string] : undefined;
}

export function setKey(dict: Dict | PyDict, key: Value, value: Value): void {
  if (dict instanceof PyDict) {
    const hashed = keyOf(key);
    dict.entries.set(hashed, [dict.entries.get(hashed)?.[0] ?? key, value]);
    return;
  }
  if (typeof key !== 'string') throw new TemplateError(`a key of this object is a text, not ${typeName(key)}`);
  Object.defineProperty(dict, key, { value, enumerable: true, writable: true, configurable: true });
}

export function dictOf(entries: Iterable<readonly [Value, Value]>): PyDict {
  const dict = new PyDict();
  for (const [key, value] of entries) setKey(dict, key, value);
  return dict;
}

/** What `for`, filters and methods go through; of a generator all that is left. */
export function iterate(value: Value): Value[] {
  if (Array.isArray(value)) return value;
  if (typeof value === 'string') return [...value];
  if (value === undefined) return [];
  if (value instanceof View) return viewed(value);
  if (value instanceof Lazy) return value.rest();
  if (isDict(value)) return keysOf(value);
  throw new TypeMismatch(`'${typeName(value)}' object is not iterable`);
}

function viewed({ kind, dict }: View): Value[] {
  if (kind === 'dict_keys') return keysOf(dict);
  return entriesOf(dict).map(([key, value]) => (kind === 'dict_values' ? value : tupleOf([key, value])));
}

/** Python's `len`. Throws TypeMismatch where there is none. */
export function lengthOf(value: Value): number {
  if (value === undefined) return 0;
  if (typeof value === 'string') return hasAstral(value) ? [...value].length : value.length;
  if (Array.isArray(value)) return value.length;
  if (value instanceof View) return keysOf(value.dict).length;
  if (isDict(value)) return keysOf(value).length;
  throw new TypeMismatch(`object of type '${typeName(value)}' has no len()`);
}

/** Whether a text has characters that JavaScript counts twice. */
export const hasAstral = (text: string): boolean => /[\ud800-\udbff]/.test(text);

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
  if (value instanceof View) return value.kind;
  if (value instanceof Lazy) return 'generator';
  if (value instanceof Attributes) return 'object';
  return typeof value === 'function' ? 'function' : 'dict';
}

/** Python's `str`. */
export function textOf(value: Value): string {
  if (typeof value === 'string') return value;
  if (value === undefined) return '';
  return value instanceof PyDate || value instanceof PyDelta ? value.toString() : reprOf(value);
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
  if (value instanceof PyDate || value instanceof PyDelta) return value.repr();
  if (value instanceof View) return `${value.kind}([${viewed(value).map(reprOf).join(', ')}])`;
  if (value instanceof Lazy) return `<${value.kind} at 0x0>`;
  if (value instanceof Attributes) return value.describe();
  if (typeof value === 'function') return '<function>';
  return `{${entriesOf(value)
    .map(([key, item]) => `${reprOf(key)}: ${reprOf(item)}`)
    .join(', ')}}`;
}

function integerText(value: number): string {
  return Number.isSafeInteger(value) ? String(value) : BigInt(value).toString();
}

export function floatText(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e16 || size < 1e-4)) {
    const [digits, exponent] = value.toExponential().split('e') as [string, string];
    return `${digits}e${exponent[0]}${exponent.slice(1).padStart(2, '0')}`;
  }
  return Number.isInteger(value) ? `${Object.is(value, -0) ? '-0' : value}.0` : String(value);
}

const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u;

function quote(text: string): string {
  const mark = text.includes("'") && !text.includes('"') ? '"' : "'";
  let out = mark;
  for (const char of text) {
    const code = char.codePointAt(0)!;
    if (char === mark || char === '\\') out += `\\${char}`;
    else if (char === '\n') out += '\\n';
    else if (char === '\r') out += '\\r';
    else if (char === '\t') out += '\\t';
    else if (code < 0x20 || code === 0x7f || (code > 0x7e && UNPRINTABLE.test(char))) {
      const hex = code.toString(16);
      out +=
        code > 0xff_ff
          ? `\\U${hex.padStart(8, '0')}`
          : code > 0xff
            ? `\\u${hex.padStart(4, '0')}`
            : `\\x${hex.padStart(2, '0')}`;
    } else out += char;
  }
  return out + mark;
}
