/** What a process keeps of runs that ended: nothing. A worker makes thousands of them. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { syncStripe } from '../support.js';
import { destination, inDestination, name, start, testbed } from '../sync-support.js';

inDestination();

test('of runs that ended well under a signal that never aborts, a process keeps nothing', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  await start({ rows: 30 });
  const { signal } = new AbortController();
  const runs: WeakRef<object>[] = [];
  const runOnce = async () => {
    // All that a run is made of reaches this function.
    const onEvent = () => {};
    const summary = await syncStripe({
      url: testbed.url,
      destination,
      connection: name,
      source: { streams: ['customers'] },
      signal,
      emit: onEvent,
    });
    expect(summary.outcome).toBe('complete');
    runs.push(new WeakRef(onEvent));
  };
  for (let n = 0; n < 4; n++) await runOnce();
  const left = () => runs.filter((run) => run.deref() !== undefined).length;
  for (let tries = 0; tries < 50 && left() > 1; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    collect();
  }
  // The newest may still be on the stack of an await.
  expect(left()).toBeLessThanOrEqual(1);
});
