/** A change between two versions of a manifest, and what the comparisons share. */
import { isObject, type Json, type JsonObject } from '../document/read.js';
import { DIFF_RULES, type RuleName, type Verdict } from './diff-rules.js';

export interface Change {
  /** `config`, or the stream. */
  where: string;
  kind: Verdict;
  rule: RuleName;
  what: string;
  /** A connection that ran the new version and goes back to the old one: it fails, or reads wrongly. */
  blocksReturn: boolean;
}

export function changed(where: string, rule: RuleName, what: string, blocksReturn = false): Change {
  return { where, kind: DIFF_RULES[rule].kind, rule, what, blocksReturn };
}

/** Two values are the same, whatever the order of their keys. */
export function same(a: Json | undefined, b: Json | undefined): boolean {
  return stable(a) === stable(b);
}

export function stable(value: Json | undefined): string {
  return (
    JSON.stringify(value, (_, inner: unknown) =>
      isObject(inner) ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1))) : inner,
    ) ?? 'nothing'
  );
}

const SHOWN = 80;

export function brief(value: Json | undefined): string {
  if (value === undefined || value === null) return 'nothing';
  const text = typeof value === 'string' ? value : stable(value);
  return text.length > SHOWN ? `${text.slice(0, SHOWN - 1)}…` : text;
}

export function stringsOf(value: Json | undefined): string[] {
  return Array.isArray(value) ? value.map((each) => (typeof each === 'string' ? each : stable(each))) : [];
}

export function objectsOf(value: Json | undefined): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : isObject(value) ? [value] : [];
}

export function propertiesOf(schema: JsonObject): Record<string, JsonObject> {
  const { properties } = schema;
  return isObject(properties)
    ? (Object.fromEntries(Object.entries(properties).filter(([, value]) => isObject(value))) as Record<
        string,
        JsonObject
      >)
    : {};
}

/** Types that a schema allows, null left out; of choices, all that they allow. */
export function typesOf(schema: JsonObject): string[] {
  const { type } = schema;
  const own = Array.isArray(type) ? type.map(String) : type === undefined || type === null ? [] : [String(type)];
  const choices = [...objectsOf(schema['anyOf']), ...objectsOf(schema['oneOf'])].flatMap((choice) => typesOf(choice));
  return [...new Set([...own, ...(own.length === 0 ? choices : [])])].filter((each) => each !== 'null').toSorted();
}

export function allowsNull(schema: JsonObject): boolean {
  const { type } = schema;
  if (type === undefined || type === null) {
    const choices = [...objectsOf(schema['anyOf']), ...objectsOf(schema['oneOf'])];
    return choices.length === 0 || choices.some(allowsNull);
  }
  return Array.isArray(type) ? type.includes('null') : type === 'null';
}

/** Every value of the old type is one of the new. */
export function isWider(old: string[], next: string[]): boolean {
  if (next.length === 0) return true;
  return old.length > 0 && old.every((type) => next.includes(type) || (type === 'integer' && next.includes('number')));
}

/** Type words in one: an integer beside a number adds nothing. */
export const typeText = (types: string[]): string => types.join(' or ') || 'any';
