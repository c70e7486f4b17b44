/** Flags that several commands share, and how their values are read. */
import { InvalidArgumentError, Option, type Command } from 'commander';

/** As `max_rate` of headrace.yaml. */
const MOST_PER_SECOND = 100_000;
export const list = (value: string) =>
  value
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean);

export function whole(value: string): number {
  const number = Number(value);
  if (value.trim() === '' || !Number.isSafeInteger(number) || number < 0)
    throw new InvalidArgumentError('Expected a whole number, 0 or more.');
  return number;
}

export function port(value: string): number {
  const number = whole(value);
  if (number > 65_535) throw new InvalidArgumentError('Expected a port: 0 to 65535, where 0 is any free one.');
  return number;
}

/** Bounds are those of the settings that such flags give. */
export function positive(value: string): number {
  const number = Number(value);
  if (!(number > 0 && number <= MOST_PER_SECOND))
    throw new InvalidArgumentError(`Expected a number above 0, at most ${MOST_PER_SECOND}.`);
  return number;
}

/** What registries hold, as help texts tell. */
export interface HelpTexts {
  /** What `--to` may hold: of all destinations, and of those that answer SQL. */
  destinations: string;
  queried: string;
  /** Kinds of tasks that can be asked for. */
  kinds: string;
  /** APIs that can be simulated. */
  simulated: string;
}

/** What says which connection is meant, and changes it for once. */
export const connectionOptions = (texts: HelpTexts, command: Command): Command =>
  command
    .option('-c, --config <file>', 'configuration file (default: headrace.yaml, or $HEADRACE_CONFIG)')
    .option('--manifest <file>', 'read by this Airbyte manifest, unchanged')
    .option('--source-config <file>', 'its configuration (JSON or YAML)')
    .option('--components <file>', 'twins of its Python classes')
    .option('--files <folder>', "fetch the files that records of the manifest's streams point to into this folder")
    .option('--to <destination>', `${texts.destinations} (default: embedded)`)
    .option('--schema <name>', "schema for the tables (default: the connection's name)")
    .addOption(new Option('--mode <mode>', 'how rows land').choices(['upsert', 'append', 'replace']))
    .option('--streams <names>', 'read these streams only, separated by commas', list)
    .option('--exclude <names>', 'leave these streams out', list)
    .option('--start-date <day>', 'read nothing created before this day (YYYY-MM-DD)')
    .option('--base-url <url>', 'where the API is (a proxy, a testbed)')
    .option('--data-dir <folder>', 'folder of the embedded database (default: .headrace)');

export const ceilingOptions = (command: Command): Command =>
  command
    .option('--max-rate <n>', 'never more requests a second than this', positive)
    .option('--max-endpoint-rate <n>', 'the same for each endpoint', positive)
    .option('--max-concurrency <n>', 'never more requests at once than this', whole)
    .option('--share <percent>', 'use only this part of every limit, such as 50%');

/** What leads to the scheduler's database. */
export const coordinationOptions = (command: Command): Command =>
  command
    .option('-c, --config <file>', 'configuration file (default: headrace.yaml, or $HEADRACE_CONFIG)')
    .option('--database <url>', 'PostgreSQL of the scheduler (default: $DATABASE_URL, else the embedded database)')
    .option('--direct-url <url>', 'the same past a pool in transaction mode (default: $DATABASE_DIRECT_URL)')
    .option('--data-dir <folder>', 'folder of the embedded database')
    .option('--json', 'machine-readable output');
