/** Commands on what is stored: compact, query. */
import type { Command } from 'commander';
import { connectionOptions, type HelpTexts } from '../flags.js';
import { run } from './run-command.js';

export function dataCommands(program: Command, texts: HelpTexts): void {
  connectionOptions(texts, program.command('compact').argument('[connection]'))
    .description('merge the files of a connection to one row a key, and remove what no commit names')
    .option('--json', 'one stream a line')
    .action(run(() => import('../commands/compact.js')));

  program
    .command('query')
    .argument('<sql>', 'a statement')
    .description('SQL on the embedded database, or on another destination that answers it')
    .option('--to <destination>', `the destination to ask: ${texts.queried} (default: embedded)`)
    .option('--data-dir <folder>', 'folder of the embedded database (default: .headrace)')
    .option('--json', 'one row a line')
    .option('--write', 'allow changes')
    .action(run(() => import('../commands/query.js')));
}
