/** Reads headrace.yaml: references to the environment, then the schemas; errors name the line. */
import { isUtf8 } from 'node:buffer';
import { lstatSync } from 'node:fs';
import path from 'node:path';
import { isMap, LineCounter, parseDocument, type Document, type YAMLError } from 'yaml';
import type { z } from 'zod';
import { ConfigError, messageOf } from '../base/errors.js';
import { LIMITS } from '../base/bounds.js';
import { InputTooLarge, readInputFile } from '../base/input-file.js';
import { systemFault } from '../base/system-error.js';
import { schemaFault } from '../base/schema-fault.js';
import { DESTINATIONS } from '../destinations/registry.js';
import { resolveReferences, UnsetReferences, withoutUnset } from './references.js';
import { fileSchema, type FileConfig } from './schema.js';

export const DEFAULT_FILE = 'headrace.yaml';

export interface LoadedConfig {
  file: string;
  config: FileConfig;
  /** Turns the path of a schema issue into a place in the file. */
  placeOf: (at: PropertyKey[]) => string;
  /** Settings whose variable is not set: ask before one of them, or its default, is used. */
  unset: UnsetReferences;
}

/** All of the file. Throws where one of its variables is not set. */
export function loadConfig(file: string, env: NodeJS.ProcessEnv): LoadedConfig {
  const loaded = readConfig(file, env);
  loaded.unset.assertNone([]);
  return loaded;
}

/** The file, for whoever needs a part of it: what needs a variable that is not set is in `unset`. */
export function readConfig(file: string, env: NodeJS.ProcessEnv): LoadedConfig {
  const text = readText(file);
  const counter = new LineCounter();
  const document = parsed(file, text, counter);
  const placeOf = (path: PropertyKey[]) => place(file, document, counter, path);
  const unset = new UnsetReferences(placeOf);
  const raw = resolveReferences(plainOf(file, document), env, unset);
  withoutUnset(raw, unset);
  const config = validate(fileSchema, raw, [], placeOf);
  assertDestinations(config, path.dirname(path.resolve(file)), placeOf);
  return { file, config, placeOf, unset };
}

/** At most so large, and text: what is no text would be read as one long word. */
function readText(file: string): string {
  if (file === '' || !lstatSync(file, { throwIfNoEntry: false }))
    throw new ConfigError(`there is no ${file === '' ? 'file without a name' : file} here`, {
      code: 'config_missing',
      place: file === '' ? '--config' : file,
      expected: 'a configuration file',
      found: 'none',
      next: 'run headrace init, or name a connector instead (headrace connectors lists them)',
    });
  const bytes = readBytes(file);
  const unfit = (found: string, expected: string) =>
    new ConfigError(`${file} is no configuration`, {
      code: 'config_no_text',
      place: file,
      expected,
      found,
      next: 'name a file that headrace init wrote, or one like it',
    });
  if (!isUtf8(bytes) || bytes.includes(0)) throw unfit('bytes that are no text', 'YAML as text in UTF-8');
  const text = bytes.toString('utf8');
  if (text.trim() === '') throw unfit('nothing', 'YAML with at least connections:');
  return text;
}

function readBytes(file: string): Buffer {
  try {
    return readInputFile(file, LIMITS.configBytes);
  } catch (error) {
    if (error instanceof InputTooLarge)
      throw new ConfigError(`${file} is too large`, {
        code: 'config_too_large',
        place: file,
        expected: `at most ${LIMITS.configBytes} bytes`,
        found: 'more',
        next: 'name a configuration file, or split this one and run a service for each',
      });
    throw systemFault(error, file) ?? unreadable(file, error);
  }
}

const unreadable = (file: string, error: unknown) =>
  new ConfigError(`${file} cannot be read`, {
    code: 'config_unreadable',
    place: file,
    expected: 'a configuration file',
    found: messageOf(error),
    next: 'name a file, or write to the pipe before it is read',
  });

function parsed(file: string, text: string, lineCounter: LineCounter): Document {
  const document = parseDocument(text, { lineCounter, merge: true });
  // A tag that nobody knows would be left out without a word.
  const fault = document.errors[0] ?? document.warnings[0];
  if (!fault) return document;
  const at = fault.linePos?.[0];
  throw notYaml(file, at && `${file}:${at.line}:${at.col}`, wordsOf(fault, text), fault);
}

