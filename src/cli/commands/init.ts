/** headrace init: asks what a connector's schema asks for, then writes headrace.yaml; or writes a connector to begin with. */
import { copyFileSync, existsSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parse as parseYaml, stringify } from 'yaml';
import type { z } from 'zod';
import { CONNECTORS, DESTINATIONS, destinationOfText, knowFetched } from '../../wiring/compose.js';
import { ConfigError, EXIT } from '../../base/errors.js';
import { schemaFault } from '../../base/schema-fault.js';
import { connectionName } from '../../config/schema.js';
import { note } from '../terminal/output.js';

interface Flags {
  file: string;
  yes?: boolean;
  to?: string;
  template?: string;
  dataDir?: string;
}

interface Answers {
  name: string;
  settings: Record<string, unknown>;
  destination: Record<string, unknown>;
}

type Connector = Awaited<ReturnType<typeof CONNECTORS.get>>;

export async function command([given]: (string | undefined)[], flags: Flags): Promise<number> {
  if (flags.template !== undefined) return writeTemplate(flags.template);
  if (existsSync(flags.file)) throw alreadyThere(flags.file, 'edit it, or name another with --file');
  const interactive = !flags.yes && process.stdin.isTTY === true;
  if (!flags.yes && !interactive)
    throw new ConfigError('init asks questions, and there is no terminal', {
      code: 'not_a_terminal',
      expected: 'a terminal',
      found: 'none',
      next: 'add --yes to take the defaults',
    });
  knowFetched({ dataDir: flags.dataDir }, process.env);
  const named = given ?? CONNECTORS.list()[0]!.name;
  const connector = await CONNECTORS.get(named, CONNECTORS.locate(named, process.cwd()));
  const answers = interactive
    ? await ask(connector, flags.to).catch(nothingOnInterrupt)
    : {
        name: connectionNameOf(connector),
        settings: {},
        destination: await destinationOf(flags.to ?? DESTINATIONS.list()[0]!.start),
      };
  if (!answers) {
    note('Nothing was written.');
    return EXIT.interrupted;
  }
  const references = referencesOf(connector);
  const source = { connector: named, ...references, ...connector.start?.(), ...answers.settings };
  const config = {
    version: 1,
    ...(flags.dataDir === undefined ? {} : { data_dir: flags.dataDir }),
    connections: { [answers.name]: { source, destination: answers.destination } },
  };
  writeFileSync(
    flags.file,
    `# Reference: docs/reference/configuration.md. Secrets come from the environment.\n${stringify(config)}`,
    { flag: 'wx' },
  );
  const exports = variablesIn(source).map((variable) => `export ${variable}=…, `);
  note(
    `Wrote ${flags.file}. Next: ${exports.join('')}run headrace check ${answers.name}, then headrace sync ${answers.name}`,
  );
  return EXIT.complete;
}

/** What a connection to it may be called: names of connectors may begin with a digit. */
function connectionNameOf({ name, configIn }: Connector): string {
  return configIn === undefined || connectionName.safeParse(name).success ? name : `c_${name}`.slice(0, 40);
}

/** Variables of the environment that settings refer to, each once. */
function variablesIn(settings: unknown): string[] {
  const found = [...JSON.stringify(settings).matchAll(/"\$\{([A-Z0-9_]+)\}"/g)].map(([, variable]) => variable!);
  return [...new Set(found)];
}

/** Secrets and other settings without which it does not run go by reference, or have to be filled in. */
function referencesOf({ name, schema, secrets, environment }: Connector): Record<string, string> {
  const references: Record<string, string> = {};
  for (const [setting, field] of fieldsOf(schema)) {
    if (field.safeParse(undefined).success) continue;
    if (!secrets.includes(setting) && environment[setting] === undefined) continue;
    references[setting] = `\${${environment[setting] ?? `${name}_${setting}`.toUpperCase().replaceAll('-', '_')}}`;
  }
  return references;
}

