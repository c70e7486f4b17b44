/** The functions that a template may call. The clock comes from outside, so that a test or a replay sees the same. */
import { randomUUID } from 'node:crypto';
import { formatWith, parseDuration, parseIsoUtc, parseWith, strptime } from './date-text.js';
import { DateTextError, PyDate, PyDelta } from './datetime.js';
import { compare } from './comparison.js';
import { GLOBALS } from './globals.js';
import { quotePlus } from './quoting.js';
import { signature } from './signature.js';
import { stringArgument } from './text-methods.js';
import {
  floatOf,
  integerOf,
  intOf,
  isFloat,
  iterate,
  lengthOf,
  mismatch,
  numberOf,
  TemplateError,
  truncated,
  typeName,
  UndefinedUse,
  type Callable,
  type Value,
} from './values.js';

/** Where dates cannot be read, Python raises ValueError. */
function dated<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof DateTextError) throw new TemplateError(error.message);
    throw error;
  }
}

/** By name: the signature, and what it does. */
function functions(now: () => number): Record<string, [string, (...args: Value[]) => Value]> {
  const nowUtc = () => PyDate.ofEpoch(now());
  return {
    now_utc: ['', nowUtc],
    today_utc: ['', () => nowUtc().dateOnly()],
    today_with_timezone: ['timezone', (zone) => dayIn(stringArgument(zone), now())],
    timestamp: ['dt', timestamp],
    str_to_datetime: ['s', (value) => dated(() => parseIsoUtc(dateText(value)))],
    max: ['*args', (args) => extreme(args as Value[], 1)],
    min: ['*args', (args) => extreme(args as Value[], -1)],
    day_delta: [
      "num_days format='%Y-%m-%dT%H:%M:%S.%f%z'",
      (days, format) =>
        nowUtc()
          .plus(new PyDelta(Math.round((numberOf(days) ?? mismatch('a number of days is needed')) * 86_400_000_000)))
          .strftime(stringArgument(format)),
    ],
    duration: ['datestring', (value) => dated(() => parseDuration(stringArgument(value)))],
    format_datetime: [
      'dt format input_format=None',
      (value, format, input) => formatDatetime(value, stringArgument(format), input),
    ],
    sanitize_url: ['value', (value) => quotePlus(typeof value === 'string' ? value : sanitizable(value))],
    camel_case_to_snake_case: [
      'value',
      (value) =>
        stringArgument(value)
          .replaceAll(/(?<!^)(?=[A-Z])/g, '_')
          .toLowerCase(),
    ],
    generate_uuid: ['', () => randomUUID()],
  };
}

export function macros(now: () => number): Record<string, Callable> {
  const named = Object.entries(functions(now)).map(([name, [spec, body]]): [string, Callable] => {
    const bound = signature(spec);
    return [name, (args, keywords) => body(...bound(args, keywords))];
  });
  return { ...GLOBALS, ...Object.fromEntries(named) };
}

function timestamp(value: Value): Value {
  const integer = integerOf(value);
  if (integer !== undefined) return intOf(integer);
  const number = numberOf(value);
  if (number !== undefined) return truncated(number);
  const { epochMs, micros } = dated(() => parseIsoUtc(dateText(value)));
  return floatOf((epochMs * 1000 + micros) / 1_000_000);
}

function sanitizable(value: Value): string {
  return mismatch(`quote_from_bytes() expected bytes, not ${typeName(value)}`);
}

function dateText(value: Value): string {
  if (value === undefined) throw new UndefinedUse('the date is undefined');
  if (typeof value !== 'string' && lengthOf(value) < 4) throw new TemplateError('ISO string too short');
  return stringArgument(value);
}

function formatDatetime(value: Value, format: string, input: Value): string {
  if (value instanceof PyDate && value.hasTime) return value.strftime(format);
  return dated(() => {
    let date: PyDate;
    if (typeof value === 'bigint') throw new TemplateError('timestamp out of range for platform time_t');
    if (typeof value === 'number' && !isFloat(value)) date = parseWith(value, typeof input === 'string' ? input : '%s');
    else if (input !== undefined && input !== null) date = strptime(stringArgument(value), stringArgument(input));
    else date = parseIsoUtc(dateText(value));
    return formatWith(date.offsetMinutes === null ? new PyDate(date.wallMs, date.micros, 0) : date, format);
  });
}

function extreme(args: Value[], sign: 1 | -1): Value {
  const items = args.length === 1 ? iterate(args[0]) : args;
  if (args.length === 0) mismatch('max expected at least 1 argument, got 0');
  if (args.length === 1 && args[0] === undefined) throw new TemplateError('max() arg is an empty sequence');
  if (items.length === 0) throw new TemplateError('max or min of nothing');
  return items.reduce((best, item) => (sign * compare(item, best) > 0 ? item : best));
}

function dayIn(zone: string, nowMs: number): PyDate {
  try {
    const parts = new Intl.DateTimeFormat('en-CA', {
      timeZone: zone,
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
    }).format(nowMs);
    return new PyDate(Date.parse(`${parts}T00:00:00Z`), 0, null, false);
  } catch {
    throw new TemplateError(`"${zone}" is no time zone`);
  }
}
