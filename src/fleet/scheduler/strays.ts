/**
 * Tasks that the database gave to this worker in an answer that was lost on its way: nobody runs them, and nobody else
 * may, for as long as this worker lives.
 */
import type { TaskRef } from './task.js';

export class Strays {
  /** Questions under way, whose answers may bring tasks. */
  private readonly questions = new Set<object>();
  /** Of tasks that nobody runs here: the questions that may still bring them. */
  private readonly seen = new Map<string, object[]>();

  /** Asks for tasks. */
  async asking<T>(question: () => Promise<T>): Promise<T> {
    const mark = {};
    this.questions.add(mark);
    try {
      return await question();
    } finally {
      this.questions.delete(mark);
    }
  }

  /** Of what a heartbeat says is ours, what nobody runs here and no answer can bring any more. */
  among<Task extends TaskRef>(mine: Task[], isRunning: (key: string) => boolean): Task[] {
    const now = new Map(mine.map((task) => [`${task.id}/${task.attempt}`, task]));
    for (const key of this.seen.keys()) if (!now.has(key) || isRunning(key)) this.seen.delete(key);
    const out: Task[] = [];
    for (const [key, task] of now) {
      if (isRunning(key)) continue;
      const since = this.seen.get(key);
      if (since === undefined) this.seen.set(key, [...this.questions]);
      else if (!since.some((mark) => this.questions.has(mark))) out.push(task);
    }
    return out;
  }
}
