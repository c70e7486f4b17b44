/** What runs tell, on its way to who watches: recorded without holding the run up, bounded, in order, once. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemClock, type Clock } from '../../src/base/clock.js';
import { LIMITS } from '../../src/base/bounds.js';
import type { Progress, RunSummary } from '../../src/engine/report/events.js';
import { connect } from '../../src/postgres/connect.js';
import { RunRecorder } from '../../src/runs/recorder.js';
import { RunStore } from '../../src/runs/run-store.js';
import { Scheduler } from '../../src/fleet/scheduler/scheduler.js';
import { taskOf } from '../../src/fleet/tasks/kinds.js';
import { Feed, type FeedItem, type Watcher } from '../../src/service/feed.js';
import { until } from '../patience.js';
import { freshDatabase } from '../support.js';

let database: Awaited<ReturnType<typeof freshDatabase>>;
let scheduler: Scheduler;
let runs: RunStore;
let counter = 0;
beforeAll(async () => {
  database = await freshDatabase();
  scheduler = await Scheduler.open(database.target);
  runs = new RunStore(scheduler.pool);
});
afterAll(async () => {
  await scheduler.close();
  await database.drop();
});

const progress = (runId: string, rows: number): Progress => ({
  runId,
  elapsedMs: 10,
  rows,
  rowsPerSecond: 1,
  requests: rows / 100,
  rejections: 0,
  rejectedFor: {},
  requestsPerSecond: 1,
  limitPerSecond: undefined,
  limits: [],
  waits: [],
  leftMs: undefined,
  bufferedBytes: 0,
  streams: [
    {
      name: 's',
      status: 'reading',
      rows,
      pages: 1,
      expectedPages: 1,
      done: Array.from({ length: 5000 }, (_, i) => ({ from: i / 5000, to: (i + 0.5) / 5000 })),
      openRanges: 1,
      openSlices: 0,
    },
  ],
});
const summary = (runId: string, rows: number, outcome: RunSummary['outcome'] = 'complete'): RunSummary => ({
  runId,
  connection: 'c',
  outcome,
  seconds: 1,
  requests: rows / 100,
  rejections: 0,
  rejectedFor: {},
  rows,
  pages: 1,
  proofs: [],
  problems: [],
  notes: [],
});

let run: string;
let recorder: RunRecorder;
beforeEach(() => {
  run = `run-${++counter}`;
  recorder = new RunRecorder(
    scheduler.pool,
    { connection: `c${counter}`, kind: 'sync', task: undefined, attempt: undefined, worker: 'test' },
    systemClock,
  );
});
const start = () =>
  recorder.take({ type: 'started', runId: run, connection: `c${counter}`, account: 'a', streams: ['s'] });

describe('the recorder', () => {
  test('keeps the first and the last of a run, folds what comes by the thousand, and sums up what a connection did', async () => {
    start();
    recorder.watch(() => progress(run, 300));
    for (let i = 0; i < 5000; i++) recorder.take({ type: 'committed', stream: 's', rows: 1, bytes: 10 });
    for (let i = 0; i < 5000; i++) recorder.take({ type: 'retry', endpoint: 'e', reason: 'rate limit', status: 429 });
    for (let i = 0; i < 5000; i++) recorder.take({ type: 'wait', reason: 'rate limit', ms: 2000 });
    for (let i = 0; i < 2 * LIMITS.runEventsKept; i++) recorder.take({ type: 'note', message: `note ${i}` });
    recorder.take({ type: 'stream', stream: 's', status: 'complete' });
    recorder.take({ type: 'finished', summary: summary(run, 500) });
    await recorder.close();
    const events = await runs.events(run, 0, 10_000);
    expect(events.length).toBeLessThanOrEqual(LIMITS.runEventsKept + 3);
    expect(events[0]!.event.type).toBe('started');
    expect(events.filter(({ event }) => event.type === 'wait')).toHaveLength(1);
    expect(events.slice(-2).map(({ event }) => event.type)).toEqual(['stream', 'finished']);
    const found = (await runs.find(run))!;
    expect(found).toMatchObject({ outcome: 'complete', rows: 500, requests: 5, finishedAt: expect.any(String) });
    expect(found.progress!.streams[0]!.done.length).toBeLessThanOrEqual(100);
    const [total] = await scheduler.pool.query(
      `select runs, rows, requests, last_outcome, fresh_as_of is not null as fresh from _headrace.connection_total
        where connection_id = $1`,
      [`c${counter}`],
    );
    expect(total).toEqual({ runs: 1, rows: 500, requests: 5, last_outcome: 'complete', fresh: true });
  });

  test('keeps samples of how it went, and few of them however long it takes', async () => {
    start();
    let seconds = 0;
    const at = () => ({ ...progress(run, 100 * seconds), elapsedMs: 1000 * seconds, rows: 100 * seconds });
    // A clock that runs ahead: each look at it is a moment later.
    const ahead: Clock = { ...systemClock, after: (_, work) => systemClock.after(0, () => void (seconds++, work())) };
    const quick = new RunRecorder(
      scheduler.pool,
      { connection: `c${counter}`, kind: 'sync', task: undefined, attempt: undefined, worker: 'test' },
      ahead,
    );
    quick.take({ type: 'started', runId: `${run}-long`, connection: `c${counter}`, account: 'a', streams: ['s'] });
    quick.watch(at);
    await until(async () => seconds > 5 * LIMITS.runSamples);
    await quick.close();
    const samples = await runs.samples(`${run}-long`);
    expect(samples.length).toBeLessThanOrEqual(LIMITS.runSamples + 1);
    expect(samples.length).toBeGreaterThan(LIMITS.runSamples / 4);
    expect(samples.at(-1)!.sample.rows).toBe(100 * seconds);
    expect((await runs.samples(run)).length).toBe(0);
  });

  test("tell of the last hour of a partition's limits: rates over whole minutes, and rejections since", async () => {
    const { pool } = scheduler;
    await scheduler.define({
      id: `h${counter}`,
      app: 'a',
      partition: `hour${counter}`,
      maxConcurrent: 1,
      limit: { requests: 10, frequencySeconds: 1 },
    });
    const sample = (id: string, tick: number, minutesAgo: number, limits: object) =>
      pool.query(
        `insert into _headrace.run_sample (run_id, tick, at, sample)
          values ($1, $2, date_trunc('minute', now()) - make_interval(mins => $3) + interval '1 second', $4)`,
        [id, tick, minutesAgo, JSON.stringify({ elapsedMs: tick * 1000, limits })],
      );
    for (const [id, began] of [
      [`${run}-new`, 10],
      [`${run}-old`, 90],
    ] as const)
      await pool.query(
        `insert into _headrace.run_record (id, connection_id, kind, started_at)
          values ($1, $2, 'sync', now() - make_interval(mins => $3))`,
        [id, `h${counter}`, began],
      );
    // Thirty seconds at 20 a second are 10 a second over the minute; what an older run had rejected before is not told.
    await sample(`${run}-new`, 30, 9, { global: [20, 25, 4] });
    await sample(`${run}-new`, 60, 8, { global: [10, 25, 9] });
    await sample(`${run}-old`, 5000, 9, { global: [6, 25, 100] });
    await sample(`${run}-old`, 5060, 8, { global: [6, 25, 101] });
    expect(
      (await runs.lastHour(`hour${counter}`)).map(({ used, perSecond, rejections }) => [used, perSecond, rejections]),
    ).toEqual([
      [10, 25, 4],
      [11, 25, 6],
    ]);
  });

  test('one that was cancelled says so, and one whose task gave up is dead and says why', async () => {
    await scheduler.define({
      id: `c${counter}`,
      app: 'a',
      partition: `p${counter}`,
      maxConcurrent: 1,
      limit: { requests: 10, frequencySeconds: 1 },
    });
    const [task] = await scheduler.enqueue([taskOf(`c${counter}`, 'sync')]);
    const end = async (id: string, outcome: 'paused' | undefined) => {
      const own = new RunRecorder(
        scheduler.pool,
        { connection: `c${counter}`, kind: 'sync', task: task!.id, attempt: 1, worker: 'test' },
        systemClock,
      );
      own.take({ type: 'started', runId: id, connection: `c${counter}`, account: 'a', streams: ['s'] });
      if (outcome) own.take({ type: 'finished', summary: { ...summary(id, 1), outcome } });
      await own.close(outcome ? undefined : { message: 'no such key' });
    };
    await scheduler.pool.query(`update _headrace.task set attempt = 1, stop = 'cancel' where id = $1`, [task!.id]);
    await end(`${run}-cancelled`, 'paused');
    expect(await runs.find(`${run}-cancelled`)).toMatchObject({ outcome: 'cancelled' });
    await scheduler.pool.query(
      `update _headrace.task set state = 'dead', stop = null,
        error = '{"code": "wrong_key", "message": "the key is wrong", "next": "correct it"}' where id = $1`,
      [task!.id],
    );
    await end(`${run}-dead`, undefined);
    expect(await runs.find(`${run}-dead`)).toMatchObject({
      outcome: 'dead',
      reason: { code: 'wrong_key', next: 'correct it' },
    });
    expect((await runs.list({ outcome: 'dead', limit: 500 })).map(({ id }) => id)).toContain(`${run}-dead`);
  });

  test('retries of one kind are one event that counts them', async () => {
    start();
    for (let i = 0; i < 40; i++) recorder.take({ type: 'retry', endpoint: 'e', reason: 'rate limit', status: 429 });
    await recorder.close();
    expect(
      (await runs.events(run, 0, 100)).map(({ event }) => event).find(({ type }) => type === 'retries'),
    ).toMatchObject({ endpoint: 'e', count: 40 });
  });

  test('a run that ends without a summary has failed, with the reason; one whose worker is gone was killed', async () => {
    start();
    await recorder.close({ message: 'the engine broke', code: 'broken', next: 'mend it' });
    const reason = { message: 'the engine broke', code: 'broken', next: 'mend it' };
    expect(await runs.find(run)).toMatchObject({ outcome: 'failed', reason });
    expect((await runs.events(run, 0, 10)).at(-1)!.event).toMatchObject({ type: 'note', message: 'the engine broke' });

    const dead = `${run}-dead`;
    await scheduler.pool.query(
      `insert into _headrace.run_record (id, connection_id, kind, started_at, updated_at)
        values ($1, 'gone', 'sync', now() - interval '5 minutes', now() - interval '5 minutes')`,
      [dead],
    );
    await runs.prune();
    expect(await runs.find(dead)).toMatchObject({ outcome: 'killed' });
  });

  test('a database that is away does not hold the run up, and what was told meanwhile is told later', async () => {
    const client = await connect(database.target, 'test');
    start();
    await until(async () => await runs.find(run));
    await client.query(`alter table _headrace.run_event rename to run_event_away`);
    const { pool } = scheduler;
    const query = pool.query.bind(pool);
    let refused = 0;
    pool.query = (...given) => {
      const answer = query(...given);
      answer.catch(() => refused++);
      return answer as Promise<any>;
    };
    // Nothing is awaited here: what a run tells cannot hold it up.
    for (let i = 0; i < 100; i++) expect(recorder.take({ type: 'note', message: `meanwhile ${i}` })).toBeUndefined();
    await until(() => refused > 0);
    pool.query = query;
    await client.query(`alter table _headrace.run_event_away rename to run_event`);
    recorder.take({ type: 'finished', summary: summary(run, 1) });
    await recorder.close();
    await client.end();
    const told = (await runs.events(run, 0, 1000)).map(({ event }) => event);
    expect(told.filter(({ type }) => type === 'note')).toHaveLength(100);
    expect(told.at(-1)!.type).toBe('finished');
  });
});

describe('the feed', () => {
  const collect = (watcher: Watcher) => {
    const items: FeedItem[] = [];
    void (async () => {
      for await (const item of watcher) if (item) items.push(item);
    })();
    return items;
  };

  /** Until a watcher is told of something: what comes after is news to its feed. */
  async function looks(items: FeedItem[]): Promise<void> {
    const probe = `probe-${++counter}`;
    await scheduler.pool.query(
      `insert into _headrace.run_record (id, connection_id, kind, started_at, updated_at)
        values ($1, 'probe', 'sync', now(), now())`,
      [probe],
    );
    await until(async () => {
      await scheduler.pool.query(
        `insert into _headrace.run_event (run_id, at, event)
          values ($1, clock_timestamp(), '{"type": "note", "message": "probe"}')`,
        [probe],
      );
      return items.length > 0;
    });
  }

  test('every event reaches every watcher once, in order; filters hold; a finished run is told as finished', async () => {
    const feed = new Feed(scheduler.pool, runs, systemClock, (error) => expect.fail(String(error)));
    const [all, own, other] = [feed.join({})!, feed.join({ run })!, feed.join({ run: 'other' })!];
    const [seen, mine, theirs] = [collect(all), collect(own), collect(other)];
    await looks(seen);
    start();
    recorder.watch(() => progress(run, 100));
    const snapshots = () => mine.filter(({ event }) => event === 'run').length;
    let told = 0;
    // Watched, a snapshot comes twice a second, not only at the end.
    for (; told < 30 || snapshots() < 3; told++) {
      recorder.take({ type: 'note', message: String(told) });
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
    recorder.take({ type: 'finished', summary: summary(run, 100) });
    await recorder.close();
    const notes = (items: FeedItem[]) =>
      items.flatMap((item) =>
        item.event === 'event' && item.data.run === run && item.data.event.type === 'note'
          ? [String(item.data.event['message'])]
          : [],
      );
    const isOver = (items: FeedItem[]) =>
      items.some((item) => item.event === 'run' && item.data.id === run && item.data.outcome === 'complete');
    await until(async () => isOver(seen) && isOver(mine) && notes(mine).length >= told);
    const wanted = Array.from({ length: told }, (_, i) => String(i));
    expect(notes(mine)).toEqual(wanted);
    expect(notes(seen)).toEqual(wanted);
    expect(theirs).toEqual([]);
    await feed.close();
  });

  test('one that is too slow is told to look again, and holds nothing up', async () => {
    const feed = new Feed(scheduler.pool, runs, systemClock, () => {});
    const slow = feed.join({ kinds: ['event'] })!;
    const quick = collect(feed.join({ kinds: ['event'] })!);
    await looks(quick);
    start();
    await recorder.close();
    await scheduler.pool.query(
      `insert into _headrace.run_event (run_id, at, event) select $1, now(), '{"type": "note"}'
        from generate_series(1, ${LIMITS.watcherEvents + 500})`,
      [run],
    );
    // What reached the quick one was offered to the slow one as well.
    await until(() => quick.length > LIMITS.watcherEvents || quick.some(({ event }) => event === 'resync'));
    const items = collect(slow);
    await until(async () => items.length > 0);
    expect(items[0]!.event).toBe('resync');
    expect(items.length).toBeLessThanOrEqual(LIMITS.watcherEvents + 1);
    await feed.close();
  });

  test('while nobody watches, nothing is asked of the database', async () => {
    const feed = new Feed(scheduler.pool, runs, systemClock, () => {});
    const watcher = feed.join({})!;
    watcher.leave();
    const { pool } = scheduler;
    const query = pool.query.bind(pool);
    let asked = 0;
    pool.query = (...given) => {
      asked++;
      return query(...given);
    };
    // What was under way may end; then there is silence for three times as long as it waits between two looks.
    await until(async () => {
      asked = 0;
      await new Promise((resolve) => setTimeout(resolve, 1500));
      return asked === 0;
    });
    feed.join({})!;
    await until(async () => asked > 0);
    pool.query = query;
    await feed.close();
  });
});
