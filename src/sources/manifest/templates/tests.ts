/** Jinja's tests: what may come after `is`. */
import { compare, contains, equals } from './comparison.js';
import type { Test } from './filter.js';
import { calculate, isCallable } from './operations.js';
import { Lazy, View, isDict, isFloat, keyOf, numberOf, textOf, type Value } from './values.js';

const hasLength = (value: Value) =>
  value === undefined || typeof value === 'string' || Array.isArray(value) || isDict(value);
const isInteger = (value: Value) => typeof value === 'bigint' || (typeof value === 'number' && Number.isInteger(value));
const hasCase = (value: Value, to: 'toLowerCase' | 'toUpperCase') => {
  const text = textOf(value);
  return text.toLowerCase() !== text.toUpperCase() && text === text[to]();
};

export const TESTS: Record<string, Test> = {
  defined: ['', (value) => value !== undefined],
  undefined: ['', (value) => value === undefined],
  none: ['', (value) => value === null],
  true: ['', (value) => value === true],
  false: ['', (value) => value === false],
  boolean: ['', (value) => typeof value === 'boolean'],
  string: ['', (value) => typeof value === 'string'],
  number: ['', (value) => numberOf(value) !== undefined],
  integer: ['', isInteger],
  float: ['', isFloat],
  mapping: ['', (value) => isDict(value)],
  sequence: ['', hasLength],
  iterable: ['', (value) => hasLength(value) || value instanceof View || value instanceof Lazy],
  callable: ['', (value) => value === undefined || isCallable(value)],
  escaped: ['', () => false],
  odd: ['', (value) => equals(calculate('%', value, 2), 1)],
  even: ['', (value) => equals(calculate('%', value, 2), 0)],
  divisibleby: ['num', (value, _env, by) => equals(calculate('%', value, by), 0)],
  lower: ['', (value) => hasCase(value, 'toLowerCase')],
  upper: ['', (value) => hasCase(value, 'toUpperCase')],
  in: ['seq', (value, _env, container) => contains(container, value)],
  sameas: ['other', (value, _env, other) => value === other],
  filter: ['', (value, env) => isKnown(value, () => env.filter(value))],
  test: ['', (value, env) => isKnown(value, () => env.test(value))],
  eq: ['other', (value, _env, other) => equals(value, other)],
  ne: ['other', (value, _env, other) => !equals(value, other)],
  gt: ['other', (value, _env, other) => compare(value, other) > 0],
  ge: ['other', (value, _env, other) => compare(value, other) >= 0],
  lt: ['other', (value, _env, other) => compare(value, other) < 0],
  le: ['other', (value, _env, other) => compare(value, other) <= 0],
};
for (const [alias, name] of [
  ['equalto', 'eq'],
  ['==', 'eq'],
  ['!=', 'ne'],
  ['>', 'gt'],
  ['greaterthan', 'gt'],
  ['>=', 'ge'],
  ['<', 'lt'],
  ['lessthan', 'lt'],
  ['<=', 'le'],
] as const)
  TESTS[alias] = TESTS[name]!;

function isKnown(name: Value, find: () => unknown): boolean {
  keyOf(name);
  if (typeof name !== 'string') return false;
  try {
    find();
    return true;
  } catch {
    return false;
  }
}
