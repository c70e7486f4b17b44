/** Whether a stored value is the one that an API gave, however the table writes it. */
import type { DataRecord } from '../../base/catalog.js';
import { parseInstant } from '../../base/instant.js';
import { ExactNumber, parseJson, stringifyJson } from '../../base/json.js';

const DECIMAL = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/i;

/** Fields in which two records differ; a field that is missing is null. */
export function differingFields(given: DataRecord, stored: DataRecord): string[] {
  const fields = new Set([...Object.keys(given), ...Object.keys(stored)]);
  return [...fields].filter((field) => !isSame(given[field], stored[field]));
}

function isSame(given: unknown, stored: unknown): boolean {
  const text = canonical(given);
  if (text === canonical(stored)) return true;
  if (typeof stored === 'string' && typeof given === 'string') {
    // A column of moments writes them in the zone of its session.
    const at = parseInstant(given);
    return at !== undefined && at === parseInstant(stored);
  }
  if (typeof stored !== 'string' || given === null || given === undefined) return false;
  // A column of text holds what else came as JSON.
  return text === canonical(parsed(stored));
}

function parsed(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    return text;
  }
}

/** One text for each value: keys in order, numbers by their digits, text as a database can keep it. */
function canonical(value: unknown): string {
  if (value === null || value === undefined) return 'null';
  if (typeof value === 'string') return stringifyJson(value.replaceAll('\0', '\ufffd').toWellFormed());
  if (typeof value === 'number' || typeof value === 'bigint' || value instanceof ExactNumber)
    return decimal(String(value));
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object') return String(value);
  const pairs = Object.entries(value)
    .filter(([, inner]) => inner !== undefined)
    .map(([key, inner]) => `${canonical(key)}:${canonical(inner)}`);
  return `{${pairs.toSorted().join(',')}}`;
}

function decimal(text: string): string {
  const [, sign, whole, fraction = '', exponent = '0'] = DECIMAL.exec(text) ?? [];
  if (whole === undefined) return text;
  const digits = (whole + fraction).replace(/^0+/, '');
  const short = digits.replace(/0+$/, '');
  if (short === '') return '0';
  return `${sign}${short}e${Number(exponent) - fraction.length + digits.length - short.length}`;
}
