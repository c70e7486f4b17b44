/**
 * Twins of the classes that LinkedIn Ads' manifest names (learn.microsoft.com/linkedin/marketing): stamps and ranges of
 * dates become fields, and mappings whose keys are URNs become lists.
 */
import type { DataRecord } from '../../../base/catalog.js';
import { isObject, type JsonObject } from '../document/read.js';
import type { Twins } from '../runtime/twin.js';
import { dumps } from '../templates/json-text.js';
import type { Value } from '../templates/values.js';

/** Columns that are words of SQL for some destinations, with another name. */
const RESERVED = { pivot: '_pivot' };

export const linkedin: Twins = {
  LinkedInAdsRecordExtractor: {
    extract: (body) => {
      const elements: unknown = isObject(body) ? body['elements'] : undefined;
      return Array.isArray(elements) ? elements.filter(isObject).map(recordOf) : [];
    },
  },
};

function recordOf(element: JsonObject): DataRecord {
  const made: DataRecord = { ...element };
  if (isObject(element['changeAuditStamps'])) stamp(made, element['changeAuditStamps']);
  if (isObject(element['dateRange'])) range(made, element['dateRange']);
  if (isObject(element['targetingCriteria'])) made['targetingCriteria'] = criteriaOf(element['targetingCriteria']);
  if (isObject(element['variables'])) made['variables'] = variablesOf(element['variables']);
  if (Array.isArray(element['pivotValues'])) made['string_of_pivot_values'] = element['pivotValues'].join(',');
  for (const [name, other] of Object.entries(RESERVED)) {
    if (!Object.hasOwn(made, name)) continue;
    made[other] = made[name];
    delete made[name];
  }
  for (const name of ['created', 'lastModified']) if (typeof made[name] === 'string') made[name] = isoOf(made[name]);
  return made;
}

/** `{created: {time: milliseconds}, lastModified: …}`, to the second. */
function stamp(into: DataRecord, stamps: JsonObject): void {
  for (const name of ['created', 'lastModified']) {
    const at = isObject(stamps[name]) ? stamps[name]['time'] : undefined;
    if (typeof at === 'number') into[name] = new Date(Math.floor(at / 1000) * 1000).toISOString().slice(0, 19);
  }
  delete into['changeAuditStamps'];
}

/** `{start: {year, month, day}, end: …}` */
function range(into: DataRecord, dates: JsonObject): void {
  for (const name of ['start', 'end']) {
    const { year, month, day } = isObject(dates[name]) ? dates[name] : {};
    const digits = (value: unknown, count: number) => String(value).padStart(count, '0');
    if (year !== undefined) into[`${name}_date`] = `${digits(year, 4)}-${digits(month, 2)}-${digits(day, 2)}`;
    delete into[name];
  }
  delete into['dateRange'];
}

/** `include` is a list of alternatives, `exclude` is one; each maps a facet to what is wanted of it. */
function criteriaOf(criteria: JsonObject): JsonObject {
  const made = { ...criteria };
  const { include, exclude } = criteria;
  if (isObject(include) && Array.isArray(include['and']))
    made['include'] = { and: include['and'].flatMap((each) => (isObject(each) ? facetsOf(each['or']) : [])) };
  if (isObject(exclude)) made['exclude'] = { or: facetsOf(exclude['or']) };
  return made;
}

function facetsOf(facets: unknown): JsonObject[] {
  if (!isObject(facets)) return [];
  return Object.entries(facets).map(([type, found]) => {
    const isList = Array.isArray(found) && (typeof found[0] === 'string' || isObject(found[0]));
    return { type, values: isList ? found : isObject(found) ? [found] : [] };
  });
}

/** `{data: {type: {key: value, …}}}`; values are of any kind, so they come as JSON. */
function variablesOf(variables: JsonObject): JsonObject {
  const { data, ...made } = variables;
  if (!isObject(data)) return variables;
  for (const [type, found] of Object.entries(data)) {
    made['type'] = type;
    made['values'] = Object.entries(isObject(found) ? found : {}).map(([key, value]) => ({
      key,
      value: dumps(value as Value),
    }));
  }
  return made;
}

/** Dates of LinkedIn are UTC where they name no zone. */
function isoOf(text: string): string {
  const [, day, time, zone] =
    /^(\d{4}-\d{2}-\d{2})(?:[ T](\d{2}:\d{2}:\d{2}(?:\.\d+)?))?(Z|[+-]\d{2}:\d{2})?$/.exec(text) ?? [];
  if (day === undefined) return text;
  return `${day}T${time ?? '00:00:00'}${zone === undefined || zone === 'Z' ? '+00:00' : zone}`;
}
