/** The state that a run begins with, as the last one wrote it. */
import { ConfigError } from '../../base/errors.js';
import type { SingerBookmark, SingerState } from './messages.js';

/** Checks what a file of state holds: a state's value, or its whole message. Throws ConfigError. */
export function parseSingerState(found: unknown, place: string): SingerState {
  const message = found as { type?: unknown; value?: unknown } | null;
  const value = (isMapping(message) && message.type === 'STATE' ? message.value : found) as Partial<SingerState> | null;
  if (!isMapping(value) || (value.bookmarks !== undefined && !isMapping(value.bookmarks)))
    throw badState(place, '{"bookmarks": {…}}, the last state that was written', value);
  const bookmarks = value.bookmarks ?? {};
  for (const [stream, bookmark] of Object.entries(bookmarks))
    if (!isBookmark(bookmark))
      throw badState(`${place}: bookmarks.${stream}`, 'a bookmark that headrace singer wrote', bookmark);
  return { bookmarks };
}

function isBookmark(value: unknown): value is SingerBookmark {
  const { version, rows, counts, entries } = (value ?? {}) as Partial<SingerBookmark>;
  return (
    Number.isSafeInteger(version) &&
    Number.isSafeInteger(rows) &&
    isMapping(counts) &&
    Object.values(counts).every(Number.isSafeInteger) &&
    isMapping(entries) &&
    Object.values(entries).every(
      (entry) => Array.isArray(entry) && entry.length === 2 && Number.isSafeInteger(entry[0]) && isJson(entry[1]),
    )
  );
}

function isJson(value: unknown): boolean {
  try {
    JSON.parse(value as string);
    return typeof value === 'string';
  } catch {
    return false;
  }
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function badState(place: string, expected: string, found: unknown): ConfigError {
  return new ConfigError('the state is of no known form', {
    code: 'bad_state',
    place,
    expected,
    found: JSON.stringify(found)?.slice(0, 120) ?? 'nothing',
    next: 'give the last STATE of headrace singer for this connector, or none to read everything again',
  });
}
