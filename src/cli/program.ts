/** The CLI: parse, dispatch, exit code. Commands load their code when they run, so that help is instant. Long because it lists all. */
import { Command, CommanderError, Option } from 'commander';
import { describeError, EXIT, HeadraceError } from '../base/errors.js';
import { ceilingOptions, connectionOptions, list, TO, whole } from './flags.js';
import { takeSignals } from './signals.js';
import { json, note } from './terminal/output.js';
import { VERSION } from '../base/version.js';

/** Long because it is the list of all commands and their flags, in the order of the help. */
export function buildProgram(): Command {
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

  program
    .command('demo')
    .description('sync a simulated Stripe account, kill it half-way, resume, and prove the result')
    .option('--rows <n>', 'customers of the simulated account', whole, 100_000)
    .option('--keep', 'keep the database in .headrace/demo for headrace query')
    .action(run(() => import('./commands/demo.js')));

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
    .option('--to <destination>', TO)
    .option('--base-url <url>', 'where the API is (a proxy, a testbed)')
    .action(run(() => import('./commands/init.js')));

  connectionOptions(
    program
      .command('check')
      .argument('[connection]', 'a connection of headrace.yaml, a connector, or a module such as ./my-source.ts'),
  )
    .description('prove the key and the destination')
    .option('--json', 'machine-readable output')
    .action(run(() => import('./commands/check.js')));

  connectionOptions(program.command('discover').argument('[connection]'))
    .description('list the streams, how each is divided and how it follows changes')
    .option('--rows', 'probe each stream, and tell how many rows it has')
    .option('--json', 'machine-readable output')
    .action(run(() => import('./commands/discover.js')));

  connectionOptions(program.command('schema').argument('[connection]'))
    .description('print the tables of the streams: as SQL, as a sources file of dbt, as a diagram')
    .addOption(new Option('--format <format>', 'what to print').choices(['sql', 'dbt', 'mermaid']).default('sql'))
    .action(run(() => import('./commands/schema.js')));

  connectionOptions(program.command('plan').argument('[connection]'))
    .description('a dry run: probe each stream, then tell rows, requests and time to expect')
    .option('--json', 'machine-readable output')
    .action(run(() => import('./commands/plan.js')));

  ceilingOptions(connectionOptions(program.command('sync').argument('[connection]')))
    .description('copy every stream into the destination; Ctrl-C pauses, the same command continues')
    .addOption(
      new Option('--planner <planner>', 'how streams are divided').choices(['adaptive', 'uniform']).default('adaptive'),
    )
    .option('--json', 'one event a line on stdout')
    .option('-q, --quiet', 'no progress')
    .option('--strict', 'exit with 3 where a stream is complete and not proven')
    .option('--accept-deletions <streams>', 'mark rows deleted however many did not come again', list)
    .option('--metrics <file>', 'keep Prometheus metrics in this file, once a second')
    .action(run(() => import('./commands/sync.js')));

  connectionOptions(program.command('verify').argument('[connection]'))
    .description('prove the stored rows against the ledger, and on request against the API')
    .option('--api', 'compare sampled ranges with the API')
    .option('--samples <n>', 'samples for each stream', whole, 5)
    .option('--strict', 'exit with 3 where a stream is complete and not proven')
    .option('--json', 'machine-readable output')
    .action(run(() => import('./commands/verify.js')));

  connectionOptions(program.command('limits').argument('[connection]'))
    .description("what is known of the API's limits, and how it was found out")
    .option('--json', 'one limit a line')
    .action(run(() => import('./commands/limits.js')));

  const state = program.command('state').description('look at, save, restore or reset what a connection knows');
  connectionOptions(state.command('show').argument('[connection]'))
    .description("each stream's ledger in short")
    .option('--json', 'machine-readable output')
    .action(run(() => import('./commands/state.js'), 'show'));
  connectionOptions(state.command('export').argument('[connection]'))
    .description('the state as JSON on stdout')
    .action(run(() => import('./commands/state.js'), 'exportState'));
  connectionOptions(state.command('import').argument('<file>').argument('[connection]'))
    .description('replace the state by an exported one')
    .action(run(() => import('./commands/state.js'), 'importState'));
  connectionOptions(state.command('reset').argument('[connection]'))
    .description('read a stream again, whole or in part; rows stay')
    .requiredOption('--stream <name>', 'which stream')
    .option('--from <position>', 'first unix second of a range', whole)
    .option('--before <position>', 'end of the range, exclusive', whole)
    .action(run(() => import('./commands/state.js'), 'reset'));

  const connector = program.command('connector').description('tools for authors of manifests');
  connector
    .command('test')
    .argument('<manifest>')
    .description(
      'check, discover, and read a few records of each stream; requests and answers are shown, secrets masked',
    )
    .requiredOption('--config <file>', "the connector's configuration (JSON or YAML)")
    .option('--components <file>', 'twins of its Python classes')
    .option('--base-url <url>', 'where the API is (a proxy, a testbed)')
    .option('--streams <names>', 'these streams only, separated by commas', list)
    .option('--records <n>', 'records of each stream', whole, 5)
    .option('--json', 'machine-readable output')
    .action(run(() => import('./commands/connector.js'), 'test'));
  connector
    .command('lint')
    .argument('<folder>', 'with manifest.yaml, and metadata.yaml and CHANGELOG.md where they are')
    .description("the specification's own rules, and versions that agree")
    .option('--components <file>', 'twins of its Python classes')
    .option('--previous <version>', 'the version that is published now')
    .option('--json', 'one finding a line')
    .action(run(() => import('./commands/connector.js'), 'lint'));
  connector
    .command('diff')
    .argument('<old>')
    .argument('<new>')
    .description('what a new manifest breaks for who uses the old one, and whether going back is safe')
    .option('--json', 'one change a line')
    .action(run(() => import('./commands/connector.js'), 'diff'));
  program
    .command('connectors')
    .argument('[folder]', 'with manifests')
    .description('what runs: native connectors, fetched ones, and manifests of a folder, whole or in part')
    .option(
      '--fetch <folder or URL>',
      "bring manifests of Airbyte's layout into the data folder; they go by their names from then on",
    )
    .option('-c, --config <file>', 'configuration file, which names the data folder')
    .option('--data-dir <folder>', 'folder that they are fetched into (default: .headrace)')
    .option('--components <file>', 'twins of Python classes')
    .option('--destinations', 'list destinations instead')
    .option('--json', 'one a line')
    .action(run(() => import('./commands/connectors.js')));

  const airbyte = program.command('airbyte').description('run a manifest as a source of the Airbyte protocol');
  const airbyteOptions = (command: Command) =>
    command
      .option('--manifest <file>', "the connector's manifest")
      .option('--components <file>', 'twins of its Python classes');
  const withConfig = (command: Command) =>
    airbyteOptions(command)
      .option('--config <file>', "the connector's configuration (JSON or YAML)")
      .option('--base-url <url>', 'where the API is (a proxy, a testbed)');
  airbyteOptions(airbyte.command('spec'))
    .description('what the connector must be told')
    .action(run(() => import('./commands/airbyte.js'), 'spec'));
  withConfig(airbyte.command('check'))
    .description('prove the configuration')
    .action(run(() => import('./commands/airbyte.js'), 'check'));
  withConfig(airbyte.command('discover'))
    .description('print the catalog')
    .action(run(() => import('./commands/airbyte.js'), 'discover'));
  withConfig(airbyte.command('read'))
    .description('records and states on stdout; SIGTERM pauses')
    .option('--catalog <file>', 'the configured catalog')
    .option('--state <file>', 'the last state')
    .action(run(() => import('./commands/airbyte.js'), 'read'));
  airbyte
    .command('build')
    .argument('<manifest>')
    .description('a folder with an executable and a Dockerfile')
    .option('--out <folder>', 'where to write')
    .action(run(() => import('./commands/airbyte.js'), 'build'));

  program
    .command('singer')
    .argument(
      '[connector]',
      'its name, or its module such as ./my-source.ts (default: "connector" of the configuration)',
    )
    .description('run a connector as a Singer tap: messages on stdout for any target; SIGTERM pauses')
    .option('-c, --config <file>', "the connector's configuration (JSON or YAML)")
    .option('--manifest <file>', 'read by this Airbyte manifest')
    .option('--components <file>', 'twins of its Python classes')
    .option('--base-url <url>', 'where the API is (a proxy, a testbed)')
    .option('-d, --discover', 'print the catalog')
    .option('--catalog <file>', 'streams and properties to read (default: all)')
    .option('-p, --properties <file>', 'the same, as older tools call it')
    .option('-s, --state <file>', 'the last state')
    .option('--accept-deletions <streams>', 'believe that rows of these streams are gone', list)
    .action(run(() => import('./commands/singer.js')));

  const coordinated = (command: Command): Command =>
    command
      .option('-c, --config <file>', 'configuration file (default: headrace.yaml, or $HEADRACE_CONFIG)')
      .option('--database <url>', 'PostgreSQL of the scheduler (default: $DATABASE_URL, else the embedded database)')
      .option('--direct-url <url>', 'the same past a pool in transaction mode (default: $DATABASE_DIRECT_URL)')
      .option('--data-dir <folder>', 'folder of the embedded database')
      .option('--json', 'machine-readable output');
  const slots = ['--slots <n>', 'tasks at once', whole, 4] as const;
  const privateTargets = [
    '--allow-private-targets',
    'let connections of the API lead to this machine and to private networks',
  ] as const;
  const localFiles = ['--allow-local-files', 'let them name sockets and certificates of this machine'] as const;
  coordinated(program.command('serve'))
    .description('the service: dashboard, API, schedules, webhooks and a worker; Ctrl-C stops resumably')
    .option('--host <address>', 'where to listen', '127.0.0.1')
    .option('--port <n>', 'port (0: any free one)', whole, 8787)
    .option(...slots)
    .option(...privateTargets)
    .option(...localFiles)
    .action(run(() => import('./commands/serve.js')));
  coordinated(program.command('worker'))
    .description('join the workers of a fleet')
    .option(...slots)
    .option(...privateTargets)
    .option(...localFiles)
    .option('--dispatch <url>', 'hand tasks to the Restate server at this ingress instead of running them')
    .option(
      '--endpoint <port>',
      'run what a Restate server delivers to this port (0: any free one), and claim nothing',
      whole,
    )
    .option('--endpoint-host <address>', 'where that port listens', '127.0.0.1')
    .action(run(() => import('./commands/worker.js')));
  coordinated(program.command('report').argument('[run]', 'id of the run (default: the newest)'))
    .description('write one HTML file of a run: spans, charts, proof with evidence, what was slow and why')
    .option('-o, --output <file>', 'where to (default: headrace-RUN.html here; -: the output)')
    .action(run(() => import('./commands/report.js')));
  const app = program.command('app').description('rate limits of apps, and how many tasks may run for each');
  coordinated(app.command('list'))
    .description('limits, concurrency partitions, caps, what runs and what waits')
    .action(run(() => import('./commands/rate-limits.js'), 'list'));
  coordinated(app.command('set-limit').argument('<app>').argument('<limit>', 'such as 100/s, 10000/min or 300000/day'))
    .description('edit a limit; caps follow at once')
    .action(run(() => import('./commands/rate-limits.js'), 'setLimit'));
  const task = program.command('task').description('tasks of the scheduler');
  coordinated(task.command('list'))
    .description('what runs, waits, failed and ended')
    .option('--connection <name>', 'of this connection alone')
    .option('--state <states>', 'in these states: queued, delayed, paused, running, done, dead, cancelled', list)
    .option('--limit <n>', 'at most so many', whole, 50)
    .action(run(() => import('./commands/task.js'), 'list'));
  coordinated(
    task.command('enqueue').argument('<connection>').argument('<kind>', 'sync, full, rescrape, check or verify'),
  )
    .description('ask for a task; one that waits for the same is joined')
    .option('--stream <name>', 'which stream (rescrape)')
    .option('--from <position>', 'first unix second of a part', whole)
    .option('--before <position>', 'end of the part, exclusive', whole)
    .option('--samples <n>', 'samples of each stream (verify)', whole)
    .option('--parts <n>', 'workers that share a read (sync, full)', whole)
    .option('--accept-deletions <streams>', 'mark rows deleted however many did not come again (sync, full)', list)
    .option('--priority <n>', 'higher goes first', Number)
    .option('--wait', 'until it ended; its outcome is the exit code')
    .action(run(() => import('./commands/task.js'), 'enqueue'));
  for (const [name, about] of [
    ['pause', 'keep from running; what runs commits and stops'],
    ['resume', 'let run again'],
    ['cancel', 'end, whatever is left'],
    ['retry', 'begin dead letters anew'],
  ] as const) {
    coordinated(task.command(name).argument('[ids...]'))
      .description(about)
      .option('--connection <name>', 'all of a connection')
      .option('--partition <id>', 'all of a concurrency partition')
      .action(run(() => import('./commands/task.js'), name));
  }

  const token = program.command('token').description('who may use the API and the dashboard');
  coordinated(token.command('create').argument('<name>', 'who or what it is for'))
    .description('make a token and print it, once')
    .requiredOption('--role <role>', 'read, operate (run, pause, edit limits) or admin (connections, tokens)')
    .option('--expires-in <days>', 'days (default: it does not expire)', whole)
    .action(run(() => import('./commands/token.js'), 'create'));
  token
    .command('show')
    .description("this machine's own token, an admin's: HEADRACE_TOKEN, or the one that the first serve made")
    .option('-c, --config <file>', 'configuration file (default: headrace.yaml, or $HEADRACE_CONFIG)')
    .option('--data-dir <folder>', 'folder of the embedded database')
    .option('--json', 'machine-readable output')
    .action(run(() => import('./commands/token.js'), 'show'));
  coordinated(token.command('list'))
    .description('tokens, without what is secret of them')
    .action(run(() => import('./commands/token.js'), 'list'));
  coordinated(token.command('revoke').argument('<id>'))
    .description('it stops working at once')
    .action(run(() => import('./commands/token.js'), 'revoke'));

  const secrets = program.command('secrets').description('stored secrets, and the key that they are sealed with');
  coordinated(secrets.command('status'))
    .description('which connections are sealed with an older key, or with one that is not known')
    .action(run(() => import('./commands/secrets.js'), 'status'));
  coordinated(secrets.command('reseal'))
    .description('seal with the newest key of HEADRACE_SECRET_KEY what an older one sealed')
    .action(run(() => import('./commands/secrets.js'), 'reseal'));

  connectionOptions(program.command('compact').argument('[connection]'))
    .description('merge the Parquet files of a connection to one row a key, and remove what no commit names')
    .option('--json', 'one stream a line')
    .action(run(() => import('./commands/compact.js')));

  program
    .command('query')
    .argument('<sql>', 'a statement')
    .description('SQL on the embedded database, or on another destination that answers it')
    .option(
      '--to <destination>',
      'the destination to ask: duckdb:FILE, parquet:FOLDER or s3://BUCKET/PREFIX (default: embedded)',
    )
    .option('--data-dir <folder>', 'folder of the embedded database', '.headrace')
    .option('--json', 'one row a line')
    .option('--write', 'allow changes')
    .action(run(() => import('./commands/query.js')));

  program
    .command('testbed')
    .argument('<api>', 'stripe or intercom')
    .description('a simulated API on this machine, with limits and faults')
    .option('--port <n>', 'port (0: any free one)', whole, 4010)
    .option('--rows <n>', 'customers or conversations', whole, 1000)
    .option('--shape <shape>', 'how rows lie in time', 'growth')
    .option('--latency <ms>', 'median latency', whole, 0)
    .option(
      '--limit <limit>',
      "such as 100/s, or 100/s,endpoint=25/s, or a model: stripe-live, hubspot, sliding… (default: the vendor's own; docs/reference/testbed.md lists all)",
    )
    .option('--faults <list>', 'faults, each with an optional rate: 500:0.02,reset', '')
    .option('--seed <n>', 'seed of data and faults', whole, 1)
    .option(
      '--collection <path=rows>',
      'rows of one collection, such as charges=5000 (repeatable)',
      (value: string, all: string[]) => [...all, value],
      [] as string[],
    )
    .action(run(() => import('./commands/testbed.js')));

  program
    .command('completion')
    .argument('<shell>', 'bash, zsh or fish')
    .description('a completion script for your shell')
    .action(async (shell: string) => (await import('./commands/completion.js')).completion(program, shell));
  return program;
}

type CommandModule = Record<string, unknown>;

/** Runs a command's function (`command` unless named) with its arguments and options; its result is the exit code. */
function run(load: () => Promise<CommandModule>, name = 'command'): (...args: unknown[]) => Promise<void> {
  return async (...args) => {
    const command = args.at(-1) as Command;
    const module = await load();
    const code = await (module[name] as (args: unknown[], options: Record<string, unknown>) => Promise<number>)(
      args.slice(0, -2),
      command.optsWithGlobals(),
    );
    process.exitCode = code;
  };
}

export async function main(argv: string[]): Promise<void> {
  takeSignals();
  const program = buildProgram();
  const strict = (command: Command): void => {
    command.exitOverride();
    command.commands.forEach(strict);
  };
  strict(program);
  try {
    await program.parseAsync(argv);
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode =
        error.exitCode === 0 || error.code === 'commander.helpDisplayed' || error.code === 'commander.version'
          ? 0
          : EXIT.usage;
      return;
    }
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
