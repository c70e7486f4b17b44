/**
 * Attributes and methods of Python's own types. What is not listed here does not exist: no template reaches the host.
 */
import { compare, equals } from './comparison.js';
import { dateAttribute, DATE_METHODS, DAY_METHODS, deltaAttribute, DELTA_METHODS } from './date-methods.js';
import { PyDate, PyDelta } from './datetime.js';
import { bounded } from './limits.js';
import { signature, type Bound } from './signature.js';
import { TEXT_METHODS } from './text-methods.js';
import {
  Attributes,
  Lazy,
  PyDict,
  View,
  dictOf,
  entriesOf,
  failed,
  floatOf,
  Group,
  hasKey,
  integerOf,
  intOf,
  isDict,
  isFloat,
  isTrue,
  iterate,
  keyOf,
  keysOf,
  mismatch,
  numberOf,
  setKey,
  Tuple,
  tupleOf,
  typeName,
  valueAt,
  type Callable,
  type Dict,
  type Value,
} from './values.js';

type Methods<T> = Record<string, [signature: string, method: (self: T, ...args: Value[]) => Value]>;
type AnyDict = Dict | PyDict;

const DICT_METHODS: Methods<AnyDict> = {
  get: ['key default=None /', (self, key, otherwise) => (hasKey(self, key) ? valueAt(self, key) : otherwise)],
  keys: ['', (self) => new View('dict_keys', self)],
  values: ['', (self) => new View('dict_values', self)],
  items: ['', (self) => new View('dict_items', self)],
  copy: ['', (self) => (self instanceof PyDict ? dictOf(entriesOf(self)) : { ...self })],
  pop: [
    'key *default',
    (self, key, rest) => {
      const [otherwise] = rest as Value[];
      if (!hasKey(self, key)) return (rest as Value[]).length > 0 ? otherwise : failed('KeyError');
      const value = valueAt(self, key);
      remove(self, key);
      return value;
    },
  ],
  popitem: [
    '',
    (self) => {
      const last = entriesOf(self).at(-1) ?? failed('popitem(): dictionary is empty');
      remove(self, last[0]);
      return tupleOf(last);
    },
  ],
  setdefault: [
    'key default=None /',
    (self, key, otherwise) => {
      if (!hasKey(self, key)) setKey(self, key, otherwise);
      return valueAt(self, key);
    },
  ],
  update: [
    '*others **named',
    (self, others, named) => {
      for (const other of others as Value[])
        for (const [key, value] of isDict(other) ? entriesOf(other) : iterate(other).map((pair) => iterate(pair)))
          setKey(self, key, value);
      for (const [key, value] of Object.entries(named as Dict)) setKey(self, key, value);
      return null;
    },
  ],
  clear: [
    '',
    (self) => {
      for (const key of keysOf(self)) remove(self, key);
      return null;
    },
  ],
  fromkeys: ['iterable value=None /', (_self, keys, value) => dictOf(iterate(keys).map((key) => [key, value]))],
};

function remove(dict: AnyDict, key: Value): void {
  if (dict instanceof PyDict) dict.entries.delete(keyOf(key));
  else Reflect.deleteProperty(dict, key as string);
}

const SEQUENCE_METHODS: Methods<Value[]> = {
  index: [
    'value start=0 stop=9223372036854775807 /',
    (self, item, start, stop) => {
      const at = self.findIndex((each, i) => i >= numberOf(start)! && i < numberOf(stop)! && equals(each, item));
      return at < 0 ? failed('the value is not in the list') : at;
    },
  ],
  count: ['value /', (self, item) => self.filter((each) => equals(each, item)).length],
};

