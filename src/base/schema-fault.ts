/** What a schema finds wrong with a value, in the words of errors: where, what was expected, what was found. */
import type { z } from 'zod';
import { SECRET_NAME } from './log.js';

export interface SchemaFault {
  path: PropertyKey[];
  /** Keys that the schema does not have, where that is the fault. */
  unknown?: string[] | undefined;
  expected: string;
  found: string;
}

type Issue = z.core.$ZodIssue;

/** Of several faults the first. */
export function schemaFault(error: z.ZodError, value: unknown): SchemaFault {
  const issue = error.issues[0]!;
  if (issue.code === 'unrecognized_keys')
    return {
      path: [...issue.path],
      unknown: issue.keys,
      expected: 'a name that there is',
      found: issue.keys.join(', ').slice(0, 200),
    };
  const found = issue.path.reduce<unknown>(
    (at, key) => (at as Record<PropertyKey, unknown> | null | undefined)?.[key],
    value,
  );
  return { path: [...issue.path], expected: expectedOf(issue), found: foundOf(found, issue) };
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
      return issue.values.length === 1 ? String(issue.values[0]) : `one of ${issue.values.join(', ')}`;
    case 'too_small':
      return `${issue.inclusive === false ? 'more than' : 'at least'} ${issue.minimum}${unitOf(issue.origin)}`;
    case 'too_big':
      return `${issue.inclusive === false ? 'less than' : 'at most'} ${issue.maximum}${unitOf(issue.origin)}`;
    case 'invalid_union':
      return 'options' in issue && Array.isArray(issue.options)
        ? `one of ${issue.options.join(', ')}`
        : [...new Set(issue.errors.flatMap(([inner]) => (inner ? [expectedOf(inner)] : [])))].join(', or ') ||
            issue.message;
    case 'invalid_key':
      return issue.issues[0] ? expectedOf(issue.issues[0]) : issue.message;
    default:
      return issue.message;
  }
}

function unitOf(origin: string): string {
  if (origin === 'string') return ' characters';
  return origin === 'array' || origin === 'set' || origin === 'map' ? ' items' : '';
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
    return `a text of ${value.length} characters`;
  return isText ? JSON.stringify(value).slice(0, 80) : String(value);
}
