/**
 * A task as a durable workflow: plan, each part, changes, proof. Each is a step; timers and retries are the engine's. A
 * slot of the caps is held by a step that works, and by nothing that waits.
 */
import type { Settlement } from '../scheduler/task.js';
import type { Durable, Json, WorkflowOutcome, WorkflowTask } from './durable.js';

/** Streams that are read together. */
export interface Part {
  name: string;
  streams: string[];
}

/** What the steps of a task do. Each can be done again: what it did before is in the ledger. */
export interface TaskSteps {
  /** What is to be read, in parts; undefined: the task is one piece of work. */
  plan: (task: WorkflowTask, id: string, signal: AbortSignal) => Promise<Part[] | undefined>;
  read: (task: WorkflowTask, id: string, part: Part, signal: AbortSignal) => Promise<Settlement>;
  /** What changed since, and the run's summary. */
  changes: (task: WorkflowTask, id: string, signal: AbortSignal) => Promise<Settlement>;
  proof: (task: WorkflowTask, id: string, signal: AbortSignal) => Promise<Settlement>;
  /** A task that is one piece of work. */
  whole: (task: WorkflowTask, id: string, signal: AbortSignal) => Promise<Settlement>;
}

/** Room in the caps for one step: undefined where there is none. */
export type InSlot = <T>(
  holder: string,
  task: WorkflowTask,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
) => Promise<{ value: T } | undefined>;

/** Failed attempts at one step, after which the task is a dead letter. */
const MOST_FAILURES = 8;
const ROOM_FIRST_MS = 250;
const ROOM_LAST_MS = 15_000;
const FAILED_FIRST_MS = 1_000;
const FAILED_LAST_MS = 3_600_000;
/** Of what passes by itself. */
const PATIENT_LAST_MS = 900_000;
/** Until it looks again for what stopped of itself: a run of somebody else's has the connection. */
const AGAIN_MS = 10_000;

type Answer = { is: 'full' } | { is: 'planned'; parts: Part[] | null } | { is: 'ended'; settlement: Settlement };

/** What a step made of a task for good; what is not, is tried again. */
class Dead extends Error {
  constructor(readonly outcome: WorkflowOutcome & { state: 'dead' }) {
    super(outcome.error.message);
  }
}

export async function taskWorkflow(
  task: WorkflowTask,
  durable: Durable,
  steps: TaskSteps,
  inSlot: InSlot,
): Promise<WorkflowOutcome> {
  const { id } = durable;
  const again = (name: string, n: number) => (n === 1 ? name : `${name} #${n}`);

  /** One step that works, as often as it takes. */
  async function done(name: string, work: (signal: AbortSignal) => Promise<Answer>): Promise<Answer> {
    let failures = 0;
    let full = 0;
    let passing = 0;
    for (let n = 1; ; n++) {
      const answer = (await durable.step(again(name, n), async (signal) => {
        const held = await inSlot(id, task, signal, work);
        // An Answer is JSON, which its union does not say; the journal gives back what it was given.
        return (held?.value ?? { is: 'full' }) as unknown as Json;
      })) as unknown as Answer;
      if (answer.is === 'full') {
        await durable.sleep(`${again(name, n)}: room`, doubled(ROOM_FIRST_MS, full++, ROOM_LAST_MS));
        continue;
      }
      full = 0;
      if (answer.is === 'planned') return answer;
      const { settlement } = answer;
      if (settlement.state === 'done') return answer;
      if (settlement.state === 'again') {
        await durable.sleep(`${again(name, n)}: again`, AGAIN_MS);
        continue;
      }
      if (settlement.state === 'patient') {
        await durable.sleep(`${again(name, n)}: patient`, doubled(FAILED_FIRST_MS, passing++, PATIENT_LAST_MS));
        continue;
      }
      if (settlement.state === 'dead' || ++failures >= MOST_FAILURES)
        throw new Dead({ state: 'dead', error: settlement.error as (WorkflowOutcome & { state: 'dead' })['error'] });
      await durable.sleep(`${again(name, n)}: failed`, doubled(FAILED_FIRST_MS, failures - 1, FAILED_LAST_MS));
    }
  }
  const ended = async (name: string, work: (signal: AbortSignal) => Promise<Settlement>): Promise<Json> => {
    const answer = await done(name, async (signal) => ({ is: 'ended', settlement: await work(signal) }));
    const settlement = answer.is === 'ended' ? answer.settlement : undefined;
    return settlement?.state === 'done' ? ((settlement.result ?? null) as Json) : null;
  };

  try {
    const planned = await done('plan', async (signal) => ({
      is: 'planned',
      parts: (await steps.plan(task, id, signal)) ?? null,
    }));
    const parts = planned.is === 'planned' ? planned.parts : null;
    if (parts === null)
      return { state: 'done', result: await ended(task.kind, (signal) => steps.whole(task, id, signal)) };
    for (const part of parts) await ended(`read ${part.name}`, (signal) => steps.read(task, id, part, signal));
    const result = await ended('changes', (signal) => steps.changes(task, id, signal));
    const proof = await ended('proof', (signal) => steps.proof(task, id, signal));
    return { state: 'done', result: { ...(result as { [key: string]: Json }), proof } };
  } catch (error) {
    if (error instanceof Dead) return error.outcome;
    throw error;
  }
}

function doubled(firstMs: number, times: number, mostMs: number): number {
  return Math.min(mostMs, firstMs * 2 ** Math.min(times, 20));
}
