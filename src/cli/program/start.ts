/** Commands that one begins with: demo, init. */
import type { Command } from 'commander';
import { whole, type HelpTexts } from '../flags.js';
import { run } from './run-command.js';

export function startCommands(program: Command, texts: HelpTexts): void {
  program
    .command('demo')
    .description('sync a simulated Stripe account, kill it half-way, resume, and prove the result')
    .option('--rows <n>', 'customers of the simulated account', whole, 100_000)
    .option('--keep', 'keep the database in .headrace/demo for headrace query')
    .action(run(() => import('../commands/demo.js')));

  program
    .command('init')
    .argument(
      '[connector]',
      'a connector, or the module of one such as ./my-source.ts (default: the first of headrace connectors)',
    )
    .description('write headrace.yaml, or a connector to begin with')
    .option('--template <what>', 'write a connector of your own with its test instead: source')
    .option('-f, --file <file>', 'where to write', 'headrace.yaml')
    .option('--data-dir <folder>', 'folder with fetched manifests (default: .headrace)')
    .option('-y, --yes', 'take the defaults, ask nothing')
    .option('--to <destination>', texts.destinations)
    .option('--base-url <url>', 'where the API is (a proxy, a testbed)')
    .action(run(() => import('../commands/init.js')));
}
