/** Hands admitted tasks to a Restate server, which keeps them and delivers them to endpoints (endpoint.ts). */
import { eitherOf } from '../../../base/either-signal.js';
import { request } from 'undici';
import type { Clock } from '../../../base/clock.js';
import { ConfigError, messageOf } from '../../../base/errors.js';
import type { Executor } from '../../scheduler/executor.js';
import type { Scheduler } from '../../scheduler/scheduler.js';
import type { ClaimedTask } from '../../scheduler/task.js';

/** How tasks reach a server. */
export interface RestateExecutorOptions {
  scheduler: Scheduler;
  clock: Clock;
  /** The server's ingress, such as http://127.0.0.1:8080. */
  ingress: string;
  /** Bearer token of the ingress, where it wants one. */
  token?: string | undefined;
  /** Told when the server cannot be reached. */
  onTrouble?: (message: string) => void;
}

/** Name of the service and its handler at the server. */
export const SERVICE = 'headrace';
export const HANDLER = 'run';

/** How often it looks which tasks were adopted; one question for all of them. */
const LOOK_MS = 200;
const SUBMIT_TIMEOUT_MS = 10_000;
/** A task that no endpoint took for so long is handed over anew: the engine may have given it up. */
const HANDOVER_MS = 900_000;
const AGAIN_FIRST_MS = 100;
const AGAIN_LAST_MS = 5_000;

/** Hands tasks that were claimed to a server, and waits until an endpoint adopted each. */
export function restateExecutor({ scheduler, clock, ingress, token, onTrouble }: RestateExecutorOptions): Executor {
  const base = ingressOf(ingress);
  const handovers = new Handovers(scheduler, clock);

  /** Sent again, the same attempt is the same invocation. */
  const submit = async (task: ClaimedTask, signal: AbortSignal): Promise<void> => {
    for (let waitMs = AGAIN_FIRST_MS; !signal.aborted; waitMs = Math.min(2 * waitMs, AGAIN_LAST_MS)) {
      try {
        const { statusCode, body } = await request(`${base}/${SERVICE}/${HANDLER}/send`, {
          method: 'POST',
          body: JSON.stringify(task),
          signal: AbortSignal.any([signal, AbortSignal.timeout(SUBMIT_TIMEOUT_MS)]),
          headers: {
            'content-type': 'application/json',
            'idempotency-key': `${task.id}/${task.attempt}`,
            ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          },
        });
        const text = await body.text();
        if (statusCode < 300) return;
        onTrouble?.(`Restate answered ${statusCode}: ${text.slice(0, 200)}`);
      } catch (error) {
        if (!signal.aborted) onTrouble?.(`Restate cannot be reached: ${messageOf(error)}`);
      }
      await clock.sleep(waitMs, signal);
    }
  };

  return {
    description: `Restate at ${base}`,
    handle: async (task, { signal }) => {
      const late = new AbortController();
      const cancel = clock.after(HANDOVER_MS, () => late.abort());
      const { signal: either, leave } = eitherOf(signal, late.signal);
      try {
        await submit(task, either);
        await handovers.over(task, either);
      } finally {
        cancel();
        leave();
      }
      // A delivery after this finds another attempt, and ends.
      return either.aborted ? { state: 'again' } : 'settled';
    },
  };
}

/** Without a slash at the end. Throws ConfigError where it is no URL. */
export function ingressOf(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (!parsed || !/^https?:$/.test(parsed.protocol))
    throw new ConfigError('the address of the Restate server is no URL', {
      code: 'bad_ingress',
      expected: 'http://HOST:8080',
      found: url.slice(0, 100),
    });
  return parsed.origin + parsed.pathname.replace(/\/$/, '');
}

/** Attempts that wait to be adopted. */
class Handovers {
  private readonly waiting = new Map<ClaimedTask, () => void>();
  private looking = false;

  constructor(
    private readonly scheduler: Scheduler,
    private readonly clock: Clock,
  ) {}

  /** Until the attempt is another's, or the signal aborts. */
  over(task: ClaimedTask, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        this.waiting.delete(task);
        resolve();
      };
      this.waiting.set(task, done);
      signal.addEventListener('abort', done, { once: true });
      if (!this.looking) void this.look();
    });
  }

  private async look(): Promise<void> {
    this.looking = true;
    while (this.waiting.size > 0) {
      await this.clock.sleep(LOOK_MS);
      const asked = [...this.waiting.keys()];
      try {
        const held = new Set(await this.scheduler.held(asked));
        for (const task of asked) if (!held.has(task.id)) this.waiting.get(task)?.();
      } catch {
        // The database is away: the worker's heartbeat knows what that means.
      }
    }
    this.looking = false;
  }
}
