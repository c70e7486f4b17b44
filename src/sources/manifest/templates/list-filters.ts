/** Jinja's filters that go through lists, dicts and generators. */
import { randomInt } from 'node:crypto';
import { compare, equals } from './comparison.js';
import type { Filter, FilterEnvironment } from './filter.js';
import { calculate } from './operations.js';
import {
  Lazy,
  View,
  entriesOf,
  failed,
  Group,
  integerOf,
  isDict,
  isTrue,
  iterate,
  keyOf,
  lengthOf,
  mismatch,
  textOf,
  Tuple,
  tupleOf,
  typeName,
  UndefinedUse,
  type Dict,
  type Value,
} from './values.js';

type Getter = (item: Value) => Value;

const ignoreCase = (value: Value) => (typeof value === 'string' ? value.toLowerCase() : value);

/** `'a.0.b'` goes down by its parts; null is the item itself. */
function getter(env: FilterEnvironment, path: Value, otherwise: Value = null, isCased = true): Getter {
  const parts: Value[] =
    path === null || path === undefined
      ? []
      : typeof path === 'string'
        ? path.split('.').map((part) => (/^\d+$/.test(part) ? Number(part) : part))
        : [path];
  return (item) => {
    let value = item;
    for (const part of parts) {
      value = env.member(value, part);
      if (value === undefined && otherwise !== null) value = otherwise;
    }
    return isCased ? value : ignoreCase(value);
  };
}

/** Stable, and stable backwards too. */
function sortedBy(items: Value[], key: Getter, reverse: boolean): Value[] {
  const sign = reverse ? -1 : 1;
  const keyed = items.map((item) => [key(item), item] as [Value, Value]);
  return keyed.toSorted((a, b) => sign * compare(a[0], b[0])).map(([, item]) => item);
}

function lazy(kind: string, make: () => Generator<Value>): Lazy {
  return new Lazy(`generator object ${kind}`, make());
}

/** Goes through a value one by one, so that what nobody asks for is not evaluated. */
function* each(value: Value): Generator<Value> {
  if (!(value instanceof Lazy)) {
    yield* iterate(value);
    return;
  }
  for (let next = value.iterator.next(); !next.done; next = value.iterator.next()) yield next.value;
}

function extreme(value: Value, env: FilterEnvironment, isCased: Value, path: Value, sign: 1 | -1): Value {
  const items = iterate(value);
  const key = getter(env, path, null, isTrue(isCased));
  return items.length === 0
    ? undefined
    : items.reduce((best, item) => (sign * compare(key(item), key(best)) > 0 ? item : best));
}

/** What an empty value is gone through with is not even looked at. */
function mapped(value: Value, env: FilterEnvironment, args: Value[], named: Dict): Value {
  return lazy('sync_do_map', function* () {
    if (!isTrue(value)) return;
    const apply = mapping(env, args, named);
    for (const item of each(value)) yield apply(item);
  });
}

function mapping(env: FilterEnvironment, args: Value[], named: Dict): Getter {
  if (args.length === 0 && Object.hasOwn(named, 'attribute')) {
    const unknown = Object.keys(named).find((name) => name !== 'attribute' && name !== 'default');
    if (unknown !== undefined) failed(`Unexpected keyword argument '${unknown}'`);
    return getter(env, named['attribute'], named['default'] ?? null);
  }
  if (args.length === 0) failed('map requires a filter argument');
  const [name, ...rest] = args;
  const filter = env.filter(name);
  return (item) => filter(item, rest, named);
}

function selecting(byAttribute: boolean, keep: boolean): Filter {
  const kind = `sync_do_${keep ? 'select' : 'reject'}${byAttribute ? 'attr' : ''}`;
  return [
    '*args **named',
    (value, env, args, named) =>
      lazy(kind, function* () {
        if (!isTrue(value)) return;
        const given = args as Value[];
        if (byAttribute && given.length === 0) failed('Missing parameter for attribute name');
        const key = byAttribute ? getter(env, given[0]) : (item: Value) => item;
        const [name, ...rest] = byAttribute ? given.slice(1) : given;
        const test = given.length > (byAttribute ? 1 : 0) ? env.test(name) : isTrue;
        for (const item of each(value)) if (test(key(item), rest, named as Dict) === keep) yield item;
      }),
  ];
}

function* batched(value: Value, size: Value, fill: Value): Generator<Value> {
  const count = Number(integerOf(size) ?? (size === undefined ? Number.NaN : Number.NaN));
  let batch: Value[] = [];
  for (const item of each(value)) {
    if (batch.length === count) {
      yield batch;
      batch = [];
    }
    batch.push(item);
  }
  if (batch.length === 0) return;
  while (fill !== null && batch.length < count) batch.push(fill);
  yield batch;
}

function* sliced(value: Value, slices: Value, fill: Value): Generator<Value> {
  const items = [...iterate(value)];
  const count = Number(integerOf(slices) ?? mismatch('a number of slices is needed'));
  if (count === 0) failed('integer division or modulo by zero');
  const size = Math.floor(items.length / count);
  const longer = items.length % count;
  let at = 0;
  for (let index = 0; index < count; index++) {
    const length = size + (index < longer ? 1 : 0);
    const part = items.slice(at, at + length);
    at += length;
    if (fill !== null && index >= longer) part.push(fill);
    yield part;
  }
}

