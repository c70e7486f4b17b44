/** The state of a folder of NDJSON files: a file beside them, replaced as a whole. */
import { existsSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { LIMITS } from '../../base/bounds.js';
import { ConfigError, messageOf } from '../../base/errors.js';
import { stringifyJson } from '../../base/json.js';
import type { Counts } from '../contract.js';

/** What the state file holds. */
export interface Stored {
  version: 1;
  entries: Record<string, { stream: string; key: string; version: number; value: unknown }>;
  counts: Record<string, Counts>;
  /** Committed length of each file, bytes. */
  lengths: Record<string, number>;
}

/** The state that was saved last; an empty one where none was. */
export function readState(file: string): Stored {
  if (!existsSync(file)) return { version: 1, entries: {}, counts: {}, lengths: {} };
  if (statSync(file).size > LIMITS.stateFileBytes)
    throw new ConfigError('the state file is too large', { code: 'state_too_large', place: file });
  try {
    const stored = JSON.parse(readFileSync(file, 'utf8')) as Stored;
    if (stored.version !== 1 || typeof stored.entries !== 'object' || typeof stored.lengths !== 'object')
      throw new Error('not a state of Headrace');
    return stored;
  } catch (cause) {
    throw new ConfigError('the state file cannot be read', {
      code: 'bad_state',
      place: file,
      expected: 'what headrace wrote',
      found: messageOf(cause),
      next: 'restore it from a backup, or move the folder away and sync anew',
      cause,
    });
  }
}

/** Saves the state by an atomic rename: after the rows that it speaks of. */
export function saveState(file: string, state: Stored): void {
  const next = `${file}.next`;
  writeFileSync(next, stringifyJson(state));
  renameSync(next, file);
}
