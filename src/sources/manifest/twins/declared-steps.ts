/** What a described class does to a record: standard transformations, and a few that the language has not. */
import type { DataRecord } from '../../../base/catalog.js';
import { isObject, type Json, type JsonObject } from '../document/read.js';
import { define, setAt, valueAt } from '../runtime/kit.js';
import type { Twin, TwinSliceInput } from '../runtime/twin.js';
import { parseWith } from '../templates/date-text.js';
import { DateTextError } from '../templates/datetime.js';
import { isTrue, type Value } from '../templates/values.js';
import { filledIn } from './declared-fields.js';
import type { Step } from './declared-schema.js';

/** The name of the class that stands for a step of ours, once the list is made of standard components. */
const STEP = 'HeadraceStep';

/** A step is plain data, so it is JSON, which an interface does not say. */
export function stepsOf(steps: Step[]): Twin {
  return { steps: (component) => stepComponents(steps, component) };
}

export function stepComponents(steps: Step[], component: JsonObject): JsonObject[] {
  const $parameters = component['$parameters'] ?? {};
  return steps.map((step): JsonObject => {
    if ('type' in step) return { $parameters, ...step } as unknown as JsonObject;
    if (!('ask' in step))
      return { type: 'CustomTransformation', class_name: STEP, $parameters, step: step as unknown as JsonObject };
    const requester = filledIn((step.ask as { requester: Json }).requester, component) as JsonObject;
    return {
      ...(step.ask as JsonObject),
      type: 'AskTransformation',
      $parameters,
      requester: { $parameters, ...requester, type: requester['type'] ?? 'HttpRequester' },
    };
  });
}

/** Runs a step of ours. */
export const STEP_TWIN: Record<string, Twin> = {
  HeadraceStep: {
    transform: (record, input) => stepped(record, input.component['step'] as unknown as Step, input),
  },
};

function stepped(record: DataRecord, step: Step, { evaluate, slice, schema }: TwinSliceInput): DataRecord {
  if ('collect' in step) return collected(record, step.collect as Collect);
  if ('dates' in step) return dated(record, step.dates as Dates);
  if ('drop' in step)
    return step.drop === 'bad_dates'
      ? withoutBadDates(record, schema?.() ?? {})
      : (dropped(record, step.drop === 'empty') as DataRecord);
  const { from, to, if: when } = (step as { move: Move }).move;
  const found = valueAt(record, from);
  if (found === undefined || (when !== undefined && !holds(evaluate(when, { record, stream_slice: slice }))))
    return record;
  const made = structuredClone(record);
  const holder = from.length === 1 ? made : (valueAt(made, from.slice(0, -1)) as Record<string, unknown>);
  delete holder[from.at(-1)!];
  setAt(made, to, found);
  return made;
}

/** What comes out of a template where a condition is asked for: true as Python sees it, so an empty list is not. */
export const holds = (found: unknown): boolean => isTrue(found as Value) && found !== 'False' && found !== 'None';

interface Collect {
  field?: string;
  prefix?: string;
  into: string;
  as?: [string, string] | undefined;
}
export interface Dates {
  fields: 'all' | string[];
  form: string;
}
interface Move {
  from: string[];
  to: string[];
  if?: string;
}

/**
 * Entries of a mapping, or fields with a prefix, as a list of names and values: their names are the user's, not the
 * API's.
 */
function collected(
  record: DataRecord,
  { field, prefix, into, as: [name, value] = ['name', 'value'] }: Collect,
): DataRecord {
  const source: unknown = field === undefined ? record : record[field];
  if (!isObject(source)) return record;
  const chosen = Object.entries(source).filter(([key]) => prefix === undefined || key.startsWith(prefix));
  const made: DataRecord = {};
  for (const [key, inner] of Object.entries(record))
    if (key !== field && (prefix === undefined || !key.startsWith(prefix))) define(made, key, inner);
  define(
    made,
    into,
    chosen.map(([key, inner]) => ({ [name]: key, [value]: inner })),
  );
  return made;
}

/** Dates in a form of the API's own, as RFC 3339 in UTC, at any depth. What is none stays. */
export function dated(record: DataRecord, { fields, form }: Dates): DataRecord {
  const walk = (value: unknown, name: string): unknown => {
    if (Array.isArray(value)) return value.map((each) => walk(each, name));
    if (isObject(value)) return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, walk(each, key)]));
    return fields === 'all' || fields.includes(name) ? (dateOf(value, form) ?? value) : value;
  };
  return walk(record, '') as DataRecord;
}

/** JSON dates of .NET: milliseconds since the epoch, then the zone of whoever wrote it, which moves nothing. */
const DOTNET = /^\/Date\((-?\d+)(?:[+-]\d{4})?\)\/$/;

function dateOf(value: unknown, form: string): string | undefined {
  if (form === 'dotnet') {
    const [, ms] = (typeof value === 'string' && DOTNET.exec(value)) || [];
    return ms === undefined ? undefined : isoOf(Number(ms));
  }
  if (value === null || value === undefined || value === '') return undefined;
  if (form === 'epoch' || form === 'epoch_ms') {
    const number = Number(value);
    return Number.isFinite(number) ? isoOf(form === 'epoch' ? number * 1000 : number) : undefined;
  }
  if (typeof value !== 'string') return undefined;
  try {
    return isoOf(parseWith(value, form).epochMs);
  } catch (error) {
    if (error instanceof DateTextError) return undefined;
    throw error;
  }
}

/** Seconds, and a fraction only where there is one, as Airbyte's connectors write them. */
function isoOf(ms: number): string | undefined {
  const date = new Date(ms);
  if (Number.isNaN(date.getTime())) return undefined;
  return date
    .toISOString()
    .replace(/\.000Z$/, 'Z')
    .replace(/Z$/, '+00:00');
}

/** A date, with a time and a zone or without. */
const DATE = /^(?:(\d{4})[-/](\d{1,2})[-/](\d{1,2})|(\d{1,2})[-/](\d{1,2})[-/](\d{4}))/;
const TIME = /^(?:[ T]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?$/;

/** Fields that the schema calls dates and that hold none, such as 0000-00-00, become null. */
function withoutBadDates(record: DataRecord, schema: JsonObject): DataRecord {
  const properties = isObject(schema['properties']) ? schema['properties'] : {};
  const made = { ...record };
  for (const [name, property] of Object.entries(properties)) {
    const value = Object.hasOwn(made, name) ? made[name] : undefined;
    const isDate = isObject(property) && (property['format'] === 'date' || property['format'] === 'date-time');
    if (isDate && typeof value === 'string' && value !== '' && !holdsDate(value)) define(made, name, null);
  }
  return made;
}

function holdsDate(text: string): boolean {
  const found = DATE.exec(text);
  if (!found || !TIME.test(text.slice(found[0].length))) return false;
  const [year, month, day] = (found[1] === undefined ? [found[6], found[5], found[4]] : found.slice(1, 4)).map(Number);
  const date = new Date(0);
  date.setUTCFullYear(year!, month! - 1, day!);
  return year! > 0 && date.getUTCMonth() === month! - 1 && date.getUTCDate() === day;
}

function dropped(value: unknown, empty: boolean): unknown {
  if (Array.isArray(value)) return value.map((each) => dropped(each, empty));
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, each]) => each !== null && !(empty && (each === '' || (Array.isArray(each) && each.length === 0))))
      .map(([key, each]) => [key, dropped(each, empty)]),
  );
}
