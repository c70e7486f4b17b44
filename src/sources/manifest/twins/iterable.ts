/** Twins of the classes that Iterable's manifest names (api.iterable.com, export of a user's events). */
import type { DataRecord } from '../../../base/catalog.js';
import { isObject } from '../document/read.js';
import type { Twins } from '../runtime/twin.js';

/** What each event has; all else is of its kind. */
const COMMON = ['itblInternal', '_type', 'createdAt', 'email'];

export const iterable: Twins = {
  'source-iterable/EventsRecordExtractor': {
    extract: (body) => {
      if (!isObject(body)) return [];
      const made: DataRecord = Object.fromEntries(COMMON.map((name) => [name, body[name] ?? null]));
      const data = Object.fromEntries(Object.entries(body).filter(([name]) => !COMMON.includes(name)));
      return [{ ...made, data }];
    },
  },
};
