/** What a new headrace.yaml holds for a connector and a destination: secrets by reference, never as they are. */
import type { z } from 'zod';
import { parse as parseYaml } from 'yaml';
import { schemaFault } from '../../base/schema-fault.js';
import { connectionName } from '../../config/schema.js';
import { DESTINATIONS, destinationOfText, type CONNECTORS } from '../../wiring/compose.js';

export type Connector = Awaited<ReturnType<typeof CONNECTORS.get>>;

/** What a connection to it may be called: names of connectors may begin with a digit. */
export function connectionNameOf({ name, configIn }: Connector): string {
  return configIn === undefined || connectionName.safeParse(name).success ? name : `c_${name}`.slice(0, 40);
}

/** Variables of the environment that settings refer to, each once. */
export function variablesIn(settings: unknown): string[] {
  const found = [...JSON.stringify(settings).matchAll(/"\$\{([A-Z0-9_]+)\}"/g)].map(([, variable]) => variable!);
  return [...new Set(found)];
}

/** Secrets and other settings without which it does not run go by reference, or have to be filled in. */
export function referencesOf({ name, schema, secrets, environment }: Connector): Record<string, string> {
  const references: Record<string, string> = {};
  for (const [setting, field] of fieldsOf(schema)) {
    if (field.safeParse(undefined).success) continue;
    if (!secrets.includes(setting) && environment[setting] === undefined) continue;
    references[setting] = `\${${environment[setting] ?? `${name}_${setting}`.toUpperCase().replaceAll('-', '_')}}`;
  }
  return references;
}

/** Its own fields; which connector it is was asked already. */
export function fieldsOf(schema: z.ZodObject): [string, z.ZodType][] {
  return (Object.entries(schema.shape) as [string, z.ZodType][]).filter(([setting]) => setting !== 'connector');
}

/** What the schema says against an answer. Nothing is an answer where the setting can be left out. */
export function faultOf(field: z.ZodType, given: string, isNeeded: boolean): string | undefined {
  if (given === '' && !isNeeded) return undefined;
  const value = valueOf(field, given);
  const parsed = field.safeParse(value);
  return parsed.success ? undefined : schemaFault(parsed.error, value).expected;
}

/** A text where the setting takes one; else a number, or whatever YAML reads in it. */
export function valueOf(field: z.ZodType, given: string): unknown {
  if (field.safeParse(given).success) return given;
  try {
    return parseYaml(given);
  } catch {
    return given;
  }
}

/** Secrets, such as the URL of a server with its password, go by reference. */
export async function destinationOf(text: string): Promise<Record<string, unknown>> {
  const named = DESTINATIONS.find(text);
  const settings = named ? { type: named.name } : await destinationOfText(text, process.cwd());
  const kind = named ?? DESTINATIONS.find(String(settings['type']));
  const references = Object.entries(kind?.environment ?? {}).map(([setting, variable]) => [setting, `\${${variable}}`]);
  return { ...settings, ...(Object.fromEntries(references) as Record<string, string>) };
}
