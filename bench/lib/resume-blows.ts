/** What happens to a sync while it runs: which disturbance comes next, and how each is done to real processes. */
import type { ChildProcess } from 'node:child_process';
import type { Random } from '../../src/base/random.js';
import { connect, type PostgresTarget } from '../../src/postgres/connect.js';
import type { RestartableServer } from './restartable-server.js';

export const BLOWS = ['kill', 'stop', 'cut', 'restart', 'crash', 'second', 'zombie'] as const;
export type Blow = (typeof BLOWS)[number];

/** Of a hundred: most are kills. */
const SHARES: Record<Blow, number> = { kill: 60, stop: 10, cut: 12, restart: 6, crash: 4, second: 4, zombie: 4 };
/** So long a database is away at times; mostly it comes back at once. */
const LONG_RESTART_MS = 30_000;

export const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

export function drawBlow(random: Random): Blow {
  let left = random.next() * Object.values(SHARES).reduce((sum, share) => sum + share, 0);
  return BLOWS.find((blow) => (left -= SHARES[blow]) < 0) ?? 'kill';
}

/** Of a database that may be away. */
export async function ask(target: PostgresTarget, text: string): Promise<Record<string, any>[]> {
  for (let tries = 0; ; tries++) {
    try {
      const client = await connect(target, 'bench');
      try {
        return (await client.query(text)).rows;
      } finally {
        await client.end();
      }
    } catch (error) {
      // A table that is not there yet is no database that is away.
      if (tries > 200 || String((error as { code?: unknown }).code).startsWith('42')) throw error;
      await sleep(100);
    }
  }
}

/** Ends every session of Headrace's. */
export async function cutSessions(target: PostgresTarget): Promise<void> {
  await ask(
    target,
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'headrace%' and pid <> pg_backend_pid()`,
  );
}

/** Restarts or crashes the database; returns how long it was away on purpose, ms. */
export async function restart(server: RestartableServer, how: 'restart' | 'crash', random: Random): Promise<number> {
  const awayMs = random.next() < 0.1 ? LONG_RESTART_MS : 200 + random.next() * 4000;
  await server.restart(how === 'crash' ? 'immediate' : 'fast', awayMs);
  return awayMs;
}

/** The process stands still, and goes on where it was. */
export async function standStill(child: ChildProcess, ms: number, meanwhile?: () => Promise<void>): Promise<void> {
  child.kill('SIGSTOP');
  const over = sleep(ms);
  await meanwhile?.();
  await over;
  child.kill('SIGCONT');
}

/** Watches what a process tells of itself for pauses that it gives no reason for. */
export class PauseWatch {
  longestMs = 0;
  /** Pauses without a reason that were longer than is bearable. */
  unstated = 0;
  private moved = performance.now();
  private mark = '';
  private isStated = false;

  constructor(private readonly mostMs: number) {}

  /** What is known to stand still is no pause of the program's. */
  restart(): void {
    this.moved = performance.now();
    this.isStated = false;
  }

  note(event: Record<string, any>): void {
    if (event['type'] === 'wait') this.isStated = true;
    if (event['type'] === 'progress') {
      this.isStated ||= event['waits'].length > 0;
      const mark = `${event['rows']} ${event['requests']}`;
      if (mark === this.mark) return;
      this.mark = mark;
    } else if (event['type'] !== 'committed' && event['type'] !== 'finished') return;
    const pausedMs = performance.now() - this.moved;
    if (!this.isStated) this.longestMs = Math.max(this.longestMs, pausedMs);
    if (!this.isStated && pausedMs > this.mostMs) this.unstated++;
    this.restart();
  }

  /** The process ended. */
  end(): void {
    this.note({ type: 'finished' });
  }
}