const LIST_METHODS: Methods<Value[]> = {
  ...SEQUENCE_METHODS,
  copy: ['', (self) => [...self]],
  append: [
    'item /',
    (self, item) => {
      bounded(self.length + 1);
      self.push(item);
      return null;
    },
  ],
  extend: [
    'items /',
    (self, items) => {
      const more = [...iterate(items)];
      bounded(self.length + more.length);
      for (const item of more) self.push(item);
      return null;
    },
  ],
  insert: [
    'index item /',
    (self, index, item) => {
      bounded(self.length + 1);
      self.splice(place(index), 0, item);
      return null;
    },
  ],
  pop: [
    'index=-1 /',
    (self, index) => {
      const at = place(index) < 0 ? self.length + place(index) : place(index);
      return at >= 0 && at < self.length ? self.splice(at, 1)[0] : failed('pop index out of range');
    },
  ],
  remove: [
    'value /',
    (self, item) => {
      const at = self.findIndex((each) => equals(each, item));
      if (at < 0) failed('list.remove(x): x not in list');
      self.splice(at, 1);
      return null;
    },
  ],
  clear: [
    '',
    (self) => {
      self.length = 0;
      return null;
    },
  ],
  reverse: [
    '',
    (self) => {
      self.reverse();
      return null;
    },
  ],
  sort: [
    'key=None reverse=False',
    (self, key, reverse) => {
      const by = key === null ? undefined : key;
      const keyed = self.map((item) => [typeof by === 'function' ? by([item], {}) : item, item] as const);
      const sign = isTrue(reverse) ? -1 : 1;
      keyed.sort((a, b) => sign * compare(a[0], b[0]));
      for (const [at, [, item]] of keyed.entries()) self[at] = item;
      return null;
    },
  ],
};

function place(index: Value): number {
  const integer = integerOf(index);
  return integer === undefined
    ? mismatch(`'${typeName(index)}' object cannot be interpreted as an integer`)
    : Number(integer);
}

const INTEGER_METHODS: Methods<Value> = {
  bit_length: ['', (self) => magnitude(self).toString(2).replace(/^0$/, '').length],
  bit_count: ['', (self) => magnitude(self).toString(2).replaceAll('0', '').length],
  conjugate: ['', (self) => intOf(integerOf(self)!)],
  as_integer_ratio: ['', (self) => tupleOf([intOf(integerOf(self)!), 1])],
};
const FLOAT_METHODS: Methods<Value> = {
  is_integer: ['', (self) => Number.isInteger(numberOf(self))],
  conjugate: ['', (self) => self],
};

function magnitude(value: Value): bigint {
  const integer = integerOf(value)!;
  return integer < 0n ? -integer : integer;
}

function tableOf(self: Value): Methods<never> | undefined {
  if (typeof self === 'string') return TEXT_METHODS;
  if (Array.isArray(self)) return self instanceof Tuple ? SEQUENCE_METHODS : LIST_METHODS;
  if (self instanceof PyDate) return self.hasTime ? DATE_METHODS : DAY_METHODS;
  if (self instanceof PyDelta) return DELTA_METHODS;
  if (numberOf(self) !== undefined) return isFloat(self) ? FLOAT_METHODS : INTEGER_METHODS;
  return isDict(self) ? DICT_METHODS : undefined;
}

const bindings = new Map<string, Bound>();

/** A method of the value; undefined where it has none of this name. */
export function methodOf(self: Value, name: string): Callable | undefined {
  const table = tableOf(self) as Methods<Value> | undefined;
  if (!table || !Object.hasOwn(table, name)) return undefined;
  const [spec, method] = table[name]!;
  let bound = bindings.get(spec);
  if (!bound) bindings.set(spec, (bound = signature(spec)));
  const take = bound;
  return (args, named) => method(self, ...take(args, named));
}

/** What a value has beside methods and items. */
export function ownAttribute(self: Value, name: string): Value {
  if (self instanceof PyDate) return dateAttribute(self, name);
  if (self instanceof PyDelta) return deltaAttribute(self, name);
  if (self instanceof Attributes) return self.attribute(name);
  if (self instanceof Group) return name === 'grouper' ? self[0] : name === 'list' ? self[1] : undefined;
  if (self instanceof View && name === 'mapping') return self.dict;
  if (self instanceof Lazy) return undefined;
  const number = numberOf(self);
  if (number === undefined) return undefined;
  if (name === 'real') return isFloat(self) ? self : intOf(integerOf(self)!);
  if (name === 'imag') return isFloat(self) ? floatOf(0) : 0;
  if (isFloat(self)) return undefined;
  return name === 'numerator' ? intOf(integerOf(self)!) : name === 'denominator' ? 1 : undefined;
}
