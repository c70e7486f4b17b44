/** The configuration of a connector in a file of its own, as Airbyte's tools take it. */
import { renameSync, writeFileSync } from 'node:fs';
import { parse as parseYaml } from 'yaml';
import { ConfigError, messageOf } from '../base/errors.js';
import { LIMITS } from '../base/bounds.js';
import { readInputFile } from '../base/input-file.js';

/** From JSON or YAML. */
export function readConfigFile(file: string): Record<string, unknown> {
  let found: unknown;
  try {
    found = parseYaml(readInputFile(file, LIMITS.configBytes).toString('utf8'));
  } catch (error) {
    throw new ConfigError('the configuration of the connector cannot be read', {
      code: 'config_unreadable',
      place: file,
      expected: 'JSON or YAML',
      found: messageOf(error).split('\n')[0],
      next: 'check the path and the file',
    });
  }
  if (typeof found !== 'object' || found === null || Array.isArray(found))
    throw new ConfigError('the configuration of the connector is no mapping', {
      code: 'config_unreadable',
      place: file,
      expected: '{"api_key": …}',
      found: Array.isArray(found) ? 'a list' : found === null ? 'nothing' : `a ${typeof found}`,
      next: 'write the settings that headrace airbyte spec tells as names and values',
    });
  return found as Record<string, unknown>;
}

/** Replaces the file as a whole: a token that is good for one use must not be lost half-way. */
export function writeConfigFile(file: string, config: Record<string, unknown>): void {
  const next = `${file}.next`;
  writeFileSync(next, `${JSON.stringify(config, undefined, 2)}\n`, { mode: 0o600 });
  renameSync(next, file);
}
