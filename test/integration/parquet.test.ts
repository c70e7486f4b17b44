/**
 * Parquet files as a destination, in a folder and in a bucket: kills, writers that race, compacting, and other readers.
 * Long because all of it shares one bucket and the helpers that look at it.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/base/clock.js';
import { ExactNumber } from '../../src/base/json.js';
import type { DestinationSession, OpenOptions } from '../../src/destinations/contract.js';
import { parquetDestination } from '../../src/destinations/parquet/destination.js';
import { CommitLog } from '../../src/destinations/parquet/log.js';
import { decodeManifest, emptyManifest, encodeManifest } from '../../src/destinations/parquet/manifest.js';
import { S3Store } from '../../src/destinations/parquet/s3.js';
import { FolderStore, type Store } from '../../src/destinations/parquet/store.js';
import { startStripeTestbed, TESTBED_LIVE_KEY, type StripeTestbed } from '../../src/testbed/index.js';
import { ACCESS_KEY, SECRET, startBucket, type TestBucket } from '../s3-server.js';
import { headrace, scratch, syncStripe } from '../support.js';

let folder: string;
let drop: () => void;
let bucket: TestBucket;
beforeEach(async () => {
  ({ folder, drop } = scratch());
  bucket = await startBucket();
});
afterEach(async () => {
  await bucket.close();
  drop();
});

const inBucket = (more = {}) =>
  new S3Store(
    {
      url: 's3://lake/some/prefix',
      endpoint: bucket.endpoint,
      region: 'us-east-1',
      accessKeyId: ACCESS_KEY,
      secretAccessKey: SECRET,
      ...more,
    },
    systemClock,
  );
const inFolder = () => new FolderStore(path.join(folder, 'lake'));

const options = (more: Partial<OpenOptions> = {}): OpenOptions => ({
  connection: 'shop',
  runId: 'run1',
  streams: [{ name: 'things', schema: { properties: { id: { type: 'string' } } }, primaryKey: ['id'], mode: 'append' }],
  readOnly: false,
  startedMs: 1_700_000_000_000,
  ...more,
});

const page = (session: DestinationSession, records: Record<string, unknown>[], version: number, more = {}) =>
  session.commit({
    rows: [session.prepare({ stream: 'things', records, page: '1.1.1', version, ...more })],
    state: [],
    firstLoad: false,
  });

async function within<T>(
  store: Store,
  work: (session: DestinationSession) => Promise<T>,
  more: Partial<OpenOptions> = {},
): Promise<T> {
  const session = await parquetDestination(store).open(options(more));
  try {
    return await work(session);
  } finally {
    await session.close();
  }
}

const parquetFiles = (below = folder) =>
  readdirSync(below, { recursive: true, withFileTypes: true })
    .filter(({ name }) => name.endsWith('.parquet'))
    .map((entry) => path.join(entry.parentPath, entry.name))
    .filter((file) => !file.includes('/_'));

describe.each([
  ['a folder', inFolder],
  ['a bucket', inBucket],
])('commits in %s', (_, make) => {
  test('of writers that build on one commit, one wins', async () => {
    const writers = Array.from({ length: 6 }, () => new CommitLog(make(), 'shop/'));
    let head = emptyManifest();
    for (let round = 0; round < 5; round++) {
      const tried = await Promise.allSettled(
        // What they say is the same: nothing but who was first tells them apart.
        writers.map((log) =>
          log.commit(head, { ...head, entries: { e: { stream: 's', key: 'e', version: round, value: 1 } } }),
        ),
      );
      const won = tried.filter((one) => one.status === 'fulfilled');
      expect(won).toHaveLength(1);
      for (const one of tried)
        if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'ledger_conflict' });
      head = won[0]!.value;
      expect(await writers[0]!.head()).toEqual(head);
    }
  });

  test('a writer that was away while its number was used and removed does not win', async () => {
    const log = new CommitLog(make(), 'shop/');
    const away = new CommitLog(make(), 'shop/');
    let head = await log.commit(emptyManifest(), emptyManifest());
    const asItWas = head;
    for (let i = 0; i < 40; i++) head = await log.commit(head, head);
    await expect(away.commit(asItWas, asItWas)).rejects.toMatchObject({ code: 'ledger_conflict' });
    expect((await log.head()).commit).toBe(head.commit);
    expect((await make().list('shop/')).length).toBeLessThan(25);
    await expect(log.commit(head, head)).resolves.toMatchObject({ commit: head.commit + 1 });
  });

  test('a run that another one took over from commits nothing more', async () => {
    const store = make();
    const old = await parquetDestination(store).open(options());
    await page(old, [{ id: 'a' }], 1);
    await expect(within(store, async () => {}, { runId: 'run2' })).rejects.toMatchObject({
      code: 'connection_locked',
      found: expect.stringContaining(`run1, process ${process.pid}`),
    });
    // Its machine went away, and came back after long.
    const log = new CommitLog(store, 'shop/');
    const head = await log.head();
    const away = { ...head, holder: { ...head.holder!, host: 'elsewhere', seenMs: systemClock.now() - 3_600_000 } };
    await log.commit(head, away);
    await within(store, (session) => page(session, [{ id: 'b' }], 2), { runId: 'run2' });
    await expect(page(old, [{ id: 'c' }], 3)).rejects.toMatchObject({ code: 'ledger_conflict' });
    await old.close();
    const { rows } = await parquetDestination(store).query!('select id from shop.things order by id', { write: false });
    expect(rows).toEqual([{ id: 'a' }, { id: 'b' }]);
  });

  test('what no commit names is removed by the next run, and what one names stays', async () => {
    const store = make();
    await within(store, (session) => page(session, [{ id: 'a' }], 1));
    const names = await store.list('shop/');
    const stray = path.join(folder, 'stray');
    writeFileSync(stray, 'half a file');
    await store.put('shop/things/stray.parquet', stray);
    await within(store, async () => {});
    const data = (list: string[]) => list.filter((name) => name.endsWith('.parquet'));
    expect(data(await store.list('shop/'))).toEqual(data(names));
  });

  test('compacting leaves one row a key, the last read of it, and the account whole', async () => {
    const store = make();
    await within(store, async (session) => {
      await page(session, [{ id: 'a', n: 1 }, { id: 'b', n: 1, day: 0 }, { id: 'c' }], 10);
      await page(session, [{ id: 'a', n: 2.5, day: 86_400 }], 20);
      await page(session, [{ id: 'b', n: 'text', day: 86_400 }], 20);
      await page(session, [{ id: 'b', n: 'older' }], 5);
      await page(session, [], 30, { deleted: [{ id: 'c' }] });
      await page(session, [], 15, { deleted: [{ id: 'a' }] });
    });
    const now = 'select id, n, _headrace_deleted_at is not null as gone from shop.things order by id';
    const rows = [
      { id: 'a', n: '2.5', gone: false },
      { id: 'b', n: 'text', gone: false },
      { id: 'c', n: null, gone: true },
    ];
    const ask = async () => (await parquetDestination(store).query!(now, { write: false })).rows;
    expect(await ask()).toEqual(rows);
    const { connection, runId, startedMs } = options({ runId: 'run2' });
    for (const day of [undefined, 'day', undefined]) {
      const [done] = await parquetDestination(store, day).compact!({ connection, runId, startedMs });
      expect(done!.after.rows).toBe(3);
      expect(await ask()).toEqual(rows);
      const days = (await store.list('shop/')).filter((name) => name.includes('_day='));
      expect(days.map((name) => /_day=([^/]+)/.exec(name)![1]).toSorted()).toEqual(
        day ? ['1970-01-02', expect.anything()] : [],
      );
    }
    await within(
      store,
      async (session) => {
        const counts = (await session.counts())['things']!;
        expect(counts).toMatchObject({ read: 6, inserted: 3, updated: 3 });
        expect(await session.stored('things')).toEqual({ keys: 3, deleted: 1 });
        await page(session, [{ id: 'c', n: 'back' }], 40);
      },
      { runId: 'run3' },
    );
    expect((await ask())[2]).toEqual({ id: 'c', n: 'back', gone: false });
  });

  test('fields may be named as what merging needs', async () => {
    const store = make();
    const names = 'filename FileName headrace_at headrace_file Headrace_Key _headrace_day k v g l'.split(' ');
    const odd = Object.fromEntries(names.map((name) => [name, 86_400]));
    const { connection, runId, startedMs } = options({ runId: 'run2' });
    await within(store, async (session) => {
      await page(session, [{ id: 'a', ...odd }, { id: 'b' }], 10);
      await page(session, [{ id: 'a', ...odd, filename: 'last' }], 20);
    });
    const ask = () => parquetDestination(store).query!('select * from shop.things order by id', { write: false });
    const before = (await ask()).rows;
    expect(before).toMatchObject([
      { id: 'a', filename: 'last', headrace_at: 86_400, k: 86_400 },
      { id: 'b', v: null },
    ]);
    for (const day of [undefined, '_headrace_day', undefined]) {
      await parquetDestination(store, day).compact!({ connection, runId, startedMs });
      expect((await ask()).rows).toEqual(before);
    }
  });

  test('mode replace shows the old rows until the new ones are published', async () => {
    const store = make();
    const streams = [{ ...options().streams[0]!, mode: 'replace' as const }];
    const ids = async () =>
      (await parquetDestination(store).query!('select id from shop.things', { write: false })).rows;
    for (const [before, id] of [
      [undefined, 'old'],
      ['old', 'new'],
    ])
      await within(
        store,
        async (session) => {
          await session.restart('things');
          await page(session, [{ id }], 1);
          if (before) expect(await ids()).toEqual([{ id: before }]);
          await session.publish('things');
          expect(await ids()).toEqual([{ id }]);
        },
        { streams, runId: String(id) },
      );
  });
});

test('whatever comes for a key, and however its column widens, the last read of it is what is left', async () => {
  const values = [1, 2.5, 'x', true, null, { a: [1.0] }, 2n ** 60n + 1n, new ExactNumber('0.12345678901234567890')];
  const keys = [1, 2, 1.5, 1_000, '1', '2', 'a', 'true', true, 2n ** 60n + 1n];
  const record = fc.record({ id: fc.constantFrom(...keys), v: fc.constantFrom(...values), n: fc.nat() });
  const commits = fc.array(fc.tuple(fc.array(record, { maxLength: 5 }), fc.integer({ min: 1, max: 3 })), {
    minLength: 1,
    maxLength: 8,
  });
  let run = 0;
  await fc.assert(
    fc.asyncProperty(commits, fc.nat(2), async (all, joins) => {
      const store = new FolderStore(path.join(folder, `lake${run++}`));
      const last = new Map<string, { version: number; n: number }>();
      const streams = [{ ...options().streams[0]!, schema: {}, mode: 'append' as const }];
      await within(
        store,
        async (session) => {
          for (const [at, [records, version]] of all.entries()) {
            await page(session, records, version);
            if (at % 3 === joins) await session.finishRun('complete', {});
            for (const { id, n } of records)
              if (version >= (last.get(String(id))?.version ?? 0)) last.set(String(id), { version, n });
          }
        },
        { streams },
      );
      if (last.size === 0) return;
      const ask = async () =>
        (await parquetDestination(store).query!('select id::varchar as id, n from shop.things', { write: false })).rows;
      const expected = [...last].map(([id, { n }]) => ({ id, n })).toSorted((a, b) => (a.id < b.id ? -1 : 1));
      const sorted = (rows: Record<string, unknown>[]) =>
        rows.toSorted((a, b) => (String(a['id']) < String(b['id']) ? -1 : 1));
      expect(sorted(await ask()).map(({ id, n }) => ({ id: plainKey(id), n: Number(n) }))).toEqual(expected);
      await parquetDestination(store).compact!({ connection: 'shop', runId: 'run2', startedMs: 1 });
      expect(sorted(await ask()).map(({ id, n }) => ({ id: plainKey(id), n: Number(n) }))).toEqual(expected);
    }),
    { numRuns: 12, endOnFailure: true },
  );
});

/** A key as `String` writes it, whatever the type of its column. */
const plainKey = (id: unknown) => String(id).replace(/\.0$/, '').replaceAll('"', '');

