/** What a filter and a test are. */
import type { Dict, Value } from './values.js';

export interface FilterEnvironment {
  /** Jinja's `getitem`; with arguments, a call of the method of this name. */
  member(object: Value, key: Value, call?: Value[]): Value;
  /** What an object has beside its items. */
  native(object: Value, name: string): Value;
  /** Throws TemplateError where there is none. */
  filter(name: Value): (value: Value, args: Value[], named: Dict) => Value;
  test(name: Value): (value: Value, args: Value[], named: Dict) => boolean;
}

/** A signature (see signature.ts) without the value, and the function. */
export type Filter = [signature: string, apply: (value: Value, env: FilterEnvironment, ...args: Value[]) => Value];
export type Test = [signature: string, holds: (value: Value, env: FilterEnvironment, ...args: Value[]) => boolean];
