/** What operators, attributes and indexes of templates do, as in Python. */
import { PyDate, PyDelta } from './datetime.js';
import { formatText, percentFormat } from './format.js';
import { bounded } from './limits.js';
import { methodOf, ownAttribute } from './methods.js';
import {
  Attributes,
  entriesOf,
  floatOf,
  hasAstral,
  hasKey,
  integerOf,
  intOf,
  isDict,
  isFloat,
  keyOf,
  mismatch,
  numberOf,
  TemplateError,
  textOf,
  Tuple,
  tupleOf,
  TypeMismatch,
  typeName,
  UndefinedUse,
  valueAt,
  type Dict,
  type Value,
} from './values.js';

/** What an attribute of an object is before its items are asked; undefined where it has none. */
export function nativeAttribute(object: Value, name: string): Value {
  if (name.startsWith('_')) return undefined;
  // Fields of a format reach into values as templates do.
  if (typeof object === 'string' && name === 'format')
    return (args, named) => formatText(object, args, named, attributeOf, itemOf);
  if (typeof object === 'string' && name === 'format_map')
    return ([map]) => formatText(object, [], textKeys(map), attributeOf, itemOf);
  return methodOf(object, name) ?? ownAttribute(object, name);
}

function textKeys(map: Value): Dict {
  if (!isDict(map)) return mismatch(`'${typeName(map)}' object is no mapping`);
  return Object.fromEntries(entriesOf(map).filter(([key]) => typeof key === 'string') as [string, Value][]);
}

/** `a.b`: an attribute first, then an item, as Jinja has it. */
export function attributeOf(object: Value, name: string): Value {
  if (object === undefined) throw new UndefinedUse(`'${name}' of an undefined value`);
  const native = nativeAttribute(object, name);
  if (native !== undefined) return native;
  return isDict(object) ? valueAt(object, name) : undefined;
}

/** `a['b']`: an item first. */
export function itemOf(object: Value, key: Value): Value {
  if (object === undefined) throw new UndefinedUse(`'${textOf(key)}' of an undefined value`);
  if (typeof object === 'string' || Array.isArray(object)) {
    const index = integerOf(key);
    if (index === undefined) return typeof key === 'string' ? nativeAttribute(object, key) : undefined;
    const items = typeof object === 'string' && hasAstral(object) ? [...object] : object;
    const at = Number(index);
    return items[at < 0 ? items.length + at : at];
  }
  if (isDict(object)) {
    if (isHashable(key) && hasKey(object, key)) return valueAt(object, key);
  }
  return typeof key === 'string' ? nativeAttribute(object, key) : undefined;
}

function isHashable(key: Value): boolean {
  try {
    keyOf(key);
    return true;
  } catch (error) {
    if (error instanceof TypeMismatch) return false;
    throw error;
  }
}

export function sliceOf(object: Value, start: Value, stop: Value, step: Value): Value {
  if (object === undefined) throw new UndefinedUse('a part of an undefined value');
  if (typeof object !== 'string' && !Array.isArray(object))
    return mismatch(`'${typeName(object)}' object is not subscriptable`);
  const bounds = [start, stop, step].map((value) => (value === null ? null : integerOf(value)));
  if (bounds.includes(undefined)) return mismatch('slice indices must be integers or None');
  const [from, to, by] = bounds.map((value) => (value === null ? undefined : Number(value)));
  if (by === 0) throw new TemplateError('slice step cannot be zero');
  const items = typeof object === 'string' ? [...object] : object;
  const picked = pick(items as Value[], from, to, by ?? 1);
  if (typeof object === 'string') return picked.join('');
  return object instanceof Tuple ? tupleOf(picked) : picked;
}

function pick(items: Value[], start: number | undefined, stop: number | undefined, by: number): Value[] {
  const { length } = items;
  const clamp = (value: number | undefined, otherwise: number) =>
    value === undefined
      ? otherwise
      : Math.max(by > 0 ? 0 : -1, Math.min(by > 0 ? length : length - 1, value < 0 ? length + value : value));
  const picked: Value[] = [];
  const to = clamp(stop, by > 0 ? length : -1);
  for (let i = clamp(start, by > 0 ? 0 : length - 1); by > 0 ? i < to : i > to; i += by) picked.push(items[i]);
  return picked;
}

