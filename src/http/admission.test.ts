import { expect, test } from 'vitest';
import { systemClock } from '../base/clock.js';
import { CredentialGate } from '../gate/credential-gate.js';
import type { Ticket } from '../gate/gate.js';
import { Admission } from './admission.js';

const signal = new AbortController().signal;

test('who waits for an answer goes before the backfill, then the stream with the most work', async () => {
  const gate = new CredentialGate({ ceilings: { maxConcurrency: 1 } });
  const admission = new Admission(gate, systemClock);
  const order: string[] = [];
  const free = (ticket: Ticket) => {
    gate.answered(systemClock.monotonic(), ticket, {
      kind: 'accepted',
      signs: { readings: [] },
      serverTimeMs: undefined,
    });
    admission.pump();
  };
  const first = await admission.admit({ endpoint: 'a', weight: () => 1, signal });
  const ask = (name: string, weight: number, interactive = false) =>
    admission.admit({ endpoint: name, weight: () => weight, interactive, signal }).then((ticket) => {
      order.push(name);
      free(ticket);
    });
  const all = [ask('small', 1), ask('large', 100), ask('check', 0, true)];
  free(first);
  await Promise.all(all);
  expect(order).toEqual(['check', 'large', 'small']);
});

test('a limit that asks for hours ends the request, and says until when', async () => {
  const gate = new CredentialGate();
  const admission = new Admission(gate, systemClock);
  const ticket = await admission.admit({ endpoint: 'a', weight: () => 1, signal });
  gate.answered(systemClock.monotonic(), ticket, {
    kind: 'rejected',
    signs: { readings: [], rejection: { limit: 'daily', reason: 'budget', retryAfterMs: 7_200_000 } },
    serverTimeMs: undefined,
  });
  await expect(admission.admit({ endpoint: 'a', weight: () => 1, signal })).rejects.toMatchObject({
    code: 'quota_used_up',
    expected: expect.stringContaining('daily'),
  });
});

test('who leaves while waiting is never granted', async () => {
  const gate = new CredentialGate({ ceilings: { maxConcurrency: 1 } });
  const admission = new Admission(gate, systemClock);
  await admission.admit({ endpoint: 'a', weight: () => 1, signal });
  const controller = new AbortController();
  const waiting = admission.admit({ endpoint: 'a', weight: () => 1, signal: controller.signal });
  controller.abort();
  await expect(waiting).rejects.toMatchObject({ code: 'stopped' });
  expect(gate.status(0).requests).toBe(1);
});

test.each([99999999999999 * 1000, 1e300])(
  'a limit that asks for %d ms ends the request with a reason, not the process',
  async (waitMs) => {
    const gate = new CredentialGate();
    gate.check = () => ({ go: false, waitMs, reason: 'Retry-After', limit: 'requests' });
    const admission = new Admission(gate, systemClock);
    const found = await admission.admit({ endpoint: 'a', weight: () => 1, signal }).catch((error: unknown) => error);
    expect(found).toMatchObject({ code: 'quota_used_up' });
  },
);

test('with 200 waiting nobody is weighed while nothing may leave, and each once where something may', async () => {
  const gate = new CredentialGate();
  gate.check = () => ({ go: false, waitMs: Infinity, reason: 'rate limit', limit: 'requests' });
  const admission = new Admission(gate, systemClock);
  let weighed = 0;
  const controller = new AbortController();
  const all = Array.from({ length: 200 }, () =>
    admission.admit({ endpoint: 'a', weight: () => ++weighed, signal: controller.signal }).catch(() => {}),
  );
  expect(weighed).toBe(0);
  let left = 3;
  gate.check = () => (left-- > 0 ? { go: true } : { go: false, waitMs: Infinity, reason: 'rate limit', limit: 'x' });
  admission.pump();
  expect(weighed).toBeLessThanOrEqual(200);
  controller.abort();
  await Promise.all(all);
});

test("a permit that no request was sent with is given back; one that was used is the client's to answer", async () => {
  const gate = new CredentialGate({ ceilings: { maxConcurrency: 1 } });
  const admission = new Admission(gate, systemClock);
  const ask = () => admission.admit({ endpoint: 'a', weight: () => 1, signal });
  const unused = await ask();
  admission.giveBack(unused);
  const used = await ask();
  admission.use(used);
  admission.giveBack(used);
  admission.giveBack(unused);
  let isAdmitted = false;
  const waiting = ask().then(() => (isAdmitted = true));
  await Promise.resolve();
  expect(isAdmitted).toBe(false);
  gate.answered(systemClock.monotonic(), used, {
    kind: 'accepted',
    signs: { readings: [] },
    serverTimeMs: undefined,
  });
  admission.pump();
  await waiting;
});

test.each([4, 8, 16])(
  '%d endpoints with limits of their own are read to their ends together, however many streams they have',
  async (n) => {
    // In a tick the gate lets four requests go, one of an endpoint.
    const endpoints = Array.from({ length: n }, (_, i) => `e${i}`);
    let [room, used] = [0, new Set<string>()];
    const gate = new CredentialGate();
    gate.check = (_now, { endpoint }) =>
      room > 0 && !used.has(endpoint)
        ? { go: true }
        : { go: false, waitMs: Infinity, reason: 'rate limit', limit: 'requests' };
    gate.sent = (_now, { endpoint }) => {
      room--;
      used.add(endpoint);
      return {} as Ticket;
    };
    const admission = new Admission(gate, systemClock);
    let left = 0;
    const read = async (endpoint: string, pages: number) => {
      const weight = () => pages;
      for (; pages > 0; pages--, left--) await admission.admit({ endpoint, weight, signal });
    };
    // Each endpoint has as much to read: the first in one stream, the last in many small ones.
    const all = endpoints.flatMap((endpoint, k) =>
      Array.from({ length: 4 ** (k % 4) }, () => {
        const pages = 64 / 4 ** (k % 4);
        left += pages;
        return read(endpoint, pages);
      }),
    );
    const least = Math.max(left / 4, left / n);
    let ticks = 0;
    for (; left > 0 && ticks < 10 * least; ticks++) {
      [room, used] = [4, new Set()];
      admission.pump();
      await new Promise(setImmediate);
    }
    await Promise.all(all);
    expect(ticks / least).toBeLessThan(1.05);
  },
);
