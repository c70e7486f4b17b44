import { getEventListeners } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { eitherOf } from './either-signal.js';

describe('one signal of several', () => {
  test.each([0, 1, 2])('aborts with number %i of them, for its reason, once', (n) => {
    const each = Array.from({ length: 3 }, () => new AbortController());
    const { signal } = eitherOf(...each.map((one) => one.signal));
    let times = 0;
    signal.addEventListener('abort', () => times++);
    each[n]!.abort(`reason ${n}`);
    for (const one of each) one.abort('later');
    expect([signal.aborted, signal.reason, times]).toEqual([true, `reason ${n}`, 1]);
  });

  test('has aborted where one of them had', () => {
    const { signal } = eitherOf(new AbortController().signal, AbortSignal.abort('before'));
    expect([signal.aborted, signal.reason]).toEqual([true, 'before']);
  });

  test('left, it listens to nothing, and what listens to it is kept by nobody', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const [long, short] = [new AbortController(), new AbortController()];
    const kept = Array.from({ length: 50 }, () => {
      const run = { rows: 'a run with all that it holds' };
      const { signal, leave } = eitherOf(long.signal, short.signal);
      signal.addEventListener('abort', () => (run.rows = ''), { once: true });
      leave();
      return new WeakRef(run);
    });
    expect(getEventListeners(long.signal, 'abort')).toEqual([]);
    for (let tries = 0; tries < 20 && kept.some((run) => run.deref() !== undefined); tries++) {
      await new Promise((resolve) => setImmediate(resolve));
      collect();
    }
    expect(kept.filter((run) => run.deref() !== undefined)).toEqual([]);
  });
});