/** A number for an operator; throws as Python would. */
export function arithmetic(value: Value): number {
  if (value === undefined) throw new UndefinedUse('arithmetic with an undefined value');
  const number = numberOf(value);
  if (number === undefined) throw new TypeMismatch(`unsupported operand type: ${typeName(value)}`);
  return number;
}

/** What `-x` and `+x` are. */
export function signed(value: Value, sign: 1 | -1): Value {
  if (value instanceof PyDelta) return new PyDelta(sign * value.micros, sign * value.months);
  const number = arithmetic(value);
  if (isFloat(value)) return floatOf(sign * number);
  return typeof value === 'bigint' ? intOf(BigInt(sign) * value) : sign * number + 0;
}

export function calculate(operator: string, a: Value, b: Value): Value {
  // A text formats also what is undefined.
  if (operator === '%' && typeof a === 'string') return percentFormat(a, b);
  if (a === undefined || b === undefined) throw new UndefinedUse('arithmetic with an undefined value');
  const combined = combine(operator, a, b);
  if (combined !== undefined) return combined;
  if (isFloat(a) || isFloat(b)) return floats(operator, arithmetic(a), arithmetic(b));
  const x = integerOf(a);
  const y = integerOf(b);
  if (x === undefined || y === undefined)
    return mismatch(`unsupported operand type(s) for ${operator}: '${typeName(a)}' and '${typeName(b)}'`);
  return integers(operator, x, y, Number(a), Number(b));
}

/** What texts, lists and dates make of an operator; undefined where numbers are meant. */
function combine(operator: string, a: Value, b: Value): Value {
  if (operator === '+') {
    if (typeof a === 'string' && typeof b === 'string') return bounded(a.length + b.length) && a + b;
    if (Array.isArray(a) && Array.isArray(b) && a instanceof Tuple === b instanceof Tuple) {
      bounded(a.length + b.length);
      return a instanceof Tuple ? tupleOf([...a, ...b]) : [...a, ...b];
    }
    if (a instanceof PyDate && b instanceof PyDelta) return a.plus(b);
    if (a instanceof PyDelta && b instanceof PyDate) return b.plus(a);
    if (a instanceof PyDelta && b instanceof PyDelta) return a.plus(b);
  }
  if (operator === '-') {
    if (a instanceof PyDate && b instanceof PyDelta) return a.plus(b, -1);
    if (a instanceof PyDate && b instanceof PyDate) return datesApart(a, b);
    if (a instanceof PyDelta && b instanceof PyDelta) return a.plus(b, -1);
  }
  if (operator === '*') return repeated(a, b) ?? repeated(b, a);
  if (a instanceof PyDelta && (operator === '/' || operator === '//' || operator === '%'))
    return parted(operator, a, b);
  return undefined;
}

function datesApart(a: PyDate, b: PyDate): PyDelta {
  if (a.hasTime !== b.hasTime) return mismatch('a date and a datetime cannot be subtracted');
  if ((a.offsetMinutes === null) !== (b.offsetMinutes === null))
    return mismatch("can't subtract offset-naive and offset-aware datetimes");
  return a.minus(b);
}

function parted(operator: string, a: PyDelta, b: Value): Value {
  if (b instanceof PyDelta) {
    if (b.micros === 0) throw new TemplateError('division by zero');
    const whole = Math.floor(a.micros / b.micros);
    if (operator === '%') return new PyDelta(a.micros - whole * b.micros);
    return operator === '/' ? floatOf(a.micros / b.micros) : whole;
  }
  const number = numberOf(b);
  if (number === undefined || operator === '%' || (operator === '//' && isFloat(b))) return undefined;
  if (number === 0) throw new TemplateError('division by zero');
  return new PyDelta(operator === '/' ? Math.round(a.micros / number) : Math.floor(a.micros / number));
}

/** Python's longest duration. */
const MOST_MICROS = 999_999_999 * 86_400_000_000;