test('small files are joined, with every row and digit', async () => {
  const store = inFolder();
  await within(store, async (session) => {
    for (let i = 0; i < 130; i++) await page(session, [{ id: `k${i}`, n: i === 70 ? 2n ** 60n + 1n : i }], i);
    expect(parquetFiles().length).toBeLessThan(100);
    await session.finishRun('complete', {});
    expect(parquetFiles()).toHaveLength(1);
    expect(await session.stored('things')).toEqual({ keys: 130, deleted: 0 });
  });
  const { rows } = await parquetDestination(store).query!(
    'select count(distinct id) as ids, max(n)::varchar as most from shop.things',
    { write: false },
  );
  expect(rows).toEqual([{ ids: 130, most: '1152921504606846977' }]);
});

describe('a bucket', () => {
  test('that fails now and then, and loses answers, has each row once', async () => {
    let count = 0;
    bucket.fault = (method) =>
      method === 'PUT' || method === 'DELETE' ? (['', '', 'error', '', '', 'lost'] as const)[count++ % 6]! : '';
    const store = inBucket();
    await within(store, async (session) => {
      for (let i = 0; i < 12; i++) await page(session, [{ id: `k${i}` }], i);
    });
    const { rows } = await parquetDestination(store).query!(
      'select count(*) as n, count(distinct id) as ids from shop.things',
      { write: false },
    );
    expect(rows).toEqual([{ n: 12, ids: 12 }]);
    expect(bucket.requests.some(({ status }) => status === 503)).toBe(true);
  });

  test('that lets two writers win is refused', async () => {
    bucket.overwrites = true;
    await expect(parquetDestination(inBucket()).check()).rejects.toMatchObject({ code: 'no_compare_and_set' });
    bucket.overwrites = false;
    await expect(parquetDestination(inBucket()).check()).resolves.toBeUndefined();
    expect([...bucket.objects.keys()]).toEqual([]);
  });

  test('says what is wrong with its credentials and its name, and shows no secret', async () => {
    const secretAccessKey = ['another', 'secret', 'value'].join('-');
    await expect(parquetDestination(inBucket({ secretAccessKey })).check()).rejects.toMatchObject({
      code: 's3_refused',
    });
    await expect(parquetDestination(inBucket({ url: 's3://other' })).check()).rejects.toMatchObject({
      code: 's3_no_bucket',
    });
    const env = {
      AWS_ACCESS_KEY_ID: ACCESS_KEY,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      AWS_ENDPOINT_URL: bucket.endpoint,
    };
    const run = (more: Record<string, string>) =>
      headrace(['query', 'select 1', '--to', 's3://lake/x', '--debug'], {
        env: more,
        cwd: folder,
      });
    const refused = await run(env);
    expect(refused.stderr).toMatch(/refuses the credentials/);
    expect(refused.stdout + refused.stderr).not.toContain(secretAccessKey);
    const none = await run({});
    expect(none.code).toBe(2);
    expect(none.stderr).toMatch(/the bucket needs credentials[^]*AWS_ACCESS_KEY_ID/);
    for (const [name, wrong] of [
      ['AWS_ENDPOINT_URL', 'nonsense'],
      ['AWS_ENDPOINT_URL_S3', 'ftp://127.0.0.1'],
      ['AWS_REGION', 'eu central'],
      ['AWS_DEFAULT_REGION', 'example.com/'],
    ] as const) {
      const mistyped = await run({ ...env, [name]: wrong });
      expect(mistyped).toMatchObject({ code: 2, stderr: expect.stringMatching(`^${name} is wrong\n  at: ${name}\n`) });
    }
  });
});

