/** Equality, order and membership as Python has them. */
import { PyDate, PyDelta } from './datetime.js';
import {
  Lazy,
  View,
  entriesOf,
  hasKey,
  isDict,
  iterate,
  keysOf,
  numberOf,
  Tuple,
  TypeMismatch,
  typeName,
  UndefinedUse,
  valueAt,
  type Value,
} from './values.js';

/** A number that compares exactly, also with a bigint. */
const exactly = (value: Value): number | bigint | undefined => (typeof value === 'bigint' ? value : numberOf(value));

export function equals(a: Value, b: Value): boolean {
  if (a === b) return true;
  const x = exactly(a);
  // A bigint equals the number that has its value.
  // eslint-disable-next-line eqeqeq
  if (x !== undefined) return x == exactly(b);
  if (Array.isArray(a))
    return (
      Array.isArray(b) &&
      a instanceof Tuple === b instanceof Tuple &&
      a.length === b.length &&
      a.every((item, i) => equals(item, b[i]))
    );
  if (a instanceof PyDate)
    return (
      b instanceof PyDate &&
      a.hasTime === b.hasTime &&
      (a.offsetMinutes === null) === (b.offsetMinutes === null) &&
      a.compare(b) === 0
    );
  if (a instanceof PyDelta) return b instanceof PyDelta && a.micros === b.micros && a.months === b.months;
  if (a instanceof View)
    return (
      b instanceof View &&
      a.kind === 'dict_keys' &&
      b.kind === 'dict_keys' &&
      keysOf(a.dict).length === keysOf(b.dict).length &&
      keysOf(a.dict).every((key) => hasKey(b.dict, key))
    );
  if (!isDict(a) || !isDict(b)) return false;
  const entries = entriesOf(a);
  return (
    entries.length === keysOf(b).length &&
    entries.every(([key, value]) => hasKey(b, key) && equals(value, valueAt(b, key)))
  );
}

/** Negative, zero or positive; NaN where neither is smaller. Throws TypeMismatch where Python has no order. */
export function compare(a: Value, b: Value): number {
  if (a === undefined || b === undefined) throw new UndefinedUse('comparison with an undefined value');
  const x = exactly(a);
  const y = exactly(b);
  if (x !== undefined && y !== undefined) return x < y ? -1 : x > y ? 1 : Number(x) === Number(y) ? 0 : Number.NaN;
  if (typeof a === 'string' && typeof b === 'string') return compareTexts(a, b);
  if (a instanceof PyDate && b instanceof PyDate && a.hasTime === b.hasTime) {
    if ((a.offsetMinutes === null) !== (b.offsetMinutes === null))
      throw new TypeMismatch("can't compare offset-naive and offset-aware datetimes");
    return a.compare(b);
  }
  if (a instanceof PyDelta && b instanceof PyDelta && a.months === 0 && b.months === 0) return a.micros - b.micros;
  if (Array.isArray(a) && Array.isArray(b) && a instanceof Tuple === b instanceof Tuple) {
    for (let i = 0; i < Math.min(a.length, b.length); i++) if (!equals(a[i], b[i])) return compare(a[i], b[i]);
    return a.length - b.length;
  }
  throw new TypeMismatch(`'<' not supported between instances of '${typeName(a)}' and '${typeName(b)}'`);
}

/** By code points, where JavaScript goes by halves of them. */
function compareTexts(a: string, b: string): number {
  if (a === b) return 0;
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  const x = a.codePointAt(at) ?? -1;
  const y = b.codePointAt(at) ?? -1;
  return x - y;
}

export function contains(container: Value, item: Value): boolean {
  if (typeof container === 'string') {
    if (typeof item !== 'string')
      throw new TypeMismatch(`'in <string>' requires string as left operand, not ${typeName(item)}`);
    return container.includes(item);
  }
  if (container === undefined) return false;
  if (isDict(container)) return hasKey(container, item);
  if (container instanceof View && container.kind === 'dict_keys') return hasKey(container.dict, item);
  if (Array.isArray(container) || container instanceof View || container instanceof Lazy)
    return iterate(container).some((each) => equals(each, item));
  throw new TypeMismatch(`argument of type '${typeName(container)}' is not iterable`);
}
