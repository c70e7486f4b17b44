/** What a schema finds wrong with a value, in the words of errors: where, what was expected, what was found. */
import type { z } from 'zod';
import { SECRET_NAME } from './log.js';
import { countOf } from './plural.js';
import { listed } from './nearest.js';

export interface SchemaFault {
  path: PropertyKey[];
  /** Keys that the schema does not have, where that is the fault. */
  unknown?: string[] | undefined;
  expected: string;
  found: string;
  /** What there is in its place, where that can be listed: one of them may have been meant. */
  candidates?: string[] | undefined;
}

type Issue = z.core.$ZodIssue;

/**
 * Of several faults the first; but an unknown name goes before one that is missing beside it, which may be the same
 * one. `schema`: the one that found the faults, so that names can be proposed.
 */
export function schemaFault(error: z.ZodError, value: unknown, schema?: z.ZodType): SchemaFault {
  const [first] = error.issues;
  const at = (path: PropertyKey[]) =>
    path.reduce<unknown>((inner, key) => (inner as Record<PropertyKey, unknown> | null | undefined)?.[key], value);
  const beside = JSON.stringify(first!.path.slice(0, -1));
  const misspelt =
    at(first!.path) === undefined &&
    error.issues.find(({ code, path }) => code === 'unrecognized_keys' && JSON.stringify(path) === beside);
  const issue = misspelt || first!;
  if (issue.code === 'unrecognized_keys')
    return {
      path: [...issue.path],
      unknown: issue.keys,
      expected: 'a name that there is',
      found: issue.keys.join(', ').slice(0, 200),
      candidates: namesOf(issue) ?? (schema ? keysAt(schema, issue.path, value) : undefined),
    };
  const found = at([...issue.path]);
  const candidates = typeof found === 'string' ? optionsOf(issue) : undefined;
  return { path: [...issue.path], expected: expectedOf(issue), found: foundOf(found, issue), candidates };
}

const TYPES: Record<string, string> = {
  int: 'a whole number',
  number: 'a number',
  string: 'a text',
  boolean: 'true or false',
  object: 'an object',
  record: 'an object',
  array: 'a list',
  nonoptional: 'a value',
  null: 'null',
};

function expectedOf(issue: Issue): string {
  // A schema that has words of its own for it.
  if (!/^(?:Invalid|Too small|Too big|Unrecognized)\b/.test(issue.message)) return issue.message;
  switch (issue.code) {
    case 'invalid_type':
      return TYPES[issue.expected] ?? issue.expected;
    case 'invalid_value':
      return issue.values.length === 1 ? String(issue.values[0]) : `one of ${listed(issue.values.map(String))}`;
    case 'too_small':
      return `${issue.inclusive === false ? 'more than' : 'at least'} ${unitOf(issue.minimum, issue.origin)}`;
    case 'too_big':
      return `${issue.inclusive === false ? 'less than' : 'at most'} ${unitOf(issue.maximum, issue.origin)}`;
    case 'invalid_union':
      return 'options' in issue && Array.isArray(issue.options)
        ? `one of ${listed(issue.options.map(String))}`
        : [...new Set(issue.errors.flatMap(([inner]) => (inner ? [expectedOf(inner)] : [])))].join(', or ') ||
            issue.message;
    case 'invalid_key':
      return issue.issues[0] ? expectedOf(issue.issues[0]) : issue.message;
    case 'invalid_format':
      return FORMATS[issue.format] ?? `a text in the format ${issue.format}`;
    case 'not_multiple_of':
      return `a multiple of ${issue.divisor}`;
    default:
      return /^Invalid\b/.test(issue.message) ? 'another value' : issue.message;
  }
}

/** With an example: how it is written is what is asked. */
const FORMATS: Record<string, string> = {
  date: 'a day as YYYY-MM-DD that exists, such as 2024-05-01',
  time: 'a time of day, such as 23:59:00',
  datetime: 'a time as YYYY-MM-DDTHH:MM:SSZ, such as 2024-05-01T00:00:00Z',
  duration: 'a duration, such as P1D or PT1H',
  url: 'an address with its scheme, such as https://api.example.com',
  email: 'an e-mail address, such as me@example.com',
  ipv4: 'an IPv4 address, such as 192.0.2.1',
  ipv6: 'an IPv6 address, such as 2001:db8::1',
  uuid: 'a UUID, such as 123e4567-e89b-42d3-a456-426614174000',
  json_string: 'a text that holds JSON',
  regex: 'a text of another form',
};

function optionsOf(issue: Issue): string[] | undefined {
  if (issue.code === 'invalid_value') return issue.values.map(String);
  if (issue.code === 'invalid_union' && 'options' in issue && Array.isArray(issue.options))
    return issue.options.map(String);
  return undefined;
}

interface Definition {
  innerType?: z.ZodType;
  in?: z.ZodType;
  element?: z.ZodType;
  valueType?: z.ZodType;
  shape?: Record<string, z.ZodType>;
  options?: z.ZodType[];
}

/** A schema that asked another one says which names that one has. */
const namesOf = (issue: Issue) => (issue as { candidates?: string[] }).candidates;

const definitionOf = (schema: z.ZodType) => schema.def as Definition;

/** Names that the object at a path may have. Of a choice of objects, all that any of those has that could be meant. */
function keysAt(schema: z.ZodType, path: PropertyKey[], value: unknown): string[] {
  const { innerType, in: input, element, valueType, shape, options } = definitionOf(schema);
  const through = innerType ?? input;
  if (through) return keysAt(through, path, value);
  if (options) return options.flatMap((option) => (isMeant(option, value) ? keysAt(option, path, value) : []));
  if (path.length === 0) return Object.keys(shape ?? {});
  const [key, ...rest] = path;
  const next = shape?.[String(key)] ?? element ?? valueType;
  return next ? keysAt(next, rest, (value as Record<PropertyKey, unknown> | undefined)?.[key!]) : [];
}

/** A literal of the option, such as its type, says whether it is this one. */
function isMeant(option: z.ZodType, value: unknown): boolean {
  const { shape } = definitionOf(option);
  if (!shape || typeof value !== 'object' || value === null) return true;
  return Object.entries(shape).every(
    ([key, inner]) => inner.type !== 'literal' || inner.safeParse((value as Record<string, unknown>)[key]).success,
  );
}

function unitOf(bound: number | bigint, origin: string): string {
  const noun =
    origin === 'string' ? 'character' : origin === 'array' || origin === 'set' || origin === 'map' ? 'item' : undefined;
  return noun === undefined ? String(bound) : `${bound} ${bound === 1 ? noun : `${noun}s`}`;
}

/** Values of settings that may be secret are counted, not shown. */
function foundOf(value: unknown, issue: Issue): string {
  if (issue.code === 'invalid_key') return String(issue.path.at(-1)).slice(0, 80);
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object' && value !== null)
    return `an object with ${Object.keys(value).join(', ').slice(0, 80) || 'nothing in it'}`;
  const isText = typeof value === 'string';
  // A text where none belongs may be one that was meant for another setting.
  if (isText && (issue.code === 'invalid_type' || issue.path.some((key) => SECRET_NAME.test(String(key)))))
    return `a text of ${countOf(value.length, 'character')}`;
  return isText ? JSON.stringify(value).slice(0, 80) : String(value);
}
