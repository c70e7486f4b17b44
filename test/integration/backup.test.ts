/**
 * What the guide says of backups: a copy of a database at any moment is a state to go on from, with nothing missing or
 * double.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { postgresDestination } from '../../src/destinations/postgres/destination.js';
import { connect } from '../../src/postgres/connect.js';
import { startStripeTestbed, TESTBED_LIVE_KEY, type StripeTestbed } from '../../src/testbed/index.js';
import {
  freshDatabase,
  headrace,
  inDatabase,
  scratch,
  syncStripe,
  testDatabase,
  uniqueName,
  urlOf,
} from '../support.js';

let testbed: StripeTestbed;
beforeAll(async () => {
  testbed = await startStripeTestbed({
    rows: 4000,
    collections: { charges: { rows: 9000 } },
    latency: { medianMs: 3, sigma: 0.3 },
  });
});
afterAll(() => testbed.close());

test('a copy that was taken in the middle of a first load goes on there, while the original went further', async () => {
  const original = await freshDatabase();
  const copyName = uniqueName();
  const admin = await connect(inDatabase(original.target, 'postgres'), 'test');
  try {
    const source = { streams: ['customers', 'charges'] as ('customers' | 'charges')[] };
    const pause = new AbortController();
    let rows = 0;
    const first = await syncStripe({
      url: testbed.url,
      destination: postgresDestination(urlOf(original.target), 'acme'),
      connection: 'acme',
      source,
      signal: pause.signal,
      emit: (event) => event.type === 'committed' && (rows += event.rows) > 4000 && pause.abort(),
    });
    expect(first.outcome).toBe('paused');
    await admin.query(`select pg_terminate_backend(pid) from pg_stat_activity where datname = $1`, [
      original.target.options.database ?? new URL(urlOf(original.target)).pathname.slice(1),
    ]);
    await admin.query(
      `create database ${copyName} template
        ${original.target.options.database ?? new URL(urlOf(original.target)).pathname.slice(1)}`,
    );
    for (const target of [original.target, inDatabase(original.target, copyName)]) {
      const summary = await syncStripe({
        url: testbed.url,
        destination: postgresDestination(urlOf(target), 'acme'),
        connection: 'acme',
        source,
      });
      expect(summary).toMatchObject({ outcome: 'complete', problems: [] });
      const client = await connect(target, 'test');
      for (const [table, n] of [
        ['customers', 4000],
        ['charges', 9000],
      ] as const)
        expect(
          (await client.query(`select count(*) as n, count(distinct id) as keys from acme.${table}`)).rows[0],
        ).toEqual({ n, keys: n });
      await client.end();
    }
  } finally {
    await admin.query(`drop database if exists ${copyName} with (force)`);
    await admin.end();
    await original.drop();
  }
});

const dumpVersion = Number(
  /\d+/.exec(spawnSync('pg_dump', ['--version'], { encoding: 'utf8' }).stdout ?? '')?.[0] ?? 0,
);
const serverVersion = await versionOfServer();

describe.skipIf(dumpVersion < serverVersion)(
  `the guide's pg_dump and pg_restore (skipped without pg_dump of version ${serverVersion} or newer)`,
  () => {
    test('dumped in the middle of a first load, restored over what came later, and gone on', async () => {
      const commands = commandsOf('pg_dump');
      expect(commands).toHaveLength(2);
      const database = await freshDatabase();
      const { folder, drop } = scratch();
      const env = {
        STRIPE_API_KEY: TESTBED_LIVE_KEY,
        STRIPE_BASE_URL: testbed.url,
        DATABASE_URL: urlOf(database.target),
      };
      const shell = (command: string) =>
        spawnSync('bash', ['-ec', command], { cwd: folder, env: { ...process.env, ...env }, encoding: 'utf8' });
      const source = { streams: ['customers', 'charges'] as ('customers' | 'charges')[] };
      const sync = () =>
        headrace(['sync', 'stripe', '--streams', 'customers,charges', '-q', '--to', env.DATABASE_URL], {
          env,
          cwd: folder,
        });
      try {
        const [dump, restore] = commands as [string, string];
        let dumped: ReturnType<typeof shell> | undefined;
        let rows = 0;
        const pause = new AbortController();
        await syncStripe({
          url: testbed.url,
          destination: postgresDestination(env.DATABASE_URL, 'stripe'),
          connection: 'stripe',
          source,
          signal: pause.signal,
          emit: (event) => {
            if (event.type !== 'committed' || (rows += event.rows) < 4000 || dumped) return;
            dumped = shell(dump);
            pause.abort();
          },
        });
        expect(dumped, 'a dump').toMatchObject({ status: 0 });
        expect((await sync()).code).toBe(0);
        expect(shell(restore)).toMatchObject({ status: 0 });
        const client = await connect(database.target, 'test');
        const count = async () =>
          (
            await client.query<{ n: number; keys: number }>(
              `select count(*) as n, count(distinct id) as keys
                from (select id from stripe.customers union all select id from stripe.charges) t`,
            )
          ).rows[0]!;
        const restored = await count();
        expect(restored.n).toBe(restored.keys);
        expect(restored.n).toBeLessThan(13_000);
        expect((await sync()).code).toBe(0);
        expect(await count()).toEqual({ n: 13_000, keys: 13_000 });
        await client.end();
        expect(
          (
            await headrace(['verify', 'stripe', '--streams', 'customers,charges', '--to', env.DATABASE_URL], {
              env,
              cwd: folder,
            })
          ).code,
        ).toBe(0);
      } finally {
        drop();
        await database.drop();
      }
    });
  },
);

/** The lines of the guide's block that names this command. */
function commandsOf(name: string): string[] {
  const guide = readFileSync(path.join(import.meta.dirname, '../../docs/guides/fleet.md'), 'utf8');
  const block = [...guide.matchAll(/```bash\n([^]*?)```/g)]
    .map(([, text]) => text!)
    .find((text) => text.includes(name))!;
  return block.trim().split('\n');
}