/** Its own fields; which connector it is was asked already. */
function fieldsOf(schema: z.ZodObject): [string, z.ZodType][] {
  return (Object.entries(schema.shape) as [string, z.ZodType][]).filter(([setting]) => setting !== 'connector');
}

async function ask(connector: Connector, to: string | undefined): Promise<Answers> {
  const { input, select } = await import('@inquirer/prompts');
  const name = await input({
    message: 'Name of the connection',
    default: connectionNameOf(connector),
    validate: (text) => connectionName.safeParse(text).success || 'a-z, 0-9, _ and -, beginning with a letter',
  });
  const kind =
    to ??
    (await select({
      message: 'Where should rows go?',
      choices: DESTINATIONS.list().map(({ title, start }) => ({ name: title, value: start })),
    }));
  const settings: Record<string, unknown> = {};
  const references = referencesOf(connector);
  for (const [setting, field] of fieldsOf(connector.schema)) {
    const isNeeded = !field.safeParse(undefined).success;
    const question = connector.questions?.[setting] ?? (isNeeded ? (field.description ?? setting) : undefined);
    if (question === undefined || references[setting] !== undefined) continue;
    const text = await input({ message: question, validate: (given) => faultOf(field, given, isNeeded) ?? true });
    if (text !== '') settings[setting] = valueOf(field, text);
  }
  return { name, settings, destination: await destinationOf(kind) };
}

/** What the schema says against an answer. Nothing is an answer where the setting can be left out. */
function faultOf(field: z.ZodType, given: string, isNeeded: boolean): string | undefined {
  if (given === '' && !isNeeded) return undefined;
  const value = valueOf(field, given);
  const parsed = field.safeParse(value);
  return parsed.success ? undefined : schemaFault(parsed.error, value).expected;
}

/** A text where the setting takes one; else a number, or whatever YAML reads in it. */
function valueOf(field: z.ZodType, given: string): unknown {
  if (field.safeParse(given).success) return given;
  try {
    return parseYaml(given);
  } catch {
    return given;
  }
}

/** Ctrl-C is an answer as well. */
function nothingOnInterrupt(error: unknown): undefined {
  if (error instanceof Error && error.name === 'ExitPromptError') return undefined;
  throw error;
}

/** Secrets, such as the URL of a server with its password, go by reference. */
async function destinationOf(text: string): Promise<Record<string, unknown>> {
  const named = DESTINATIONS.find(text);
  const settings = named ? { type: named.name } : await destinationOfText(text, process.cwd());
  const kind = named ?? DESTINATIONS.find(String(settings['type']));
  const references = Object.entries(kind?.environment ?? {}).map(([setting, variable]) => [setting, `\${${variable}}`]);
  return { ...settings, ...(Object.fromEntries(references) as Record<string, string>) };
}

const TEMPLATES: Record<string, string> = { source: 'my-source' };

/** Copies an example that runs, with its test. */
function writeTemplate(template: string): number {
  const folder = Object.hasOwn(TEMPLATES, template) ? TEMPLATES[template] : undefined;
  if (folder === undefined)
    throw new ConfigError(`there is no template ${template}`, {
      code: 'unknown_template',
      place: '--template',
      expected: Object.keys(TEMPLATES).join(', '),
      found: template,
    });
  const from = path.join(import.meta.dirname, '..', '..', '..', 'examples', folder);
  const files = readdirSync(from);
  const taken = files.find((file) => existsSync(file));
  if (taken !== undefined) throw alreadyThere(taken, 'work in another folder');
  for (const file of files) copyFileSync(path.join(from, file), file);
  note(
    `Wrote ${files.join(', ')}. Next: export MY_SOURCE_KEY=… and MY_SOURCE_URL=…, then headrace sync ./my-source.ts; its test: npm install --save-dev headrace vitest && npx vitest run`,
  );
  return EXIT.complete;
}

function alreadyThere(file: string, next: string): ConfigError {
  return new ConfigError(`${file} is there already`, {
    code: 'config_exists',
    place: file,
    expected: 'no file',
    found: 'one',
    next,
  });
}