function repeated(a: Value, b: Value): Value {
  if (a instanceof PyDelta) {
    const times = numberOf(b);
    if (times !== undefined && Math.abs(a.micros * times) > MOST_MICROS)
      throw new TemplateError('a duration grows too long');
    return times === undefined ? undefined : new PyDelta(Math.round(a.micros * times), a.months * times);
  }
  const integer = integerOf(b);
  if (integer === undefined) return undefined;
  const times = Math.max(0, Number(integer));
  if (typeof a === 'string') return bounded(a.length * times) && a.repeat(times);
  if (!Array.isArray(a)) return undefined;
  bounded(a.length * times);
  const items = Array.from({ length: times }, () => [...a]).flat();
  return a instanceof Tuple ? tupleOf(items) : items;
}

const nonZero = <T extends number | bigint>(value: T): T => {
  if (Number(value) === 0) throw new TemplateError('division by zero');
  return value;
};

function floats(operator: string, x: number, y: number): Value {
  switch (operator) {
    case '+':
      return floatOf(x + y);
    case '-':
      return floatOf(x - y);
    case '*':
      return floatOf(x * y);
    case '/':
      return floatOf(x / nonZero(y));
    case '//':
      return floatOf(floorDivided(x, nonZero(y)));
    case '%':
      return floatOf(remainder(x, nonZero(y)));
    default: {
      if (x === 0 && y < 0) throw new TemplateError('0.0 cannot be raised to a negative power');
      const power = x ** y;
      if (Number.isNaN(power) && !Number.isNaN(x) && !Number.isNaN(y))
        throw new TemplateError('a complex number is no value of a template');
      if (!Number.isFinite(power) && Number.isFinite(x) && Number.isFinite(y))
        throw new TemplateError('Result too large');
      return floatOf(power);
    }
  }
}

function remainder(x: number, y: number): number {
  const rest = x % y;
  if (rest === 0) return y < 0 ? -0 : 0;
  return rest < 0 === y < 0 ? rest : rest + y;
}

function floorDivided(x: number, y: number): number {
  const whole = (x - remainder(x, y)) / y;
  if (whole === 0) return x / y < 0 || Object.is(x / y, -0) ? -0 : 0;
  const floor = Math.floor(whole);
  return whole - floor > 0.5 ? floor + 1 : floor;
}

/** Rounded once, as Python divides integers. */
function quotient(x: bigint, y: bigint): number {
  const isNegative = x < 0n !== y < 0n;
  const [numerator, denominator] = [x < 0n ? -x : x, y < 0n ? -y : y];
  const shift = Math.max(0, 66 - numerator.toString(2).length + denominator.toString(2).length);
  const shifted = numerator << BigInt(shift);
  const whole = (shifted / denominator) | (shifted % denominator === 0n ? 0n : 1n);
  const size = Number(whole) / 2 ** Math.min(shift, 1000) / 2 ** Math.max(0, shift - 1000);
  if (!Number.isFinite(size)) throw new TemplateError('integer division result too large for a float');
  return isNegative ? -size : size;
}

const MOST_BITS = 40_000;

function integers(operator: string, x: bigint, y: bigint, a: number, b: number): Value {
  const isExact = Number.isSafeInteger(a) && Number.isSafeInteger(b);
  switch (operator) {
    case '+':
      return isExact && Number.isSafeInteger(a + b) ? a + b : intOf(x + y);
    case '-':
      return isExact && Number.isSafeInteger(a - b) ? a - b : intOf(x - y);
    case '*':
      if (isExact && Number.isSafeInteger(a * b)) return a * b + 0;
      bounded(x.toString().length + y.toString().length);
      return intOf(x * y);
    case '/':
      nonZero(y);
      return floatOf(isExact ? a / b : quotient(x, y));
    case '//': {
      const whole = x / nonZero(y);
      return intOf(x % y !== 0n && x < 0n !== y < 0n ? whole - 1n : whole);
    }
    case '%': {
      const rest = x % nonZero(y);
      return intOf(rest !== 0n && rest < 0n !== y < 0n ? rest + y : rest);
    }
    default: {
      if (y < 0n) return floats('**', a, b);
      if (x.toString(2).length * Number(y) > MOST_BITS && x !== 1n && x !== 0n && x !== -1n)
        throw new TemplateError('a number of the template grows too large');
      return intOf(x ** y);
    }
  }
}

/** Whether a value is one that Python can call. */
export const isCallable = (value: Value): boolean =>
  typeof value === 'function' || (value instanceof Attributes && value.call !== undefined);
