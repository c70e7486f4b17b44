/** Commands on one connection: to look at it, to sync it, to prove what is stored, to keep its state. */
import { Option, type Command } from 'commander';
import { ceilingOptions, connectionOptions, list, whole, type HelpTexts } from '../flags.js';
import { run } from './run-command.js';

export function connectionCommands(program: Command, texts: HelpTexts): void {
  connectionOptions(
    texts,
    program
      .command('check')
      .argument(
        '[connection]',
        'a connection of headrace.yaml, a connector, a manifest such as ./source.yaml, or a module such as ./my-source.ts',
      ),
  )
    .description('prove the key and the destination')
    .option('--json', 'machine-readable output')
    .action(run(() => import('../commands/check.js')));

  connectionOptions(texts, program.command('discover').argument('[connection]'))
    .description('list the streams, how each is divided and how it follows changes')
    .option('--rows', 'probe each stream, and tell how many rows it has')
    .option('--json', 'machine-readable output')
    .action(run(() => import('../commands/discover.js')));

  connectionOptions(texts, program.command('schema').argument('[connection]'))
    .description('print the tables of the streams: as SQL, as a sources file of dbt, as a diagram')
    .addOption(new Option('--format <format>', 'what to print').choices(['sql', 'dbt', 'mermaid']).default('sql'))
    .action(run(() => import('../commands/schema.js')));

  connectionOptions(texts, program.command('plan').argument('[connection]'))
    .description('a dry run: probe each stream, then tell rows, requests and time to expect')
    .option('--json', 'machine-readable output')
    .action(run(() => import('../commands/plan.js')));

  ceilingOptions(connectionOptions(texts, program.command('sync').argument('[connection]')))
    .description('copy every stream into the destination; Ctrl-C pauses, the same command continues')
    .addOption(
      new Option('--planner <planner>', 'how streams are divided').choices(['adaptive', 'uniform']).default('adaptive'),
    )
    .option('--json', 'one event a line on stdout')
    .option('-q, --quiet', 'no progress')
    .option('--strict', 'exit with 3 where a stream is complete and not proven')
    .option('--accept-deletions <streams>', 'mark rows deleted however many did not come again', list)
    .option('--metrics <file>', 'keep Prometheus metrics in this file, once a second')
    .action(run(() => import('../commands/sync.js')));

  connectionOptions(texts, program.command('verify').argument('[connection]'))
    .description('prove the stored rows against the ledger, and on request against the API')
    .option('--api', 'compare sampled ranges with the API')
    .option('--samples <n>', 'samples for each stream', whole, 5)
    .option('--strict', 'exit with 3 where a stream is complete and not proven')
    .option('--json', 'machine-readable output')
    .action(run(() => import('../commands/verify.js')));

  connectionOptions(texts, program.command('limits').argument('[connection]'))
    .description("what is known of the API's limits, and how it was found out")
    .option('--json', 'one limit a line')
    .action(run(() => import('../commands/limits.js')));
}

export function stateCommands(program: Command, texts: HelpTexts): void {
  const state = program.command('state').description('look at, save, restore or reset what a connection knows');
  connectionOptions(texts, state.command('show').argument('[connection]'))
    .description("each stream's ledger in short")
    .option('--json', 'machine-readable output')
    .action(run(() => import('../commands/state.js'), 'show'));
  connectionOptions(texts, state.command('export').argument('[connection]'))
    .description('the state as JSON on stdout')
    .action(run(() => import('../commands/state.js'), 'exportState'));
  connectionOptions(texts, state.command('import').argument('<file>').argument('[connection]'))
    .description('replace the state by an exported one')
    .action(run(() => import('../commands/state.js'), 'importState'));
  connectionOptions(texts, state.command('reset').argument('[connection]'))
    .description('read a stream again, whole or in part; rows stay')
    .requiredOption('--stream <name>', 'which stream')
    .option('--from <position>', 'first unix second of a range', whole)
    .option('--before <position>', 'end of the range, exclusive', whole)
    .action(run(() => import('../commands/state.js'), 'reset'));
}
