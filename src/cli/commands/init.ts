/**
 * headrace init: asks what a connector's schema asks for, tries it, then writes headrace.yaml; or writes a connector to
 * begin with.
 */
import { accessSync, constants, existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { stringify } from 'yaml';
import { CONNECTORS, DESTINATIONS, knowFetched } from '../../wiring/compose.js';
import { ConfigError, EXIT } from '../../base/errors.js';
import { ask, askConnector, nothingOnInterrupt, type Answers, type Draft } from '../init/ask.js';
import { connectionNameOf, destinationOf, referencesOf, variablesIn, type Connector } from '../init/settings.js';
import { alreadyThere, writeTemplate } from '../init/template.js';
import { note } from '../terminal/output.js';

interface Flags {
  file: string;
  yes?: boolean;
  to?: string;
  template?: string;
  dataDir?: string;
  baseUrl?: string;
}

export async function command([given]: (string | undefined)[], flags: Flags): Promise<number> {
  if (flags.template !== undefined) return writeTemplate(flags.template);
  if (existsSync(flags.file)) throw alreadyThere(flags.file, 'edit it, or name another with --file');
  // Before anybody answers questions for it.
  accessSync(path.dirname(path.resolve(flags.file)), constants.W_OK);
  const interactive = !flags.yes && process.stdin.isTTY === true;
  if (!flags.yes && !interactive)
    throw new ConfigError('init asks questions, and there is no terminal', {
      code: 'not_a_terminal',
      expected: 'a terminal',
      found: 'none',
      next: 'add --yes to take the defaults',
    });
  knowFetched({ dataDir: flags.dataDir }, process.env);
  const made = await (interactive ? askAll(given, flags).catch(nothingOnInterrupt) : defaults(given, flags));
  if (!made) {
    note('Nothing was written.');
    return EXIT.interrupted;
  }
  const { answers, draft } = made;
  writeFileSync(flags.file, draft.text(answers), { flag: 'wx' });
  const exports = variablesIn([draft.source(answers.settings), answers.destination]).map(
    (variable) => `export ${variable}=…, `,
  );
  note(
    `Wrote ${flags.file}. Next: ${exports.join('')}run headrace check ${answers.name}, then headrace sync ${answers.name}`,
  );
  return EXIT.complete;
}

interface Made {
  answers: Answers;
  draft: Draft;
}

async function askAll(given: string | undefined, flags: Flags): Promise<Made> {
  const named = given ?? (await askConnector());
  const connector = await connectorOf(named);
  const draft = draftOf(named, connector, flags);
  return { answers: await ask(connector, flags.to, flags.file, draft), draft };
}

async function defaults(given: string | undefined, flags: Flags): Promise<Made> {
  const named = given ?? CONNECTORS.list()[0]!.name;
  const connector = await connectorOf(named);
  const destination = await destinationOf(flags.to ?? DESTINATIONS.list()[0]!.start);
  return {
    answers: { name: connectionNameOf(connector), settings: {}, destination },
    draft: draftOf(named, connector, flags),
  };
}

function connectorOf(named: string): Promise<Connector> {
  return CONNECTORS.get(named, CONNECTORS.locate(named, process.cwd()));
}

function draftOf(named: string, connector: Connector, { dataDir, baseUrl }: Flags): Draft {
  const source = (settings: Record<string, unknown>) => ({
    connector: named,
    ...referencesOf(connector),
    ...connector.start?.(),
    ...(baseUrl === undefined ? {} : { base_url: baseUrl }),
    ...settings,
  });
  return {
    source,
    text({ name, settings, destination }) {
      const config = {
        version: 1,
        ...(dataDir === undefined ? {} : { data_dir: dataDir }),
        connections: { [name]: { source: source(settings), destination } },
      };
      return `# Reference: docs/reference/configuration.md of Headrace. Secrets come from the environment.\n${stringify(config)}`;
    },
  };
}
