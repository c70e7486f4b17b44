/** How late repeated runs began, from looks at the scheduler's tables. */

/** A schedule with the newest of its tasks, at one look. */
export interface Sighting {
  connection: string;
  nextMs: number;
  nowMs: number;
  everySeconds: number;
  task: number | null;
  enqueuedMs: number | null;
  /** Undefined or null until it began; of one that began again, the later time. */
  startedMs: number | null;
}

export const medianOf = (values: number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

/**
 * A run is as late as it began after it was due. Due it was at the last time of its schedule's grid before it was
 * enqueued, or before that where the schedule was seen overdue.
 */
export class Lateness {
  private readonly late: number[] = [];
  private worst = 0;
  /** Of each connection: the earliest time at which it was seen to be due and no task stood for it. */
  private readonly overdue = new Map<string, number>();
  /** Tasks that were seen to have begun. */
  private readonly begun = new Map<string, number>();

  get runs(): number {
    return this.late.length;
  }

  look(sightings: Sighting[]): void {
    for (const each of sightings) this.lookAt(each);
  }

  private lookAt({ connection, nextMs, nowMs, everySeconds, task, enqueuedMs, startedMs }: Sighting): void {
    if (nextMs < nowMs) {
      if (!this.overdue.has(connection)) this.overdue.set(connection, nextMs);
      this.worst = Math.max(this.worst, (nowMs - nextMs) / 1000);
    }
    if (task === null || enqueuedMs === null || this.begun.get(connection) === task) return;
    const every = everySeconds * 1000;
    const onGrid = nextMs - Math.ceil((nextMs - enqueuedMs) / every) * every;
    const dueMs = Math.min(onGrid, this.overdue.get(connection) ?? onGrid);
    if (startedMs === null) {
      this.worst = Math.max(this.worst, (nowMs - dueMs) / 1000);
      return;
    }
    const isFirst = !this.begun.has(connection);
    this.begun.set(connection, task);
    this.overdue.delete(connection);
    // What ran before the first look is not looked at.
    if (isFirst) return;
    this.late.push(Math.max(0, (startedMs - dueMs) / 1000));
    this.worst = Math.max(this.worst, this.late.at(-1)!);
  }

  /** The latest since it was asked last, what has not begun yet included. */
  takeWorst(): number {
    const worst = this.worst;
    this.worst = 0;
    return worst;
  }

  median(): number {
    return medianOf(this.late);
  }

  part(share: number): number {
    const sorted = this.late.toSorted((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
  }

  most(): number {
    return this.late.length === 0 ? Number.NaN : Math.max(...this.late);
  }

  over(seconds: number): number {
    return this.late.filter((each) => each > seconds).length;
  }
}
