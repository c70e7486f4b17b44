/**
 * Processes that share a budget, in virtual time: they are killed, stand still, lose their connection, and the database
 * crashes and forgets its last commits. The gates, their admission and what they write are the real ones; the row, the
 * network and the clocks are simulated, so that hundreds of unlucky moments can be met (invariant 4).
 */
import { describe, expect, test } from 'vitest';
import { decode, encode } from '../../src/gate/shared/budget-store.js';
import {
  SERVICE_MS,
  WAY_MS,
  WAY_VARIES_MS,
  RUNS,
  World,
  Database,
  Process,
  Server,
  scene,
  kill,
} from './budget-world.js';
import { copyOf } from './stored-state.js';

describe('a budget that processes share, in virtual time', () => {
  test('undisturbed, nine tenths of it are used, in equal parts', async () => {
    for (let seed = 1; seed <= 6; seed++) {
      const { world, server, processes } = scene(seed, 3, 40);
      await world.run(20_000);
      expect(server.mostInSecond()).toBeLessThanOrEqual(40);
      expect(server.perSecond(5000, 19_000)).toBeGreaterThan(0.9 * 40);
      const parts = processes.map(({ sent }) => sent.filter((atMs) => atMs > 5000).length);
      expect(Math.min(...parts)).toBeGreaterThan(0.8 * Math.max(...parts));
    }
  });

  test('a clock of the database that is set, by an hour or by a little, holds nobody up for long', async () => {
    for (const byMs of [-3_600_000, -1500, -200, 200, 1500, 3_600_000]) {
      for (const count of [1, 3]) {
        const { world, database, server, processes } = scene(count, count, 40);
        world.in(5000, () => (database.aheadMs += byMs));
        if (count === 3) world.in(5100, () => kill(processes[0]!, database));
        await world.run(14_000);
        expect(server.perSecond(9000, 14_000), `${byMs} ms, ${count}`).toBeGreaterThan(0.9 * 40);
        expect(server.mostInSecond(), `${byMs} ms, ${count}`).toBeLessThanOrEqual(40);
      }
    }
  });

  test('no second receives more than max_rate, whoever dies, stands still or is cut off, and whatever the database forgets (40 runs)', async () => {
    let calm = 0;
    for (let seed = 1; seed <= RUNS; seed++) {
      const perSecond = [5, 20, 40][seed % 3]!;
      const { world, database, server, processes, start } = scene(seed, 1 + (seed % 4), perSecond);
      database.slowTrips = 0.003;
      const victim = () => processes.filter(({ dead }) => !dead)[Math.floor(world.random.next() * processes.length)];
      for (let at = 1500; at < 9000; at += world.between(300, 3000)) {
        world.in(at, () => {
          const chance = world.random.next();
          const one = victim();
          if (chance < 0.1) database.crash(world.between(300, 2000), chance < 0.05 ? world.between(-3000, 3000) : 0);
          else if (chance < 0.4 && one) kill(one, database);
          else if (chance < 0.7 && one) one.stillUntilMs = world.nowMs + world.between(20, 3000);
          else if (one) database.cut(one);
          if (processes.filter(({ dead }) => !dead).length < 2) world.in(world.between(0, 2500), start);
        });
      }
      for (const at of [9000, 11_500]) world.in(at, start);
      await world.run(17_000);
      expect(server.mostInSecond(), `run ${seed}`).toBeLessThanOrEqual(perSecond);
      calm += server.perSecond(14_000, 17_000) / perSecond / RUNS;
    }
    // Whatever happened: soon after, the limit is used again.
    expect(calm).toBeGreaterThan(0.8);
  });
});

test('a state that is copied has the classes and the shape of one that was encoded', async () => {
  const { world, database } = scene(1, 3, 40);
  const { states } = database;
  const keep = states.keep.bind(states);
  const pairs: [copied: unknown, decoded: unknown][] = [];
  states.keep = (state) => {
    pairs.push([copyOf(state), decode(encode(state))]);
    return keep(state);
  };
  await world.run(2000);
  expect(pairs.length).toBeGreaterThan(20);
  for (const [copied, decoded] of pairs) {
    expect(copied).toStrictEqual(decoded);
    // What two places hold together is still one object.
    expect(objectsIn(copied)).toBe(objectsIn(decoded));
  }
});

function objectsIn(value: unknown, seen = new Set<unknown>()): number {
  if (typeof value !== 'object' || value === null || seen.has(value)) return seen.size;
  seen.add(value);
  for (const inner of value instanceof Map ? value.values() : Object.values(value)) objectsIn(inner, seen);
  return seen.size;
}

describe('whoever takes over', () => {
  test('does not wait for the requests of the dead, however often one was killed (lone successors)', async () => {
    for (let seed = 1; seed <= 12; seed++) {
      const world = new World(seed);
      const database = new Database(world);
      const serviceMs = [60, 400, 1500][seed % 3]!;
      const server = new Server(world, serviceMs);
      let at = 0;
      for (let round = 0; round < 6; round++) {
        let one: Process | undefined;
        world.in(at, () => (one = new Process(world, database, server, `process ${round}`, 40, 1000, 18)));
        at += world.between(2500, 5000);
        world.in(at, () => kill(one!, database));
        // Dead for less than it takes to be missed, or for longer.
        at += world.between(100, 5000);
      }
      world.in(at, () => void new Process(world, database, server, 'the last', 40, 1000, 18));
      await world.run(at + 12_000);
      const most = Math.min(40, (18 * 1000) / (serviceMs + WAY_MS + WAY_VARIES_MS));
      expect(server.perSecond(at + 6000, at + 12_000), `seed ${seed}`).toBeGreaterThan(0.7 * most);
    }
  });

  test('knows or assumes what the dead sent last, however few requests a window takes', async () => {
    for (let seed = 1; seed <= 18; seed++) {
      const world = new World(seed);
      const database = new Database(world);
      const windowMs = [1000, 5000, 20_000][seed % 3]!;
      const requests = [1, 3, 40][Math.floor(seed / 3) % 3]!;
      const server = new Server(world, SERVICE_MS, (process) => {
        // Killed shortly after a request has left, every now and then.
        if (world.random.next() < 1 / Math.max(2, requests))
          world.in(world.between(0, 400), () => {
            if (process.dead) return;
            kill(process, database);
            world.in(world.between(50, 3500), next);
          });
      });
      let count = 0;
      const next = () =>
        void new Process(world, database, server, `process ${count++}`, (requests * 1000) / windowMs, windowMs);
      world.in(0, next);
      await world.run(100_000);
      expect(server.mostIn(windowMs), `seed ${seed}`).toBeLessThanOrEqual(requests);
      // What is assumed costs a part of the limit, no more.
      expect(server.received.length, `seed ${seed}`).toBeGreaterThan(Math.min(requests * 1.4, 3));
    }
  });

  test('an owner that stood still drops what it no longer has under way', async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const { world, server, processes, start } = scene(seed, 1, 40);
      for (let at = 3000; at <= 15_000; at += 4000)
        world.in(at, () => {
          for (const one of processes) if (!one.dead) one.stillUntilMs = world.nowMs + world.between(2000, 3000);
        });
      world.in(4200, start);
      await world.run(26_000);
      expect(server.perSecond(20_000, 26_000), `seed ${seed}`).toBeGreaterThan(0.9 * 40);
    }
  });
});
