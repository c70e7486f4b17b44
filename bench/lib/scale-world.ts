/**
 * A fleet of any size in virtual time: schedules fall due, the scheduler's model admits, workers run, and one database
 * (of a shard) takes its time for each statement. What a statement costs is measured elsewhere (scale-costs.ts).
 */
import { seededRandom } from '../../src/base/random.js';
import { Heap, SchedulerModel, type ModelTask } from './scheduler-model.js';

/** Milliseconds of one core of the database server. */
export interface Costs {
  /** For each schedule that is due. */
  tick: number;
  /** An end and the next claim, of one task. */
  exchange: number;
  emptyClaim: number;
  heartbeat: number;
  /** Looking whether it is one's turn for a chore. */
  turn: number;
  /** For the whole fleet, a second. */
  reap: number;
  /** A row of progress. */
  progress: number;
}

export interface Fleet {
  connections: number;
  partitions: number;
  workers: number;
  slots: number;
  /** Databases with a fleet of their own each, which all of it is divided among. */
  shards: number;
  /** Cores of each database. */
  cores: number;
  /** Between two syncs of a connection. */
  everySeconds: number;
  taskSeconds: number;
  seconds: number;
}

export interface ScaleResult {
  /** Of one shard's database, by what it is spent on: cores in use. */
  cores: Record<keyof Costs, number>;
  /** Of its cores, all together; above 1 it falls behind. */
  use: number;
  tasksPerSecond: number;
  running: number;
  /** Seconds from due to begun, of partitions that never filled their cap. */
  wait: { p50: number; p99: number; most: number };
  /** Of the largest hundredth of partitions, where the cap itself makes wait. */
  largeWait: { p50: number; p99: number };
  /** Share of runs that begun in time of the worst-served tenth of partitions, over that of all: 1 is fair. */
  fairness: number;
  /** Joined one that had not begun yet: a run that was left out. */
  skipped: number;
  sessions: number;
}

/** Caps of apps, as limits give them: a few a day, some a second, many a second. */
const CAPS = [2, 2, 5, 12, 50];
const PROGRESS_EVERY_SECONDS = 5;
/** After a look in vain a worker looks no sooner, whatever it is told. */
const QUIET_SECONDS = 0.2;
const SIGMA = 0.8;

interface Event {
  atMs: number;
  act: () => void;
}

