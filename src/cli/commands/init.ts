/** headrace init: asks, then writes headrace.yaml. */
import { existsSync, writeFileSync } from 'node:fs';
import { stringify } from 'yaml';
import { ConfigError, EXIT } from '../../base/errors.js';
import { note } from '../terminal/output.js';

interface Answers {
  name: string;
  destination: Record<string, string>;
  startDate: string;
}

const DAY = /^\d{4}-\d{2}-\d{2}$/;

export async function command(_args: unknown[], flags: { file: string; yes?: boolean; to?: string }): Promise<number> {
  if (existsSync(flags.file))
    throw new ConfigError(`${flags.file} is there already`, {
      code: 'config_exists',
      place: flags.file,
      expected: 'no file',
      found: 'one',
      next: 'edit it, or name another with --file',
    });
  const interactive = !flags.yes && process.stdin.isTTY === true;
  if (!flags.yes && !interactive)
    throw new ConfigError('init asks questions, and there is no terminal', {
      code: 'not_a_terminal',
      expected: 'a terminal',
      found: 'none',
      next: 'add --yes to take the defaults',
    });
  const answers = interactive
    ? await ask(flags.to).catch(nothingOnInterrupt)
    : { name: 'stripe', destination: destinationOf(flags.to ?? 'embedded'), startDate: '' };
  if (!answers) {
    note('Nothing was written.');
    return EXIT.interrupted;
  }
  const config = {
    version: 1,
    connections: {
      [answers.name]: {
        source: {
          connector: 'stripe',
          api_key: '${STRIPE_API_KEY}',
          ...(answers.startDate ? { start_date: answers.startDate } : {}),
        },
        destination: answers.destination,
      },
    },
  };
  writeFileSync(
    flags.file,
    `# Reference: docs/reference/configuration.md. Secrets come from the environment.\n${stringify(config)}`,
    { flag: 'wx' },
  );
  note(
    `Wrote ${flags.file}. Next: export STRIPE_API_KEY=… and run headrace check ${answers.name}, then headrace sync ${answers.name}`,
  );
  return EXIT.complete;
}

async function ask(to: string | undefined): Promise<Answers> {
  const { input, select } = await import('@inquirer/prompts');
  const name = await input({
    message: 'Name of the connection',
    default: 'stripe',
    validate: (text) => /^[a-z][a-z0-9_-]{0,39}$/.test(text) || 'a-z, 0-9, _ and -, beginning with a letter',
  });
  const kind =
    to ??
    (await select({
      message: 'Where should rows go?',
      choices: [
        { name: 'an embedded PostgreSQL, nothing to install', value: 'embedded' },
        { name: 'a PostgreSQL server', value: 'postgres' },
        { name: 'files of JSON lines', value: 'ndjson:data' },
      ],
    }));
  const startDate = await input({
    message: 'Read from which day on? (empty: everything)',
    validate: (text) => text === '' || DAY.test(text) || 'YYYY-MM-DD',
  });
  return { name, destination: destinationOf(kind), startDate };
}

/** Ctrl-C is an answer as well. */
function nothingOnInterrupt(error: unknown): undefined {
  if (error instanceof Error && error.name === 'ExitPromptError') return undefined;
  throw error;
}

/** A server's URL goes by reference: it holds a password. */
function destinationOf(to: string): Record<string, string> {
  if (to === 'embedded') return { type: 'embedded' };
  if (to.startsWith('postgres')) return { type: 'postgres', url: '${DATABASE_URL}' };
  if (to.startsWith('ndjson:')) return { type: 'ndjson', path: to.slice('ndjson:'.length) };
  throw new ConfigError('--to names no destination', {
    code: 'bad_destination',
    place: '--to',
    expected: 'embedded, postgres://… or ndjson:FOLDER',
    found: to,
  });
}