async function versionOfServer(): Promise<number> {
  const server = await testDatabase();
  const client = await connect(server.target, 'test');
  const { rows } = await client.query<{ version: number }>(
    `select current_setting('server_version_num')::int / 10000 as version`,
  );
  await client.end();
  await server.close();
  return rows[0]!.version;
}

test('a copied data folder of a single machine is whole; an exported state brings the rest back', async () => {
  const { folder, drop } = scratch();
  const env = { STRIPE_API_KEY: TESTBED_LIVE_KEY, STRIPE_BASE_URL: testbed.url };
  const sync = (dir: string) =>
    headrace(['sync', 'stripe', '--streams', 'customers', '-q', '--data-dir', dir], { env, cwd: folder });
  const count = async (dir: string) =>
    (
      await headrace(
        [
          'query',
          'select count(*) as n, count(distinct id) as keys from stripe.customers',
          '--json',
          '--data-dir',
          dir,
        ],
        { env, cwd: folder },
      )
    ).stdout.trim();
  try {
    const [data, copy] = [path.join(folder, 'data'), path.join(folder, 'copy')];
    expect((await sync(data)).code).toBe(0);
    // As root the server's files may lie elsewhere: then there is nothing to copy here.
    if (existsSync(path.join(data, 'postgres', 'data'))) {
      expect(spawnSync('cp', ['-a', data, copy]).status).toBe(0);
      expect((await sync(copy)).code).toBe(0);
      expect(JSON.parse(await count(copy))).toEqual({ n: 4000, keys: 4000 });
      expect(
        (await headrace(['verify', 'stripe', '--streams', 'customers', '--data-dir', copy], { env, cwd: folder })).code,
      ).toBe(0);
    }
    expect(JSON.parse(await count(data))).toEqual({ n: 4000, keys: 4000 });
    const exported = await headrace(['state', 'export', 'stripe', '--data-dir', data], { env, cwd: folder });
    expect(JSON.parse(exported.stdout)).toMatchObject({ headrace_state: 1, connection: 'stripe' });
  } finally {
    drop();
  }
});
