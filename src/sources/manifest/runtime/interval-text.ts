/** How a manifest writes lengths and dates of its time filter. Seconds since the epoch throughout. */
import { ConfigError } from '../../../base/errors.js';
import { placeOf } from '../document/manifest.js';
import { isObject, type Json, type JsonObject } from '../document/read.js';
import { formatWith, parseDuration, parseIsoUtc, parseWith } from '../templates/date-text.js';
import { DateTextError, PyDate, type PyDelta } from '../templates/datetime.js';
import { text, type Kit } from './kit.js';

const ISO_FORMAT = '%Y-%m-%dT%H:%M:%S.%f%z';

/** A length that may have months; undefined where none is written. */
export function lengthOf(kit: Kit, own: JsonObject, name: string): PyDelta | undefined {
  const value = own[name];
  if (typeof value !== 'string' || value === '') return undefined;
  const rendered = text(kit, own, value)({});
  try {
    return parseDuration(rendered);
  } catch (error) {
    if (!(error instanceof DateTextError)) throw error;
    throw new ConfigError(`${name} is no duration`, {
      code: 'bad_duration',
      place: placeOf(kit.manifest, own),
      expected: 'an ISO 8601 duration like P30D',
      found: rendered,
      next: 'check the value in the configuration',
    });
  }
}

/** In seconds, a month as 30 days: where a length is needed and no date. */
export function secondsOf(length: PyDelta): number {
  return length.ms / 1000 + length.months * 30 * 86_400;
}

export function writerOf(format: string): (seconds: number) => string {
  return (seconds) => formatWith(PyDate.ofEpoch(Math.floor(seconds * 1000 + 1e-6)), format);
}

/** What looks like a date: JavaScript finds one in nearly any text that ends with a number. */
const DATE =
  /^\s*(?:\d{4}[-/]\d\d?[-/]\d\d?|(?:[A-Z][a-z]{2,8},? )?(?:\d\d? [A-Z][a-z]{2}|[A-Z][a-z]{2,8} \d\d?))(?!\d)/;

/** Reads what is written in one of the formats, or in any that JavaScript knows; NaN where that is no date. */
export function readerOf(formats: string[]): (value: unknown) => number {
  return (value) => {
    if (typeof value !== 'string' && typeof value !== 'number') return Number.NaN;
    for (const each of formats) {
      try {
        return Math.floor(parseWith(value, each).epochMs / 1000);
      } catch (error) {
        if (!(error instanceof DateTextError)) throw error;
      }
    }
    const parsed = typeof value === 'string' && DATE.test(value) ? Date.parse(value) : Number.NaN;
    return Math.floor(parsed / 1000);
  };
}

/** When a bound of the stream lies: a date, or a template of one, with the least and the greatest that it may be. */
export function boundOf(kit: Kit, own: JsonObject, value: Json, format: string, name: string): number {
  const component = isObject(value) ? value : own;
  const source = isObject(value) ? value['datetime'] : value;
  const ownFormat =
    isObject(value) && typeof value['datetime_format'] === 'string' && value['datetime_format'] !== ''
      ? text(kit, component, value['datetime_format'])({})
      : format;
  const parse = (template: Json | undefined): number => {
    const rendered = text(kit, component, template)({});
    for (const each of [ownFormat, ISO_FORMAT]) {
      try {
        return parseWith(rendered, each).epochMs / 1000;
      } catch (error) {
        if (!(error instanceof DateTextError)) throw error;
      }
    }
    try {
      return parseIsoUtc(rendered).epochMs / 1000;
    } catch {
      throw new ConfigError(`${name} is no date`, {
        code: 'bad_date',
        place: placeOf(kit.manifest, component),
        expected: `a date as ${ownFormat}`,
        found: rendered.slice(0, 60) || 'nothing',
        next: 'correct the date in the configuration',
      });
    }
  };
  let seconds = parse(source);
  if (isObject(value)) {
    if (value['min_datetime'] !== undefined && value['min_datetime'] !== '')
      seconds = Math.max(seconds, parse(value['min_datetime']));
    if (value['max_datetime'] !== undefined && value['max_datetime'] !== '')
      seconds = Math.min(seconds, parse(value['max_datetime']));
  }
  return seconds;
}
