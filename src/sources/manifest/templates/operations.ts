/** What operators, attributes and indexes of templates do, as in Python. */
import { PyDate, PyDelta } from './datetime.js';
import { dateAttribute, deltaAttribute, methodOf, MOST_TEXT } from './methods.js';
import {
  floatOf,
  isDict,
  isFloat,
  numberOf,
  reprOf,
  TemplateError,
  textOf,
  Tuple,
  TypeMismatch,
  typeName,
  UndefinedUse,
  type Value,
} from './values.js';

/** `a.b`: an attribute first, then an item, as Jinja has it. */
export function attributeOf(object: Value, name: string): Value {
  if (object === undefined) throw new UndefinedUse(`'${name}' of an undefined value`);
  const method = methodOf(object, name);
  if (method) return method;
  if (object instanceof PyDate) return dateAttribute(object, name);
  if (object instanceof PyDelta) return deltaAttribute(object, name);
  return isDict(object) && Object.hasOwn(object, name) ? object[name] : undefined;
}

/** `a['b']`: an item first. */
export function itemOf(object: Value, key: Value): Value {
  if (object === undefined) throw new UndefinedUse(`'${textOf(key)}' of an undefined value`);
  if (typeof object === 'string' || Array.isArray(object)) {
    const index = typeof key === 'number' ? key : undefined;
    if (index === undefined) return typeof key === 'string' ? methodOf(object, key) : undefined;
    return object[index < 0 ? object.length + index : index];
  }
  const name = typeof key === 'string' ? key : textOf(key);
  if (isDict(object) && Object.hasOwn(object, name)) return object[name];
  return typeof key === 'string' ? attributeOf(object, name) : undefined;
}

export function sliceOf(object: Value, start: Value, stop: Value, step: Value): Value {
  if (object === undefined) return undefined;
  if (typeof object !== 'string' && !Array.isArray(object)) return undefined;
  const by = step === undefined || step === null ? 1 : arithmetic(step);
  if (by === 0) throw new TemplateError('slice step cannot be zero');
  const bound = (value: Value) => (value === undefined || value === null ? undefined : arithmetic(value));
  if (by === 1) return object.slice(bound(start), bound(stop));
  const items = typeof object === 'string' ? [...object] : object;
  const { length } = items;
  const clamp = (value: number | undefined, otherwise: number) =>
    value === undefined
      ? otherwise
      : Math.max(by > 0 ? 0 : -1, Math.min(by > 0 ? length : length - 1, value < 0 ? length + value : value));
  const picked: Value[] = [];
  const to = clamp(bound(stop), by > 0 ? length : -1);
  for (let i = clamp(bound(start), by > 0 ? 0 : length - 1); by > 0 ? i < to : i > to; i += by) picked.push(items[i]);
  return typeof object === 'string' ? picked.join('') : picked;
}

/** A number for an operator; throws as Python would. */
export function arithmetic(value: Value): number {
  if (value === undefined) throw new UndefinedUse('arithmetic with an undefined value');
  const number = numberOf(value);
  if (number === undefined) throw new TypeMismatch(`unsupported operand type: ${typeName(value)}`);
  return number;
}

export function calculate(operator: string, a: Value, b: Value): Value {
  if (a === undefined || b === undefined) throw new UndefinedUse('arithmetic with an undefined value');
  if (operator === '+') {
    if (typeof a === 'string' && typeof b === 'string') return bounded(a.length + b.length) && a + b;
    if (Array.isArray(a) && Array.isArray(b)) return bounded(a.length + b.length) && [...a, ...b];
    if (a instanceof PyDate && b instanceof PyDelta) return a.plus(b);
    if (a instanceof PyDelta && b instanceof PyDate) return b.plus(a);
    if (a instanceof PyDelta && b instanceof PyDelta) return a.plus(b);
  }
  if (operator === '-') {
    if (a instanceof PyDate && b instanceof PyDelta) return a.plus(b, -1);
    if (a instanceof PyDate && b instanceof PyDate) return a.minus(b);
    if (a instanceof PyDelta && b instanceof PyDelta) return a.plus(b, -1);
  }
  if (operator === '*') {
    if (a instanceof PyDelta && typeof b === 'number') return new PyDelta(a.micros * b, a.months * b);
    if (typeof a === 'string' && typeof b === 'number') return bounded(a.length * b) && a.repeat(Math.max(0, b));
    if (Array.isArray(a) && typeof b === 'number')
      return bounded(a.length * b) && Array.from({ length: Math.max(0, b) }, () => a).flat();
  }
  if (operator === '%' && typeof a === 'string') return percentFormat(a, b);
  const x = arithmetic(a);
  const y = arithmetic(b);
  const floats = isFloat(a) || isFloat(b);
  const result = (value: number): Value => (floats ? floatOf(value) : value);
  switch (operator) {
    case '+':
      return result(x + y);
    case '-':
      return result(x - y);
    case '*':
      return result(x * y);
    case '/':
      return floatOf(x / nonZero(y));
    case '//':
      return result(Math.floor(x / nonZero(y)));
    case '%':
      return result(x - Math.floor(x / nonZero(y)) * y);
    default:
      return y < 0 ? floatOf(x ** y) : result(x ** y);
  }
}

function percentFormat(format: string, value: Value): string {
  const args = value instanceof Tuple ? [...value] : [value];
  let next = 0;
  return format.replaceAll(/%(0?)(\d*)([sdr%])/g, (whole, zero: string, width: string, kind: string) => {
    if (kind === '%') return '%';
    const arg = args[next++];
    const text = kind === 'r' ? reprOf(arg) : kind === 'd' ? String(Math.trunc(arithmetic(arg))) : textOf(arg);
    return width && Number(width) < 1000 ? text.padStart(Number(width), zero ? '0' : ' ') : whole === '' ? '' : text;
  });
}

function nonZero(value: number): number {
  if (value === 0) throw new TemplateError('division by zero');
  return value;
}

function bounded(length: number): true {
  if (length > MOST_TEXT) throw new TemplateError('a text of the template grows too long');
  return true;
}
