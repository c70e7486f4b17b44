/** What must hold: of each commit, of each run that says `complete`, and at the end. */
import type { Database } from './database.js';
import type { VirtualApi } from './api.js';
import { listingOf, seesChanges, type StreamPlan } from './source.js';

export type FindingKind =
  'lost' | 'invented' | 'deleted live row' | 'false complete' | 'stuck' | 'never complete' | 'crash';

export interface Finding {
  kind: FindingKind;
  detail: string;
}

export class Oracle {
  readonly findings: Finding[] = [];
  /**
   * Of each stream, the rows that were listed when the present reading of it began, and the change of each that could
   * be known. A run that goes on with what an earlier one began reads to the end that was set then.
   */
  private readonly known = new Map<string, Map<string, number>>();

  /** The last run, after which nothing is left to come. */
  isLast = false;

  constructor(
    private readonly api: VirtualApi,
    private readonly database: Database,
    private readonly plans: StreamPlan[],
  ) {
    database.onTombstone = (stream, key) => {
      if (this.api.collection(stream).rows.has(key)) this.find('deleted live row', `${stream} ${key}`);
    };
  }

  find(kind: FindingKind, detail: string): void {
    this.findings.push({ kind, detail });
  }

  /** A run begins: when it says that it is complete, it must know of what there is now. */
  begins(plans: StreamPlan[]): void {
    for (const plan of plans) {
      if (this.known.has(plan.name)) continue;
      const rows = new Map<string, number>();
      for (const row of this.api.collection(plan.name).rows.values()) {
        // Its span ends with the last whole second: what bears the present one is the next run's.
        const isWanted = plan.start === undefined || row[listingOf(plan).field] >= plan.start;
        if (isWanted && Math.max(row.created, row.updated) < this.api.seconds)
          rows.set(row.id, seesChanges(plan) ? row.rev : 1);
      }
      this.known.set(plan.name, rows);
    }
  }

  /** A run said of these streams that they are complete and proven. */
  claimed(streams: Set<string>, isWhole: boolean): void {
    for (const { name, follow } of this.plans) {
      // What events tell of a stream is read after it, as a stream of its own.
      if (!streams.has(name) || (follow.kind === 'events' && !isWhole)) continue;
      this.compare(name, this.known.get(name)!);
      this.known.delete(name);
    }
  }

  atEnd(): void {
    for (const { name } of this.plans) {
      const { newest } = this.api.collection(name);
      for (const [key, { record }] of this.database.tableOf(name)) {
        const row = newest.get(key);
        if (!row || Number(record['rev']) > row.rev)
          this.find('invented', `${name} ${key} rev ${String(record['rev'])}`);
      }
    }
  }

  private compare(stream: string, known: Map<string, number>): void {
    const { rows } = this.api.collection(stream);
    const stored = this.database.tableOf(stream);
    const wrong: string[] = [];
    for (const [id, rev] of known) {
      if (!rows.has(id)) continue;
      const found = stored.get(id);
      if (!found) wrong.push(`${id} missing`);
      else if (found.isDeleted) wrong.push(`${id} marked deleted`);
      else if (Number(found.record['rev']) < rev) wrong.push(`${id} at rev ${String(found.record['rev'])}, not ${rev}`);
    }
    if (wrong.length > 0)
      this.find(
        this.isLast ? 'lost' : 'false complete',
        `${stream}: ${wrong.length} of ${known.size} rows, ${wrong.slice(0, 3).join(', ')}`,
      );
  }
}
