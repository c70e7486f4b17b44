/** A read that the workers of a fleet share, whoever of them is killed. */
import { describe, expect, test } from 'vitest';
import { connect } from '../../src/postgres/connect.js';
import { until } from '../patience.js';
import { headrace } from '../support.js';
import { database, hold, configure, env, start, rows, task, runProcesses } from '../processes-support.js';

runProcesses();

describe('a fleet', () => {
  test('workers share one read: ranges are lent across and whoever is killed, nothing is missing or double', async () => {
    const file = configure('fleet', { app: 'tight' }, { streams: ['customers', 'charges', 'tax_ids'], max_rate: 150 });
    const workers = Array.from({ length: 3 }, () => start(['worker', '--slots', '1', '--config', file]));
    await Promise.all(workers.map((worker) => worker.until((event) => event['type'] === 'joined')));
    expect((await task(['enqueue', 'fleet', 'sync', '--parts', '3'], file)).code).toBe(0);
    const client = await connect(database.target, 'test');
    // From here on nobody gets further: whoever is killed is in the middle of its part.
    const [lent] = await until(async () => {
      const { rows: loans } = await client.query<{ id: number; borrower: string }>(
        `select id, borrower from _headrace.loan where connection = 'fleet' and state = 'granted'`,
      );
      return loans.length > 0 && loans;
    });
    hold.holdAfter(0);
    const helper = workers.find((worker) =>
      worker.events.some(
        (event) => event['type'] === 'task_started' && lent!.borrower === `task/${event['task']}/${event['attempt']}`,
      ),
    )!;
    helper.child.kill('SIGKILL');
    const leader = workers.find((worker) =>
      worker.events.some((event) => event['type'] === 'task_started' && event['kind'] === 'sync'),
    )!;
    // The leader takes back what it lent to who is gone.
    await until(
      async () => (await client.query(`select from _headrace.loan where id = $1`, [lent!.id])).rowCount === 0,
    );
    leader.child.kill('SIGKILL');
    hold.release();
    const others = [
      start(['worker', '--slots', '1', '--config', file]),
      start(['worker', '--slots', '1', '--config', file]),
      ...workers.filter((worker) => worker !== helper && worker !== leader),
    ];
    const done = await Promise.race(
      others.map((worker) => worker.until((event) => event['type'] === 'task_settled' && event['kind'] === 'sync')),
    );
    expect(done).toMatchObject({ state: 'done', result: { outcome: 'complete' } });
    expect(await rows('fleet', 'charges')).toMatchObject({ n: 20_000, keys: 20_000 });
    expect(await rows('fleet', 'customers')).toMatchObject({ n: 1500, keys: 1500 });
    const children = await rows('fleet', 'tax_ids');
    expect(children.n).toBe(children.keys);
    expect(children.n).toBeGreaterThan(0);
    await client.end();
    const alone = configure('alone', {}, { streams: ['customers', 'tax_ids'] });
    const single = await headrace(['sync', 'alone', '--config', alone, '--json'], { env: env() });
    expect(single.code).toBe(0);
    expect(children.n).toBe((await rows('alone', 'tax_ids')).n);
  });
});
