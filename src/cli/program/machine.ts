/** Commands for this machine: a simulated API, and completion in the shell. */
import type { Command } from 'commander';
import { port, whole, type HelpTexts } from '../flags.js';
import { run } from './run-command.js';

export function machineCommands(program: Command, texts: HelpTexts): void {
  program
    .command('testbed')
    .argument('<api>', texts.simulated)
    .description('a simulated API on this machine, with limits and faults')
    .option('--port <n>', 'port (0: any free one)', port, 4010)
    .option('--rows <n>', 'customers or conversations', whole, 1000)
    .option('--shape <shape>', 'how rows lie in time', 'growth')
    .option('--latency <ms>', 'median latency', whole, 0)
    .option(
      '--limit <limit>',
      "such as 100/s, or 100/s,endpoint=25/s, or a model: stripe-live, hubspot, sliding… (default: the vendor's own; docs/reference/testbed.md lists all)",
    )
    .option('--faults <list>', 'faults, each with an optional rate: 500:0.02,reset (default: none)')
    .option('--seed <n>', 'seed of data and faults', whole, 1)
    .option(
      '--collection <path=rows>',
      'rows of one collection, such as charges=5000 (repeatable)',
      (value: string, all: string[] = []) => [...all, value],
    )
    .action(run(() => import('../commands/testbed.js')));

  program
    .command('completion')
    .argument('<shell>', 'bash, zsh or fish')
    .description('a completion script for your shell')
    .action(async (shell: string) => (await import('../commands/completion.js')).completion(program, shell));
}
