/** The built program as processes that share a database, against one simulated API that can be held. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { connect } from '../src/postgres/connect.js';
import { startStripeTestbed, TESTBED_LIVE_KEY } from '../src/testbed/index.js';
import type { Testbed } from '../src/testbed/server.js';
import { HoldingClock } from './holding-clock.js';

import { freshDatabase, headrace, MAIN, scratch, urlOf } from './support.js';

export const SECRET = 'whsec_test_1234567890';
export let database: Awaited<ReturnType<typeof freshDatabase>>;
export let url: string;
export let folder: ReturnType<typeof scratch>;
export let testbed: Testbed;
export const hold = new HoldingClock();
export const processes = new Set<ChildProcess>();

export function configure(
  name: string,
  settings: Record<string, unknown> = {},
  source: Record<string, unknown> = {},
): string {
  const file = path.join(folder.folder, `${name}.yaml`);
  writeFileSync(
    file,
    JSON.stringify({
      version: 1,
      apps: { tight: { rate_limit: 4 } },
      connections: {
        [name]: {
          max_concurrent_processes: 6,
          webhook_secret: '${HOOK_SECRET}',
          ...settings,
          destination: { type: 'postgres', url: '${DATABASE_URL}' },
          source: {
            connector: 'stripe',
            api_key: '${STRIPE_API_KEY}',
            base_url: testbed.url,
            streams: ['customers', 'charges'],
            rate_limit: { global: 300, endpoint: 300 },
            ...source,
          },
        },
      },
    }),
  );
  return file;
}
export const env = () => ({ DATABASE_URL: url, STRIPE_API_KEY: TESTBED_LIVE_KEY, HOOK_SECRET: SECRET });

export interface Service {
  child: ChildProcess;
  events: Record<string, any>[];
  stderr: () => string;
  until: (wanted: (event: Record<string, any>) => boolean) => Promise<Record<string, any>>;
  ended: Promise<number | null>;
}

export function start(args: string[], more: Record<string, string> = {}): Service {
  const child = spawn(process.execPath, [MAIN, ...args, '--json'], {
    env: { ...process.env, ...env(), ...more, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: folder.folder,
  });
  processes.add(child);
  child.once('close', () => processes.delete(child));
  const events: Record<string, any>[] = [];
  const waiting: { wanted: (event: Record<string, any>) => boolean; resolve: (event: Record<string, any>) => void }[] =
    [];
  let rest = '';
  let stderr = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop()!;
    for (const line of lines) {
      const event = JSON.parse(line) as Record<string, any>;
      events.push(event);
      for (const each of waiting) if (each.wanted(event)) each.resolve(event);
    }
  });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  return {
    child,
    events,
    stderr: () => stderr,
    ended,
    until: (wanted) => {
      const known = events.find(wanted);
      if (known) return Promise.resolve(known);
      return new Promise((resolve, reject) => {
        waiting.push({ wanted, resolve });
        void ended.then((code) => reject(new Error(`it ended with ${code}: ${stderr}`)));
      });
    },
  };
}

export async function rows(schema: string, table: string): Promise<{ n: number; keys: number; deleted: number }> {
  const client = await connect(database.target, 'test');
  try {
    return (
      await client.query(
        `select count(*) as n, count(distinct id) as keys, count("_headrace_deleted_at") as deleted
          from ${schema}.${table}`,
      )
    ).rows[0];
  } finally {
    await client.end();
  }
}

export async function task(
  args: string[],
  file: string,
): Promise<{ code: number | null; json: Record<string, any>[]; stderr: string }> {
  const { code, stdout, stderr } = await headrace(['task', ...args, '--config', file, '--json'], { env: env() });
  return {
    code,
    json: stdout
      .trim()
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Record<string, any>),
    stderr,
  };
}

export const sign = (body: string, secret = SECRET, at = Math.floor(Date.now() / 1000)) =>
  `t=${at},v1=${createHmac('sha256', secret).update(`${at}.${body}`).digest('hex')}`;

export async function hook(
  base: string,
  connection: string,
  body: string,
  signature: string | undefined,
): Promise<{ status: number; text: string }> {
  const response = await fetch(`${base}/webhooks/${connection}`, {
    method: 'POST',
    body,
    headers: { connection: 'close', ...(signature === undefined ? {} : { 'stripe-signature': signature }) },
  });
  return { status: response.status, text: await response.text() };
}

/** Starts database and API before the tests of a file; ends what is left after each test. */
export function runProcesses(): void {
  beforeAll(async () => {
    database = await freshDatabase();
    url = urlOf(database.target);
    folder = scratch();
    testbed = await startStripeTestbed(
      {
        rows: 1500,
        collections: { charges: { rows: 20_000, shape: 'growth' } },
        seed: 3,
        limit: '300/s,endpoint=300/s',
        latency: { medianMs: 5, sigma: 0.2 },
      },
      hold,
    );
  });
  afterEach(async () => {
    hold.release();
    const gone = [...processes].map((child) => new Promise((resolve) => child.once('close', resolve)));
    for (const child of processes) child.kill('SIGKILL');
    await Promise.all(gone);
  });
  afterAll(async () => {
    await testbed?.close();
    folder?.drop();
    await database?.drop();
  });
}
