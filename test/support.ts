/** What integration tests share: a database, a testbed, a sync in this process, and the built program in its own. */
import { spawn } from 'node:child_process';
import type { Command } from 'commander';
import { expect } from 'vitest';
import { buildProgram } from '../src/cli/program.js';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { systemClock } from '../src/base/clock.js';
import { newRunId, openSource, type ConnectionConfig } from '../src/wiring/compose.js';
import { stripeConfigSchema, type StripeConfig } from '../src/sources/stripe/config.js';
import {
  embeddedDestination,
  postgresDestination,
  type PostgresDestination,
} from '../src/destinations/postgres/destination.js';
import type { Destination } from '../src/destinations/contract.js';
import type { RunEvent, RunSummary } from '../src/engine/report/events.js';
import { runSync, type SyncOptions } from '../src/engine/run/sync.js';
import { connect, type PostgresTarget } from '../src/postgres/connect.js';
import { TESTBED_LIVE_KEY } from '../src/testbed/index.js';

export const MAIN = path.join(import.meta.dirname, '..', 'dist', 'main.js');

const LOOK_MS = 5;
let counter = 0;

/** A name that no other test uses, for connections and schemas. */
export function uniqueName(): string {
  return `t${process.pid}_${++counter}_${Math.floor(performance.now())}`;
}

export async function testDatabase(schema = uniqueName()): Promise<PostgresDestination> {
  const url = process.env['HEADRACE_TEST_DATABASE_URL'];
  return url ? postgresDestination(url, schema) : embeddedDestination(process.env['HEADRACE_TEST_EMBEDDED']!, schema);
}

/** A database of its own on the same server: the scheduler's tasks are for whoever asks. */
export async function freshDatabase(): Promise<{ target: PostgresTarget; drop: () => Promise<void> }> {
  const server = await testDatabase();
  const name = uniqueName();
  const run = async (sql: string) => {
    const client = await connect(server.target, 'test');
    await client.query(sql).finally(() => client.end());
  };
  await run(`create database ${name}`);
  const drop = async () => {
    await run(`drop database ${name} with (force)`);
    await server.close();
  };
  return { target: inDatabase(server.target, name), drop };
}

export function inDatabase(target: PostgresTarget, database: string): PostgresTarget {
  const { connectionString, ...options } = target.options;
  if (connectionString === undefined) return { ...target, options: { ...options, database } };
  const url = new URL(connectionString);
  url.pathname = `/${database}`;
  return { ...target, url: url.href, options: { ...options, connectionString: url.href } };
}

/** What a user would write for it. */
export function urlOf({ options }: PostgresTarget): string {
  return (
    options.connectionString ??
    `postgres://${options.user}:${encodeURIComponent(String(options.password))}@localhost/${options.database}?host=${encodeURIComponent(options.host!)}`
  );
}

export async function query(destination: PostgresDestination, sql: string): Promise<Record<string, any>[]> {
  const client = await connect(destination.target, 'test');
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

/** What was cut off in the middle may still write a file or two. */
const REMOVED = { recursive: true, force: true, maxRetries: 8, retryDelay: 100 };

export function scratch(): { folder: string; drop: () => void } {
  // Named for its test file, so that it is known who left one behind.
  const owner = path.basename(expect.getState().testPath ?? 'x', '.test.ts');
  const folder = mkdtempSync(path.join(tmpdir(), `headrace-t-${owner}-`));
  chmodSync(folder, 0o755);
  return { folder, drop: () => rmSync(folder, REMOVED) };
}

export interface SyncInput {
  url: string;
  destination: Destination;
  connection: string;
  source?: Partial<StripeConfig>;
  mode?: 'upsert' | 'append' | 'replace';
  signal?: AbortSignal;
  planner?: 'adaptive' | 'uniform';
  emit?: (event: RunEvent) => void;
  onProgress?: SyncOptions['onProgress'];
  key?: string;
}

/** A Stripe sync in this process, at a limit that does not slow tests down. */
export async function syncStripe(input: SyncInput): Promise<RunSummary> {
  const config = stripeConfigSchema.parse({
    connector: 'stripe',
    api_key: input.key ?? TESTBED_LIVE_KEY,
    base_url: input.url,
    rate_limit: { global: 2000, endpoint: 2000 },
    ...input.source,
  }) as StripeConfig;
  const connection: ConnectionConfig = {
    name: input.connection,
    source: config,
    destination: { type: 'embedded', mode: input.mode ?? 'upsert' },
    dataDir: '',
  };
  const { source, permits, gateStatus } = await openSource(connection);
  try {
    return await runSync({
      source,
      permits,
      gateStatus,
      destination: input.destination,
      connection: input.connection,
      runId: newRunId(),
      mode: input.mode ?? 'upsert',
      clock: systemClock,
      signal: input.signal ?? new AbortController().signal,
      planner: input.planner ?? 'adaptive',
      ...(input.emit ? { emit: input.emit } : {}),
      ...(input.onProgress ? { onProgress: input.onProgress } : {}),
    });
  } finally {
    await source.close();
  }
}

export interface Ran {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs the built program. */
export function headrace(
  args: string[],
  options: {
    env?: Record<string, string>;
    cwd?: string;
    /** Of a copy of the program. */
    main?: string;
    /** Sent once what is looked for is there; looked for every few milliseconds. */
    signal?: { name: NodeJS.Signals; when: (output: string) => boolean };
  } = {},
): Promise<Ran> {
  const env: NodeJS.ProcessEnv = { ...process.env, NO_COLOR: '1', ...options.env };
  for (const name of ['STRIPE_API_KEY', 'STRIPE_BASE_URL', 'HEADRACE_CONFIG', 'HEADRACE_DATA_DIR', 'FORCE_COLOR'])
    if (options.env?.[name] === undefined) delete env[name];
  const child = spawn(process.execPath, [options.main ?? MAIN, ...args], {
    env,
    cwd: options.cwd ?? tmpdir(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const { signal } = options;
  const look =
    signal &&
    setInterval(() => {
      if (!signal.when(stdout + stderr)) return;
      clearInterval(look);
      child.kill(signal.name);
    }, LOOK_MS);
  return new Promise((resolve) =>
    child.once('close', (code) => {
      clearInterval(look);
      resolve({ code, stdout, stderr });
    }),
  );
}

/**
 * The summary's line of one stream whose `rows` (as it is printed) were each inserted once, without a gap, and proven. Where a range ends,
 * a boundary row may come with both sides: how many do depends on when a read was paused or divided.
 */
export const onceEach = (rows: string) => new RegExp(`${rows} +0 +\\d{1,2} +0 +0 +0 +0 +${rows} +(?:\\w+ +)?proven`);

/** Rows that a run read: each of them, and a few at the bounds of its ranges twice, where a second look confirms an end. */
export function expectRead(read: number, rows: number): void {
  expect(read).toBeGreaterThanOrEqual(rows);
  expect(read).toBeLessThan(rows + 100);
}

/** Throws where the program has no such command or option. */
export function assertCommand(words: string[]): void {
  let command: Command = buildProgram();
  const rest = [...words];
  for (let found: Command | undefined; (found = command.commands.find((each) => each.name() === rest[0])); rest.shift())
    command = found;
  if (command.name() === 'headrace') throw new Error(`there is no command ${words.join(' ')}`);
  for (const word of rest)
    if (word.startsWith('--') && !command.options.some(({ long }) => long === word))
      throw new Error(`headrace ${words.join(' ')}: there is no option ${word}`);
}
