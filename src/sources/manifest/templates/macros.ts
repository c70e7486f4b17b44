/** The functions that a template may call. The clock comes from outside, so that a test or a replay sees the same. */
import { randomUUID } from 'node:crypto';
import { formatWith, parseDuration, parseIsoUtc, parseWith, strptime } from './date-text.js';
import { DateTextError, PyDate, PyDelta } from './datetime.js';
import {
  compare,
  floatOf,
  isFloat,
  iterate,
  numberOf,
  TemplateError,
  UndefinedUse,
  type Callable,
  type Value,
} from './values.js';
import { stringArgument } from './methods.js';

const ISO_FORMAT = '%Y-%m-%dT%H:%M:%S.%f%z';

/** Where dates cannot be read, Python raises ValueError. */
function dated<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof DateTextError) throw new TemplateError(error.message);
    throw error;
  }
}

export function macros(now: () => number): Record<string, Callable> {
  const nowUtc = () => PyDate.ofEpoch(now());
  return {
    now_utc: () => nowUtc(),
    today_utc: () => nowUtc().dateOnly(),
    today_with_timezone: ([zone]) => dayIn(stringArgument(zone), now()),
    timestamp: ([value]) => {
      const number = numberOf(value);
      if (number !== undefined) return Math.trunc(number);
      const { epochMs, micros } = dated(() => parseIsoUtc(dateText(value)));
      const seconds = (epochMs * 1000 + micros) / 1_000_000;
      return floatOf(seconds);
    },
    str_to_datetime: ([value]) => dated(() => parseIsoUtc(dateText(value))),
    max: (args) => extreme(args, 1),
    min: (args) => extreme(args, -1),
    day_delta: ([days, format], named) =>
      nowUtc()
        .plus(new PyDelta((numberOf(days ?? named['num_days']) ?? 0) * 86_400_000_000))
        .strftime(stringArgument(format ?? named['format'] ?? ISO_FORMAT)),
    duration: ([value]) => dated(() => parseDuration(stringArgument(value))),
    format_datetime: ([value, format, input], named) =>
      formatDatetime(value, stringArgument(format ?? named['format']), input ?? named['input_format']),
    sanitize_url: ([value]) => quotePlus(stringArgument(value)),
    camel_case_to_snake_case: ([value]) =>
      stringArgument(value)
        .replaceAll(/(?<!^)(?=[A-Z])/g, '_')
        .toLowerCase(),
    generate_uuid: () => randomUUID(),
    dict: (_args, named) => ({ ...named }),
    namespace: (_args, named) => ({ ...named }),
  };
}

function dateText(value: Value): string {
  if (value === undefined) throw new UndefinedUse('the date is undefined');
  return stringArgument(value);
}

function formatDatetime(value: Value, format: string, input: Value): string {
  if (value instanceof PyDate && value.hasTime) return value.strftime(format);
  return dated(() => {
    let date: PyDate;
    if (typeof value === 'number' && !isFloat(value)) date = parseWith(value, typeof input === 'string' ? input : '%s');
    else if (input !== undefined && input !== null) date = strptime(stringArgument(value), stringArgument(input));
    else date = parseIsoUtc(dateText(value));
    return formatWith(date.offsetMinutes === null ? new PyDate(date.wallMs, date.micros, 0) : date, format);
  });
}

function extreme(args: Value[], sign: 1 | -1): Value {
  const items = args.length === 1 ? iterate(args[0]) : args;
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

export function quotePlus(value: string): string {
  return encodeURIComponent(value)
    .replaceAll('%20', '+')
    .replaceAll(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}
