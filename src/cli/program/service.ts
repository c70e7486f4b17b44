/** Commands of the service: its processes, and its tasks, limits, tokens and secrets. */
import type { Command } from 'commander';
import { coordinationOptions, list, port, whole, type HelpTexts } from '../flags.js';
import { run } from './run-command.js';

export function serviceCommands(program: Command): void {
  const slots = ['--slots <n>', 'tasks at once', whole, 4] as const;
  const privateTargets = [
    '--allow-private-targets',
    'let connections of the API lead to this machine and to private networks',
  ] as const;
  const localFiles = ['--allow-local-files', 'let them name sockets and certificates of this machine'] as const;
  coordinationOptions(program.command('serve'))
    .description('the service: dashboard, API, schedules, webhooks and a worker; Ctrl-C stops resumably')
    .option('--host <address>', 'where to listen', '127.0.0.1')
    .option('--port <n>', 'port (0: any free one)', port, 8787)
    .option(...slots)
    .option(...privateTargets)
    .option(...localFiles)
    .action(run(() => import('../commands/serve.js')));
  coordinationOptions(program.command('worker'))
    .description('join the workers of a fleet')
    .option(...slots)
    .option(...privateTargets)
    .option(...localFiles)
    .option('--dispatch <url>', 'hand tasks to the Restate server at this ingress instead of running them')
    .option(
      '--endpoint <port>',
      'run what a Restate server delivers to this port (0: any free one), and claim nothing',
      port,
    )
    .option('--endpoint-host <address>', 'where that port listens', '127.0.0.1')
    .option(
      '--journal',
      'run tasks in steps whose results are kept: after a crash, those that ended are not done again',
    )
    .action(run(() => import('../commands/worker.js')));
  coordinationOptions(program.command('report').argument('[run]', 'id of the run (default: the newest)'))
    .description('write one HTML file of a run: spans, charts, proof with evidence, what was slow and why')
    .option('-o, --output <file>', 'where to (default: headrace-RUN.html here; -: the output)')
    .action(run(() => import('../commands/report.js')));
  const app = program.command('app').description('rate limits of apps, and how many tasks may run for each');
  coordinationOptions(app.command('list'))
    .description('limits, concurrency partitions, caps, what runs and what waits')
    .action(run(() => import('../commands/rate-limits.js'), 'list'));
  coordinationOptions(
    app.command('set-limit').argument('<app>').argument('<limit>', 'such as 100/s, 10000/min or 300000/day'),
  )
    .description('edit a limit; caps follow at once')
    .action(run(() => import('../commands/rate-limits.js'), 'setLimit'));
}

export function taskCommands(program: Command, texts: HelpTexts): void {
  const task = program.command('task').description('tasks of the scheduler');
  coordinationOptions(task.command('list'))
    .description('what runs, waits, failed and ended')
    .option('--connection <name>', 'of this connection alone')
    .option('--state <states>', 'in these states: queued, delayed, paused, running, done, dead, cancelled', list)
    .option('--limit <n>', 'at most so many', whole, 50)
    .action(run(() => import('../commands/task.js'), 'list'));
  coordinationOptions(task.command('enqueue').argument('<connection>').argument('<kind>', texts.kinds))
    .description('ask for a task; one that waits for the same is joined')
    .option('--stream <name>', 'which stream (rescrape)')
    .option('--from <position>', 'first unix second of a part', whole)
    .option('--before <position>', 'end of the part, exclusive', whole)
    .option('--samples <n>', 'samples of each stream (verify)', whole)
    .option('--parts <n>', 'workers that share a read (sync, full)', whole)
    .option('--accept-deletions <streams>', 'mark rows deleted however many did not come again (sync, full)', list)
    .option('--priority <n>', 'higher goes first', Number)
    .option('--engine <url>', 'hand it to the Restate server at this ingress, which keeps it as a durable workflow')
    .option('--wait', 'until it ended; its outcome is the exit code')
    .action(run(() => import('../commands/task.js'), 'enqueue'));
  for (const [name, about] of [
    ['pause', 'keep from running; what runs commits and stops'],
    ['resume', 'let run again'],
    ['cancel', 'end, whatever is left'],
    ['retry', 'begin dead letters anew'],
  ] as const) {
    coordinationOptions(task.command(name).argument('[ids...]'))
      .description(about)
      .option('--connection <name>', 'all of a connection')
      .option('--partition <id>', 'all of a concurrency partition')
      .action(run(() => import('../commands/task.js'), name));
  }
}

export function accessCommands(program: Command): void {
  const token = program.command('token').description('who may use the API and the dashboard');
  coordinationOptions(token.command('create').argument('<name>', 'who or what it is for'))
    .description('make a token and print it, once')
    .requiredOption('--role <role>', 'read, operate (run, pause, edit limits) or admin (connections, tokens)')
    .option('--expires-in <days>', 'days (default: it does not expire)', whole)
    .action(run(() => import('../commands/token.js'), 'create'));
  token
    .command('show')
    .description("this machine's own token, an admin's: HEADRACE_TOKEN, or the one that the first serve made")
    .option('-c, --config <file>', 'configuration file (default: headrace.yaml, or $HEADRACE_CONFIG)')
    .option('--data-dir <folder>', 'folder of the embedded database')
    .option('--json', 'machine-readable output')
    .action(run(() => import('../commands/token.js'), 'show'));
  coordinationOptions(token.command('list'))
    .description('tokens, without what is secret of them')
    .action(run(() => import('../commands/token.js'), 'list'));
  coordinationOptions(token.command('revoke').argument('<id>'))
    .description('it stops working at once')
    .action(run(() => import('../commands/token.js'), 'revoke'));

  const secrets = program.command('secrets').description('stored secrets, and the key that they are sealed with');
  coordinationOptions(secrets.command('status'))
    .description('which connections are sealed with an older key, or with one that is not known')
    .action(run(() => import('../commands/secrets.js'), 'status'));
  coordinationOptions(secrets.command('reseal'))
    .description('seal with the newest key of HEADRACE_SECRET_KEY what an older one sealed')
    .action(run(() => import('../commands/secrets.js'), 'reseal'));
}