const wordsOf = ({ code, message, pos: [from, to] }: YAMLError, text: string) => {
  if (code === 'DUPLICATE_KEY') return `${/^[^\s:,{}]{1,60}/.exec(text.slice(from, to + 60))?.[0] ?? 'a name'} twice`;
  if (code === 'MULTIPLE_DOCS') return 'a second document (---): a configuration is one';
  if (/call stack/.test(message)) return 'values inside values, too deep to read';
  return message.split('\n')[0]!.replace(/ at line \d+, column \d+:$/, '');
};

function notYaml(file: string, place: string | undefined, found: string, cause: unknown): ConfigError {
  return new ConfigError(`${file} is not valid YAML`, {
    code: 'bad_yaml',
    place: place ?? file,
    expected: 'YAML 1.2, such as headrace init writes',
    found,
    next: 'correct that line',
    cause,
  });
}

/** Aliases are found only now; and a name that objects have of their own would vanish. */
function plainOf(file: string, document: Document): unknown {
  let value: unknown;
  try {
    value = document.toJS({
      maxAliasCount: 100,
      reviver: (key: unknown, inner: unknown) => {
        if (key === '__proto__') throw new Error('a name that nothing may have: __proto__');
        return inner;
      },
    });
  } catch (error) {
    throw notYaml(file, undefined, messageOf(error), error);
  }
  return value;
}

/** A destination that does not come with Headrace must be a module or a package that is there. */
function assertDestinations({ connections }: FileConfig, folder: string, placeOf: LoadedConfig['placeOf']): void {
  for (const [name, { destination }] of Object.entries(connections)) {
    const { type } = destination;
    if (DESTINATIONS.find(type) || DESTINATIONS.locate(type, folder)) continue;
    const at = ['connections', name, 'destination', 'type'];
    throw new ConfigError(`setting ${at.join('.')} is wrong`, {
      code: 'config_invalid',
      place: placeOf(at),
      expected: DESTINATIONS.expectation(),
      found: JSON.stringify(type).slice(0, 80),
      candidates: DESTINATIONS.list().map(({ name: known }) => known),
      next: 'see docs/reference/configuration.md',
    });
  }
}

/** Parses with a schema; a mismatch becomes a ConfigError that names place, expectation and finding. */
export function validate<S extends z.ZodType>(
  schema: S,
  value: unknown,
  base: PropertyKey[],
  placeOf: (at: PropertyKey[]) => string,
): z.infer<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const fault = schemaFault(result.error, value, schema);
  const at = [...base, ...fault.path];
  const place = placeOf(fault.unknown ? [...at, fault.unknown[0]!] : at);
  // A flag is no setting of a file.
  const what = place.startsWith('--') ? place : `setting ${at.join('.') || '(all)'}`;
  throw new ConfigError(fault.unknown ? `unknown setting ${fault.found}` : `${what} is wrong`, {
    code: 'config_invalid',
    place,
    candidates: fault.candidates,
    expected: fault.unknown ? 'a setting of docs/reference/configuration.md' : fault.expected,
    found: fault.found,
    next: 'see docs/reference/configuration.md',
  });
}

function place(file: string, document: Document, counter: LineCounter, path: PropertyKey[]): string {
  for (let length = path.length; length > 0; length--) {
    const parent = length === 1 ? document.contents : document.getIn(path.slice(0, length - 1), true);
    const key = path[length - 1];
    const pair = isMap(parent) ? parent.items.find((item) => String(item.key) === String(key)) : undefined;
    const offset =
      (pair?.key as { range?: [number, number, number] } | undefined)?.range?.[0] ??
      (document.getIn(path.slice(0, length), true) as { range?: [number] } | undefined)?.range?.[0];
    if (offset !== undefined) {
      const { line, col } = counter.linePos(offset);
      return `${file}:${line}:${col} (${path.join('.')})`;
    }
  }
  return path.length > 0 ? `${file} (${path.join('.')})` : file;
}
