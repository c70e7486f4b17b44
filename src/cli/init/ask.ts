/** The questions of `headrace init`, in their order. */
import { countOf } from '../../base/plural.js';
import { describeError } from '../../base/errors.js';
import { systemFault } from '../../base/system-error.js';
import { connectionName } from '../../config/schema.js';
import { CONNECTORS, DESTINATIONS } from '../../wiring/compose.js';
import { cut } from '../terminal/fit.js';
import { note } from '../terminal/output.js';
import {
  connectionNameOf,
  destinationOf,
  faultOf,
  fieldsOf,
  referencesOf,
  valueOf,
  variablesIn,
  type Connector,
} from './settings.js';
import { tryConnection, type Offered, type Trial } from './trial.js';

export interface Answers {
  name: string;
  settings: Record<string, unknown>;
  destination: Record<string, unknown>;
}

/** What the answers make: settings of the source, and the text of a file that holds them. */
export interface Draft {
  source(settings: Record<string, unknown>): Record<string, unknown>;
  text(answers: Answers): string;
}

/** Streams on the screen at once. */
const STREAMS_SHOWN = 12;
/** The question, its help and an error, which wrap on a narrow screen. */
const OTHER_ROWS = 7;

/** Which connector, of all that are known: by its name or what people call it. */
export async function askConnector(): Promise<string> {
  const { search } = await import('@inquirer/prompts');
  const known = [...CONNECTORS.list(), ...CONNECTORS.added()];
  if (known.length === 1) return known[0]!.name;
  return search({
    message: 'Which connector? (type to search)',
    source: (typed = '') => {
      const wanted = typed.trim().toLowerCase();
      return known
        .filter(({ name, title, about }) => `${name} ${title} ${about}`.toLowerCase().includes(wanted))
        .map(({ name, title, about }) => ({
          value: name,
          name: title === name ? name : `${name} (${title})`,
          description: about,
        }));
    },
  });
}

export async function ask(connector: Connector, to: string | undefined, file: string, draft: Draft): Promise<Answers> {
  const { input } = await import('@inquirer/prompts');
  const name = await input({
    message: 'Name of the connection',
    default: connectionNameOf(connector),
    validate: (text) => connectionName.safeParse(text).success || 'a-z, 0-9, _ and -, beginning with a letter',
  });
  const settings = await askSettings(connector);
  const trial = await askTrial(
    { name, settings, destination: await destinationOf(DESTINATIONS.list()[0]!.start) },
    file,
    draft,
  );
  const streams = trial && 'streams' in connector.schema.shape ? await askStreams(trial.streams) : undefined;
  const destination = await destinationOf(to ?? (await askDestination()));
  return { name, settings: { ...settings, ...(streams === undefined ? {} : { streams }) }, destination };
}

async function askSettings(connector: Connector): Promise<Record<string, unknown>> {
  const { input } = await import('@inquirer/prompts');
  const settings: Record<string, unknown> = {};
  const references = referencesOf(connector);
  for (const [setting, field] of fieldsOf(connector.schema)) {
    const isNeeded = !field.safeParse(undefined).success;
    const question = connector.questions?.[setting] ?? (isNeeded ? (field.description ?? setting) : undefined);
    if (question === undefined || references[setting] !== undefined) continue;
    const text = await input({ message: question, validate: (given) => faultOf(field, given, isNeeded) ?? true });
    if (text !== '') settings[setting] = valueOf(field, text);
  }
  return settings;
}

async function askDestination(): Promise<string> {
  const { select } = await import('@inquirer/prompts');
  return select({
    message: 'Where should rows go?',
    choices: DESTINATIONS.list().map(({ title, start }) => ({ name: title, value: start })),
  });
}

/**
 * Tries the key with one request, and asks what there is. Secrets stay in the environment: what is typed here is used
 * for this and forgotten. Undefined: the user goes on without.
 */
async function askTrial(answers: Answers, file: string, draft: Draft): Promise<Trial | undefined> {
  const { select } = await import('@inquirer/prompts');
  const variables = variablesIn(draft.source(answers.settings));
  for (;;) {
    const env = await askSecrets(variables);
    if (!env) return undefined;
    note('Trying it …');
    try {
      const trial = await tryConnection(answers.name, draft.text(answers), file, env);
      if (trial === undefined) throw new Interrupted();
      note(`It works: account ${trial.account}, ${countOf(trial.streams.length, 'stream')}.`);
      return trial;
    } catch (error) {
      if (error instanceof Interrupted) throw error;
      note(describeError(systemFault(error) ?? error));
      const again = await select({
        message: 'What now?',
        choices: [
          { name: 'try again', value: true },
          { name: 'go on without trying it', value: false },
        ],
      });
      if (!again) return undefined;
    }
  }
}

/** Values of what the file refers to. What the environment has is not asked for; nothing typed: no trial. */
async function askSecrets(variables: string[]): Promise<NodeJS.ProcessEnv | undefined> {
  const { password } = await import('@inquirer/prompts');
  const env = { ...process.env };
  for (const variable of variables) {
    if (env[variable]) continue;
    const value = await password({
      message: `${variable} is not set. Value to try now (hidden, not kept; Enter: later)`,
      mask: true,
    });
    if (value === '') return undefined;
    env[variable] = value.trim();
  }
  return env;
}

/** Undefined: all of them, those that come later too. */
async function askStreams(offered: Offered[]): Promise<string[] | undefined> {
  const { checkbox } = await import('@inquirer/prompts');
  const width = Math.max(...offered.map(({ name }) => name.length));
  // Some terminals say 0.
  const columns = process.stdout.columns || 80;
  const rows = process.stdout.rows || 24;
  // A line that wraps, or a list longer than the screen, pushes the question out of sight.
  const room = Math.max(10, columns - 5);
  const chosen = await checkbox({
    message: 'Which streams? (space: leave out or take in, a: all)',
    pageSize: Math.max(3, Math.min(STREAMS_SHOWN, rows - OTHER_ROWS)),
    required: true,
    choices: offered.map(({ name, about }) => ({
      value: name,
      name: cut(`${width < room / 2 ? name.padEnd(width) : name}  ${about}`, room),
      short: name,
      checked: true,
    })),
  });
  return chosen.length === offered.length ? undefined : chosen;
}

/** Ctrl-C while nothing is asked. */
class Interrupted extends Error {}

export function nothingOnInterrupt(error: unknown): undefined {
  if (error instanceof Interrupted || (error instanceof Error && error.name === 'ExitPromptError')) return undefined;
  throw error;
}
