import { describe, expect, test } from 'vitest';
import type { Clock } from '../base/clock.js';
import { WebhookSignings } from './webhook-signings.js';

/** Stored secrets by connection, how often they were asked for, and a clock that stands still. */
function stored(secrets: Record<string, string>) {
  const asked: string[] = [];
  const time = { ms: 0 };
  const clock = { monotonic: () => time.ms } as Clock;
  const ask = async (connection: string) => {
    asked.push(connection);
    const secret = secrets[connection];
    if (secret === 'away') throw new Error('the database is away');
    await Promise.resolve();
    return secret === undefined ? undefined : { secret, header: 'h' };
  };
  return { secrets, asked, time, signings: new WebhookSignings(ask, clock) };
}

describe('how webhooks are signed', () => {
  test('is asked for once, however many come at once or soon, of nobody too', async () => {
    const { asked, time, signings } = stored({ a: 'one' });
    const many = Array.from({ length: 500 }, (_, n) => signings.of(n % 2 === 0 ? 'a' : 'nobody'));
    expect(new Set((await Promise.all(many)).map((each) => each?.secret))).toEqual(new Set(['one', undefined]));
    time.ms = 1_999;
    await signings.of('a');
    expect(asked).toEqual(['a', 'nobody']);
  });

  test('is asked for again once time passed, or once somebody wrote it, even while it was asked for', async () => {
    const { asked, time, secrets, signings } = stored({ a: 'one' });
    await signings.of('a');
    secrets['a'] = 'two';
    time.ms = 2_000;
    expect((await signings.of('a'))?.secret).toBe('two');
    secrets['a'] = 'three';
    signings.forget('a');
    expect((await signings.of('a'))?.secret).toBe('three');
    time.ms = 4_001;
    const before = signings.of('a');
    secrets['a'] = 'four';
    signings.forget('a');
    await before;
    expect((await signings.of('a'))?.secret).toBe('four');
    expect(asked).toHaveLength(5);
  });

  test('a failure is told to those who waited for it, and kept for nobody', async () => {
    const { secrets, signings } = stored({ a: 'away' });
    await expect(Promise.all([signings.of('a'), signings.of('a')])).rejects.toThrow('away');
    secrets['a'] = 'one';
    expect((await signings.of('a'))?.secret).toBe('one');
  });

  test('names that a sender invents push each other out, and take no more memory', async () => {
    const { asked, signings } = stored({});
    for (let n = 0; n < 20_000; n++) void signings.of(`n${n}`);
    await signings.of('n19999');
    await signings.of('n0');
    expect(asked).toHaveLength(20_001);
  });
});
