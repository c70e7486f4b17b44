/** The CLI: parse, dispatch, exit code. What commands there are stands in program/, what they do in commands/. */
import { Command, CommanderError } from 'commander';
import { ConfigError, describeError, EXIT, HeadraceError } from '../base/errors.js';
import { systemFault } from '../base/system-error.js';
import { VERSION } from '../base/version.js';
import type { HelpTexts } from './flags.js';
import { connectionCommands, stateCommands } from './program/connections.js';
import { connectorCommands, protocolCommands } from './program/connectors.js';
import { dataCommands } from './program/data.js';
import { machineCommands } from './program/machine.js';
import { accessCommands, serviceCommands, taskCommands } from './program/service.js';
import { startCommands } from './program/start.js';
import { takeSignals } from './signals.js';
import { json, note } from './terminal/output.js';

/** Where no help is shown. */
const NONE: HelpTexts = { destinations: '', queried: '', kinds: '', simulated: '' };

/** All commands in the order of the help, for which alone the texts are. */
export function buildProgram(texts: HelpTexts = NONE): Command {
  const program = new Command('headrace')
    .description(
      'Copies data out of rate-limited APIs into a database: as fast as the limit allows, with proof that nothing was lost.',
    )
    .version(VERSION)
    .option('--debug', 'show stack traces')
    .showSuggestionAfterError()
    .configureHelp({ sortSubcommands: false })
    .addHelpText(
      'after',
      '\nExit codes: 0 complete, 1 failed, 2 usage or configuration, 3 partial, 75 paused and resumable.\nStart with: headrace demo',
    );

  startCommands(program, texts);
  connectionCommands(program, texts);
  stateCommands(program, texts);
  connectorCommands(program);
  protocolCommands(program);
  serviceCommands(program);
  taskCommands(program, texts);
  accessCommands(program);
  dataCommands(program, texts);
  machineCommands(program, texts);
  program.hook('preAction', (_, command) => assertFilled(command));
  return program;
}

/** An empty text is what a variable that is not set leaves of a flag: never its default, nor this folder. */
function assertFilled(command: Command): void {
  for (const option of command.options)
    if (option.required && command.getOptionValue(option.attributeName()) === '')
      throw new ConfigError(`${option.long} has no value`, {
        code: 'flag_empty',
        place: option.long,
        expected: /<.*>/.exec(option.flags)?.[0] ?? 'a value',
        found: 'an empty text',
        next: 'look whether a variable in it is set, or leave the flag out',
      });
}

/** Registries are loaded where a help text tells of them: that takes longer than all other help. */
async function textsFor(argv: string[]): Promise<HelpTexts> {
  return argv.some((word) => word === '-h' || word === '--help' || word === 'help') ? helpTexts() : NONE;
}

export async function helpTexts(): Promise<HelpTexts> {
  const { ASKED_KINDS, toHelp } = await import('../wiring/known.js');
  const { SIMULATED_APIS } = await import('../testbed/apis.js');
  return {
    destinations: toHelp(),
    queried: toHelp('query'),
    kinds: `${ASKED_KINDS.slice(0, -1).join(', ')} or ${ASKED_KINDS.at(-1)}`,
    simulated: Object.keys(SIMULATED_APIS).join(' or '),
  };
}

export async function main(argv: string[]): Promise<void> {
  takeSignals();
  const program = buildProgram(await textsFor(argv));
  const strict = (command: Command): void => {
    command.exitOverride();
    command.commands.forEach(strict);
  };
  strict(program);
  try {
    await program.parseAsync(argv);
  } catch (thrown) {
    if (thrown instanceof CommanderError) {
      process.exitCode =
        thrown.exitCode === 0 || thrown.code === 'commander.helpDisplayed' || thrown.code === 'commander.version'
          ? 0
          : EXIT.usage;
      return;
    }
    const error = systemFault(thrown) ?? thrown;
    const debug = argv.includes('--debug');
    if (argv.includes('--json')) json({ type: 'error', ...jsonOf(error) });
    note(describeError(error, debug));
    process.exitCode = error instanceof HeadraceError ? error.exitCode : EXIT.failed;
  }
}

function jsonOf(error: unknown): Record<string, unknown> {
  if (!(error instanceof HeadraceError))
    return { code: 'unexpected', message: error instanceof Error ? error.message : String(error) };
  const { code, message, place, expected, found, next } = error;
  return { code, message, place, expected, found, next };
}