function grouped(value: Value, env: FilterEnvironment, path: Value, otherwise: Value, isCased: Value): Value {
  const key = getter(env, path, otherwise, isTrue(isCased));
  const shown = getter(env, path, otherwise);
  const groups: [Value, Value[]][] = [];
  for (const item of sortedBy(iterate(value), key, false)) {
    const last = groups.at(-1);
    const found = key(item);
    if (last && equals(last[0], found)) last[1].push(item);
    else groups.push([found, [item]]);
  }
  return groups.map(([, items]) => {
    return tupleOf([shown(items[0]), items], Group);
  });
}

function reversed(value: Value): Value {
  if (typeof value === 'string') return [...value].toReversed().join('');
  if (value instanceof Lazy) return value.rest().toReversed();
  if (value !== undefined && !Array.isArray(value) && !(value instanceof View) && !isDict(value))
    return failed('argument must be iterable');
  const kind = Array.isArray(value) && !(value instanceof Tuple) ? 'list_reverseiterator' : 'reversed';
  return new Lazy(`${kind} object`, [...iterate(value)].toReversed()[Symbol.iterator]());
}

function summed(value: Value, env: FilterEnvironment, path: Value, start: Value): Value {
  const key = getter(env, path);
  if (typeof start === 'string') return mismatch("sum() can't sum strings");
  let total: Value = start;
  for (const item of each(value)) total = calculate('+', total, path === null ? item : key(item));
  return total;
}

function* distinct(value: Value, key: Getter): Generator<Value> {
  const seen = new Set<unknown>();
  for (const item of each(value)) {
    const hashed = keyOf(key(item));
    if (seen.has(hashed)) continue;
    seen.add(hashed);
    yield item;
  }
}

function dictSorted(value: Value, isCased: Value, by: Value, reverse: Value): Value {
  if (by !== 'key' && by !== 'value') return failed('You can only sort by either "key" or "value"');
  if (value === undefined) throw new UndefinedUse('the items of an undefined value');
  if (!isDict(value)) return failed(`'${typeName(value)}' object has no attribute 'items'`);
  const at = by === 'key' ? 0 : 1;
  const pick = (pair: Value) => (isTrue(isCased) ? (pair as Value[])[at] : ignoreCase((pair as Value[])[at]));
  return sortedBy(
    entriesOf(value).map((pair) => tupleOf(pair)),
    pick,
    isTrue(reverse),
  );
}

export const LIST_FILTERS: Record<string, Filter> = {
  length: ['', (value) => lengthOf(value)],
  list: ['', (value) => [...iterate(value)]],
  first: ['', (value) => each(value).next().value as Value],
  last: [
    '',
    (value) => {
      if (value instanceof Lazy) return mismatch(`'${typeName(value)}' object is not reversible`);
      return iterate(value).at(-1);
    },
  ],
  random: [
    '',
    (value) => {
      const items =
        typeof value === 'string' || Array.isArray(value)
          ? iterate(value)
          : (mismatch('a sequence is needed') as Value[]);
      return items.length === 0 ? undefined : items[randomInt(items.length)];
    },
  ],
  join: [
    "d='' attribute=None",
    (value, env, separator, path) => {
      const key = getter(env, path);
      return iterate(value)
        .map((item) => textOf(path === null ? item : key(item)))
        .join(textOf(separator));
    },
  ],
  items: [
    '',
    (value) => {
      if (value !== undefined && !isDict(value)) return mismatch('Can only get item pairs from a mapping.');
      return lazy('do_items', function* () {
        if (value !== undefined) for (const pair of entriesOf(value)) yield tupleOf(pair);
      });
    },
  ],
  dictsort: [
    "case_sensitive=False by='key' reverse=False",
    (value, _env, ...args) => dictSorted(value, args[0], args[1], args[2]),
  ],
  sort: [
    'reverse=False case_sensitive=False attribute=None',
    (value, env, reverse, isCased, path) => {
      const parts = typeof path === 'string' ? path.split(',') : [path];
      const keys = parts.map((part) => getter(env, part, null, isTrue(isCased)));
      return sortedBy(iterate(value), (item) => keys.map((key) => key(item)), isTrue(reverse));
    },
  ],
  reverse: ['', reversed],
  unique: [
    'case_sensitive=False attribute=None',
    (value, env, isCased, path) => lazy('do_unique', () => distinct(value, getter(env, path, null, isTrue(isCased)))),
  ],
  sum: ['attribute=None start=0', summed],
  max: ['case_sensitive=False attribute=None', (value, env, isCased, path) => extreme(value, env, isCased, path, 1)],
  min: ['case_sensitive=False attribute=None', (value, env, isCased, path) => extreme(value, env, isCased, path, -1)],
  map: ['*args **named', (value, env, args, named) => mapped(value, env, args as Value[], named as Dict)],
  select: selecting(false, true),
  reject: selecting(false, false),
  selectattr: selecting(true, true),
  rejectattr: selecting(true, false),
  attr: ['name', (value, env, name) => env.native(value, textOf(name))],
  batch: ['linecount fill_with=None', (value, _env, size, fill) => lazy('do_batch', () => batched(value, size, fill))],
  slice: [
    'slices fill_with=None',
    (value, _env, slices, fill) => lazy('sync_do_slice', () => sliced(value, slices, fill)),
  ],
  groupby: [
    'attribute default=None case_sensitive=False',
    (value, env, path, otherwise, isCased) => grouped(value, env, path, otherwise, isCased),
  ],
};