describe('the command line', () => {
  let testbed: StripeTestbed;
  afterEach(() => testbed?.close());
  const account = (stream: string) => {
    const rows = testbed.api.rows.get(stream)!;
    return Array.from({ length: rows.size }, (_, i) => rows.idOf(i)).toSorted();
  };

  test.each(['folder', 'bucket'])(
    'killed again and again, into a %s: nothing is missing, nothing double',
    async (kind) => {
      testbed = await startStripeTestbed({
        rows: 0,
        collections: { customers: { rows: 4000, shape: 'growth' }, charges: { rows: 4000, shape: 'uniform' } },
        latency: { medianMs: 20, sigma: 0.3 },
      });
      const env = {
        STRIPE_API_KEY: TESTBED_LIVE_KEY,
        STRIPE_BASE_URL: testbed.url,
        AWS_ACCESS_KEY_ID: ACCESS_KEY,
        AWS_SECRET_ACCESS_KEY: SECRET,
        AWS_ENDPOINT_URL: bucket.endpoint,
      };
      const to = kind === 'folder' ? `parquet:${path.join(folder, 'lake')}` : 's3://lake/pre/fix';
      const args = ['sync', 'stripe', '--to', to, '--streams', 'customers,charges', '--json'];
      for (let kills = 1; kills <= 3; kills++) {
        const until = testbed.stats().requests + 12 + kills * 5;
        const killed = await headrace(args, {
          env,
          cwd: folder,
          signal: { name: 'SIGKILL', when: () => testbed.stats().requests >= until },
        });
        expect(killed.code).toBe(null);
      }
      const last = await headrace(args, { env, cwd: folder });
      expect(`${last.code} ${last.stderr}`).toBe('0 ');
      const run = (more: string[]) => headrace(more, { env, cwd: folder });
      const ids = async (stream: string) =>
        (await run(['query', `select id from stripe.${stream} order by id`, '--json', '--to', to])).stdout
          .trim()
          .split('\n')
          .map((line) => (JSON.parse(line) as { id: string }).id);
      for (const stream of ['customers', 'charges']) expect(await ids(stream)).toEqual(account(stream));
      const compacted = await run(['compact', 'stripe', '--to', to, '--json']);
      expect(compacted.code).toBe(0);
      for (const line of compacted.stdout.trim().split('\n'))
        expect(JSON.parse(line)).toMatchObject({ after: { rows: 4000, files: 1 } });
      for (const stream of ['customers', 'charges']) expect(await ids(stream)).toEqual(account(stream));
      expect((await run(['verify', 'stripe', '--to', to, '--streams', 'customers,charges'])).code).toBe(0);
      if (kind === 'folder') readByPython(path.join(folder, 'lake/stripe/customers'), 4000);
    },
  );

  test('every mode is proven; a destination that merges needs no compacting', async () => {
    testbed = await startStripeTestbed({ rows: 30 });
    const { url } = testbed;
    const inMode = async (mode: 'upsert' | 'append' | 'replace') => {
      const destination = parquetDestination(new FolderStore(path.join(folder, mode)));
      const summary = await syncStripe({ url, destination, connection: 'shop', mode });
      expect(summary.problems, mode).toEqual([]);
      expect(summary.outcome, mode).toBe('complete');
    };
    await Promise.all([inMode('upsert'), inMode('append'), inMode('replace')]);
    const env = { STRIPE_API_KEY: TESTBED_LIVE_KEY, STRIPE_BASE_URL: testbed.url };
    const refused = await headrace(['compact', 'stripe', '--to', 'duckdb:x.duckdb'], { env, cwd: folder });
    expect([refused.code, existsSync(path.join(folder, 'x.duckdb'))]).toEqual([2, false]);
    expect(refused.stderr).toMatch(/needs no compacting/);
  });
});

