/** Commands for connectors: which there are, tools for who writes one, and running one for other platforms. */
import type { Command } from 'commander';
import { list, whole } from '../flags.js';
import { run } from './run-command.js';

export function connectorCommands(program: Command): void {
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
    .action(run(() => import('../commands/connector.js'), 'test'));
  connector
    .command('lint')
    .argument('<folder>', 'with manifest.yaml, and metadata.yaml and CHANGELOG.md where they are')
    .description("the specification's own rules, and versions that agree")
    .option('--components <file>', 'twins of its Python classes')
    .option('--previous <version>', 'the version that is published now')
    .option('--json', 'one finding a line')
    .action(run(() => import('../commands/connector.js'), 'lint'));
  connector
    .command('diff')
    .argument('<old>')
    .argument('<new>')
    .description('what a new manifest breaks for who uses the old one, and whether going back is safe')
    .option('--json', 'one change a line')
    .action(run(() => import('../commands/connector.js'), 'diff'));
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
    .action(run(() => import('../commands/connectors.js')));
}

export function protocolCommands(program: Command): void {
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
    .action(run(() => import('../commands/airbyte.js'), 'spec'));
  withConfig(airbyte.command('check'))
    .description('prove the configuration')
    .action(run(() => import('../commands/airbyte.js'), 'check'));
  withConfig(airbyte.command('discover'))
    .description('print the catalog')
    .action(run(() => import('../commands/airbyte.js'), 'discover'));
  withConfig(airbyte.command('read'))
    .description('records and states on stdout; SIGTERM pauses')
    .option('--catalog <file>', 'the configured catalog')
    .option('--state <file>', 'the last state')
    .action(run(() => import('../commands/airbyte.js'), 'read'));
  airbyte
    .command('build')
    .argument('<manifest>')
    .description('a folder with an executable and a Dockerfile')
    .option('--out <folder>', 'where to write')
    .action(run(() => import('../commands/airbyte.js'), 'build'));

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
    .action(run(() => import('../commands/singer.js')));
}
