/** Tasks as durable workflows of a Restate server: its journal, its timers, its retries, its cancellation. */
import { eitherOf } from '../../../base/either-signal.js';
import { service, type Context } from '@restatedev/restate-sdk';
import { request } from 'undici';
import { FatalError, RetriableError } from '../../../base/errors.js';
import type { Durable, WorkflowEngine, WorkflowOutcome, WorkflowTask } from '../../workflow/durable.js';
import { taskWorkflow, type InSlot, type TaskSteps } from '../../workflow/task-workflow.js';
import { ingressOf } from './executor.js';

/** The steps of a task, and what runs one in a slot of the scheduler. */
export interface WorkflowParts {
  steps: TaskSteps;
  inSlot: InSlot;
}

/** Name of the service at the server. */
const WORKFLOWS = 'headraceTask';
const TIMEOUT_MS = 10_000;
/** What the server answers of an invocation that has not ended. */
const NOT_READY = 470;
const CANCELLED = 409;

/** The service that an endpoint offers beside the delivery of admitted tasks. */
export function workflowService({ steps, inSlot }: WorkflowParts) {
  return service({
    name: WORKFLOWS,
    handlers: {
      run: (context: Context, { id, task }: { id: string; task: WorkflowTask }): Promise<WorkflowOutcome> =>
        taskWorkflow(task, durableOf(context, id), steps, inSlot),
    },
    // A step may take hours without a word to the server.
    options: { inactivityTimeout: { days: 1 }, abortTimeout: { hours: 1 }, journalRetention: { days: 1 } },
  });
}

function durableOf(context: Context, id: string): Durable {
  return {
    id,
    async step(name, work) {
      const stop = new AbortController();
      let working: Promise<unknown> = Promise.resolve();
      try {
        return await context.run(
          name,
          () => {
            // The server takes no answer any more of an attempt that it has given up.
            const either = eitherOf(stop.signal, context.request().attemptCompletedSignal);
            const done = work(either.signal).finally(either.leave);
            working = done.catch(() => {});
            return done;
          },
          { initialRetryInterval: 200, maxRetryInterval: 10_000 },
        );
      } catch (error) {
        // Cancelled: what works still ends first, and gives its slot back.
        stop.abort('cancel');
        await working;
        throw error;
      }
    },
    sleep: async (name, ms) => void (await context.sleep(ms, name)),
  };
}

/** Where the server of workflows is. */
export interface RestateEngineOptions {
  /** Such as http://127.0.0.1:8080. */
  ingress: string;
  /** The server's admin address, such as http://127.0.0.1:9070: to cancel. */
  admin?: string | undefined;
  /** Bearer token of both, where they want one. */
  token?: string | undefined;
}

/** Starts workflows at a server. Throws RetriableError where it cannot be reached. */
export function restateEngine({ ingress, admin, token }: RestateEngineOptions): WorkflowEngine {
  const base = ingressOf(ingress);
  const ask = async (method: 'GET' | 'POST' | 'PATCH', url: string, body?: unknown, more?: Record<string, string>) => {
    try {
      const answer = await request(url, {
        method,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(TIMEOUT_MS),
        headers: {
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...more,
        },
      });
      return { status: answer.statusCode, text: await answer.body.text() };
    } catch (cause) {
      throw new RetriableError('Restate cannot be reached', {
        code: 'restate_unreachable',
        place: new URL(url).origin,
        next: 'see whether the server runs there',
        cause,
      });
    }
  };
  const refused = (what: string, { status, text }: { status: number; text: string }) =>
    new RetriableError(`Restate did not ${what}`, {
      code: 'restate_refused',
      place: base,
      found: `${status}: ${text.slice(0, 200)}`,
      next: 'see whether an endpoint is registered: headrace worker --endpoint',
    });

  return {
    description: `Restate at ${base}`,
    async start(id, task) {
      const answer = await ask('POST', `${base}/${WORKFLOWS}/run/send`, { id, task }, { 'idempotency-key': id });
      if (answer.status >= 300) throw refused('take the task', answer);
      return (JSON.parse(answer.text) as { invocationId: string }).invocationId;
    },
    async cancel(handle) {
      if (admin === undefined)
        throw new FatalError('without its admin address nothing is cancelled at Restate', {
          code: 'no_admin',
          expected: 'the address of the admin API, such as http://127.0.0.1:9070',
          next: 'name it, or run: restate invocations cancel ID',
        });
      const answer = await ask('PATCH', `${ingressOf(admin)}/invocations/${encodeURIComponent(handle)}/cancel`);
      if (answer.status >= 300) throw refused('cancel it', answer);
    },
    async outcome(handle) {
      const answer = await ask('GET', `${base}/restate/invocation/${encodeURIComponent(handle)}/output`);
      if (answer.status === NOT_READY) return undefined;
      if (answer.status === CANCELLED) return { state: 'cancelled' };
      if (answer.status >= 300) throw refused('tell the outcome', answer);
      return JSON.parse(answer.text) as WorkflowOutcome;
    },
  };
}