/** pandas and pyarrow read the folder as any other: where Python has them; where not, that is said. */
function readByPython(below: string, rows: number): void {
  const python = process.env['HEADRACE_PYARROW_PYTHON'] ?? 'python3';
  const code = `
import sys, pyarrow.parquet as pq, pyarrow.dataset as ds, pandas as pd
table = ds.dataset(sys.argv[1], format='parquet').to_table()
frame = pd.read_parquet(sys.argv[1])
codec = {pq.ParquetFile(f).metadata.row_group(0).column(0).compression for f in ds.dataset(sys.argv[1]).files}
print(table.num_rows, len(frame), frame['id'].nunique(), table.schema.field('created').type, ','.join(codec))
`;
  const ran = spawnSync(python, ['-c', code, below], { encoding: 'utf8' });
  if (/No module named/.test(ran.stderr ?? '') || ran.error) {
    process.stderr.write(`pyarrow is left out: HEADRACE_PYARROW_PYTHON names no Python with pyarrow and pandas\n`);
    return;
  }
  expect(`${ran.stderr}${ran.stdout}`.trim()).toBe(`${rows} ${rows} ${rows} int64 ZSTD`);
}

test('a manifest that is none is told apart from one', async () => {
  const place = path.join(folder, 'lake/shop/_headrace/commits');
  mkdirSync(place, { recursive: true });
  writeFileSync(path.join(place, '000000000001.json'), '{"version":2}');
  await expect(within(inFolder(), async () => {})).rejects.toMatchObject({ code: 'bad_state' });
  expect(decodeManifest(encodeManifest(emptyManifest()), 'x')).toEqual(emptyManifest());
});
