/** Definitions that connections of the API may name: which there are, and what each asks for. */
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { LIMITS } from '../base/bounds.js';
import { ConfigError } from '../base/errors.js';
import type { Connector } from '../sources/connector.js';
import { CONNECTORS } from '../sources/registry.js';

export interface Definition {
  name: string;
  /** The connector that reads by it. */
  connector: string;
}

export interface DefinitionDetail extends Definition {
  title: string;
  /** JSON schema of its configuration. */
  config: Record<string, unknown>;
  documentation: string | null;
}

/** What `confinedSource` lets through. */
const FILE = /^([\w-]+)\.ya?ml$/;

/** The connectors that read by definitions. */
const readers = () =>
  CONNECTORS.list().flatMap((connector: Connector) =>
    connector.definition ? [{ name: connector.name, definition: connector.definition }] : [],
  );

/** By name. A folder that is not there holds none. */
export function listDefinitions(folder: string): Definition[] {
  const [reader] = readers();
  if (!reader) return [];
  return filesOf(folder).map((file) => ({ name: FILE.exec(file)![1]!, connector: reader.name }));
}

/** What one of them asks for. Throws ConfigError where there is none of the name, or it cannot be read. */
export async function describeDefinition(folder: string, name: string): Promise<DefinitionDetail> {
  const [reader] = readers();
  const file = filesOf(folder).find((each) => FILE.exec(each)![1] === name);
  if (!reader || file === undefined)
    throw new ConfigError(`there is no definition ${name.slice(0, 80)}`, {
      code: 'unknown_definition',
      place: 'definition',
      expected: 'the name of a file in manifests_dir',
      found: name.slice(0, 80),
      next: 'list them: GET /api/v1/definitions',
    });
  const { title, settings, documentation } = await reader.definition.specification(path.join(folder, file));
  return { name, connector: reader.name, title, config: settings, documentation: documentation ?? null };
}

function filesOf(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => FILE.test(name))
      .toSorted()
      .slice(0, LIMITS.definitionsListed);
  } catch {
    return [];
  }
}