/** Long because it is one world: everything in it turns about the same clock. */
export function simulateScale(fleet: Fleet, costs: Costs, seed = 1): ScaleResult {
  const random = seededRandom(seed);
  const connections = Math.round(fleet.connections / fleet.shards);
  const partitions = Math.round(fleet.partitions / fleet.shards);
  const workers = Math.max(1, Math.round(fleet.workers / fleet.shards));
  const model = new SchedulerModel();
  for (let p = 0; p < partitions; p++) model.addPartition(CAPS[random.integer(CAPS.length)]!);
  // A few partitions have many connections, most have a few.
  for (let c = 0; c < connections; c++)
    model.addConnection(c < partitions ? c : Math.floor(partitions * random.next() ** 3), 4);

  const events = new Heap<Event>((a, b) => a.atMs < b.atMs);
  let nowMs = 0;
  const at = (atMs: number, act: () => void) => events.push({ atMs, act });

  // The database: what is always there takes its share, the rest queues for its cores.
  const spent: Record<keyof Costs, number> = {
    tick: 0,
    exchange: 0,
    emptyClaim: 0,
    heartbeat: 0,
    turn: 0,
    reap: 0,
    progress: 0,
  };
  const tasksPerSecond = connections / fleet.everySeconds;
  const runningExpected = tasksPerSecond * fleet.taskSeconds;
  const always = (kind: keyof Costs, perSecond: number) => (spent[kind] += perSecond * fleet.seconds * costs[kind]);
  always('heartbeat', workers);
  always('turn', 2 * workers);
  always('reap', 1);
  always('progress', runningExpected / PROGRESS_EVERY_SECONDS);
  // Each hint comes to all that have room, and each of those looks once in a while for it.
  const hints = Math.min(1 / QUIET_SECONDS, 1 + tasksPerSecond / 20);
  always('emptyClaim', hints * Math.max(0, workers - runningExpected / fleet.slots));
  const background = Object.values(spent).reduce((sum, ms) => sum + ms, 0) / (fleet.seconds * 1000 * fleet.cores);
  const slower = 1 / Math.max(0.02, 1 - background);
  const free = new Array<number>(fleet.cores).fill(0);
  const query = (kind: keyof Costs, count: number, done: () => void) => {
    let core = 0;
    for (let n = 1; n < free.length; n++) if (free[n]! < free[core]!) core = n;
    const ms = costs[kind] * count;
    spent[kind] += ms;
    free[core] = Math.max(nowMs, free[core]!) + ms * slower;
    at(free[core]!, done);
  };

  const roomy: number[] = [];
  const room = new Array<number>(workers).fill(fleet.slots);
  const isAsking = new Uint8Array(workers);
  for (let w = 0; w < workers; w++) roomy.push(w);
  const dues = new Int32Array(connections);
  const begun = new Int32Array(connections);
  const isWaiting = new Uint8Array(connections);
  const waits: number[] = [];
  const largeWaits: number[] = [];
  const wasFull = new Uint8Array(partitions);
  const isLarge = (p: number) => p < partitions / 100;
  let skipped = 0;
  let running = 0;
  let sumRunning = 0;
  let looks = 0;
  const warmMs = fleet.seconds * 250;

  const begin = (task: ModelTask, worker: number) => {
    const { partition } = model.connections[task.connection]!;
    isWaiting[task.connection] = 0;
    begun[task.connection]!++;
    running++;
    if (nowMs > warmMs) {
      const seconds = (nowMs - task.dueMs) / 1000;
      if (isLarge(partition)) largeWaits.push(seconds);
      else if (!wasFull[partition]) waits.push(seconds);
    }
    if (model.partitions[partition]!.running >= model.partitions[partition]!.cap) wasFull[partition] = 1;
    const normal = Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
    const lasts = fleet.taskSeconds * 1000 * Math.exp(SIGMA * normal - (SIGMA * SIGMA) / 2);
    at(nowMs + lasts, () => {
      query('exchange', 1, () => {
        model.end(task, false);
        running--;
        if (room[worker]!++ === 0) roomy.push(worker);
        take(worker, model.claim(1));
        wake();
      });
    });
  };
  const take = (worker: number, tasks: ModelTask[]) => {
    for (const task of tasks) {
      room[worker]!--;
      begin(task, worker);
    }
  };
  /** The first who asks of those that were told. */
  const wake = () => {
    if (!model.hasWork) return;
    for (let tries = 0; tries < 8 && roomy.length > 0; tries++) {
      const place = random.integer(roomy.length);
      const worker = roomy[place]!;
      if (room[worker]! <= 0) {
        roomy[place] = roomy.at(-1)!;
        roomy.pop();
        continue;
      }
      if (isAsking[worker]) continue;
      isAsking[worker] = 1;
      const count = room[worker]!;
      query('exchange', Math.min(count, 4) / 2, () => {
        isAsking[worker] = 0;
        take(worker, model.claim(room[worker]!));
        wake();
      });
      return;
    }
  };

  const phase = Array.from({ length: connections }, () => random.next() * fleet.everySeconds * 1000);
  const order = phase.map((_, n) => n).toSorted((a, b) => phase[a]! - phase[b]!);
  let next = 0;
  let round = 0;
  /** Somebody's tick: what fell due since the last, at most 200 a statement. */
  const tick = () => {
    for (;;) {
      const due: number[] = [];
      while (due.length < 200 && phase[order[next]!]! + round * fleet.everySeconds * 1000 <= nowMs) {
        due.push(order[next]!);
        if (++next === connections) [next, round] = [0, round + 1];
      }
      if (due.length > 0) {
        const dueMs = nowMs;
        query('tick', due.length, () => {
          for (const connection of due) {
            dues[connection]!++;
            if (isWaiting[connection]) skipped++;
            else {
              isWaiting[connection] = 1;
              model.enqueue(connection, { dueMs, exclusive: true, priority: 0 });
            }
          }
          wake();
        });
      }
      if (due.length < 200) break;
    }
    sumRunning += running;
    looks++;
    at(nowMs + 1000, tick);
  };
  at(0, tick);
  for (let event = events.pop(); event && event.atMs < fleet.seconds * 1000; event = events.pop()) {
    nowMs = event.atMs;
    event.act();
  }

  const shares = partitionShares(model, dues, begun, partitions);
  const cores = Object.fromEntries(
    Object.entries(spent).map(([kind, ms]) => [kind, ms / (fleet.seconds * 1000)]),
  ) as ScaleResult['cores'];
  return {
    cores,
    use: Object.values(cores).reduce((sum, each) => sum + each, 0) / fleet.cores,
    tasksPerSecond,
    running: sumRunning / looks,
    wait: { p50: part(waits, 0.5), p99: part(waits, 0.99), most: part(waits, 1) },
    largeWait: { p50: part(largeWaits, 0.5), p99: part(largeWaits, 0.99) },
    fairness: shares,
    skipped,
    sessions: workers + Math.ceil((spent.exchange + spent.tick) / (fleet.seconds * 1000)) + 1,
  };
}

/** Of the tenth of partitions that got least of what was due, what they got; over what all got. */
function partitionShares(model: SchedulerModel, dues: Int32Array, begun: Int32Array, partitions: number): number {
  const due = new Float64Array(partitions);
  const got = new Float64Array(partitions);
  for (const [connection, { partition }] of model.connections.entries()) {
    due[partition]! += dues[connection]!;
    got[partition]! += begun[connection]!;
  }
  // Those whose cap is their own bound are not the scheduler's to serve sooner.
  const served: number[] = [];
  for (let p = Math.ceil(partitions / 100); p < partitions; p++) if (due[p]! > 0) served.push(got[p]! / due[p]!);
  const sorted = served.toSorted((a, b) => a - b);
  const mean = (list: number[]) => list.reduce((sum, each) => sum + each, 0) / Math.max(1, list.length);
  return sorted.length === 0 ? 1 : mean(sorted.slice(0, Math.ceil(sorted.length / 10))) / mean(sorted);
}

function part(list: number[], share: number): number {
  if (list.length === 0) return 0;
  const sorted = list.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
}
