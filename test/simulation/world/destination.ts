/** The virtual database as a destination: the contract of `destinations/contract.ts`, kept to the letter. */
import type { DataRecord } from '../../../src/base/catalog.js';
import { FatalError } from '../../../src/base/errors.js';
import {
  type Unseen,
  addCounts,
  noCounts,
  type Batch,
  type CommitReceipt,
  type Counts,
  type Destination,
  type DestinationSession,
  type DestinationWait,
  type Loan,
  type LoanBook,
  type OpenOptions,
  type PreparedRows,
  type PrepareInput,
  type StateEntry,
  type StateWrite,
} from '../../../src/destinations/contract.js';
import type { Database, StoredLoan, Undo } from './database.js';
import { Link } from './link.js';
import type { Process } from './process.js';

/** A borrower that gave no sign of life for this long is gone. */
const STALE_MS = 2500;
const ROW_BYTES = 60;

interface Prepared extends PreparedRows {
  input: PrepareInput;
  keys: string[];
}

export function virtualDestination(database: Database, process: Process): Destination {
  return {
    description: 'the virtual database',
    check: () => database.travel(process),
    open: async (options) => new VirtualSession(database, await Link.open(database, process, options), options),
    close: async () => {},
  };
}

const keyOf = (record: DataRecord) => String(record['id']);

class VirtualSession implements DestinationSession {
  readonly capabilities = { keys: true };
  readonly loans: LoanBook;

  constructor(
    private readonly database: Database,
    private readonly link: Link,
    private readonly options: OpenOptions,
  ) {
    this.loans = new VirtualLoans(database, link);
  }

  waits(): DestinationWait[] {
    return this.link.waits();
  }

  loadState(): Promise<StateEntry[]> {
    return this.link.run('loadState', 1, () =>
      [...this.database.tables.state.values()].map((entry) => structuredClone(entry)),
    );
  }

  writeState(writes: StateWrite[]): Promise<void> {
    return this.link.write('writeState', 1, writes, () => {}, undefined);
  }

  prepare(input: PrepareInput): PreparedRows {
    if (input.records.some((record) => record['poison'] === true))
      throw new FatalError('a row has too many fields', { code: 'too_many_columns', place: input.stream });
    return {
      stream: input.stream,
      rows: input.records.length,
      bytes: input.records.length * ROW_BYTES,
      quarantined: 0,
      input,
      keys: input.records.map(keyOf),
    } as Prepared;
  }

  commit(batch: Batch): Promise<CommitReceipt> {
    const parts = batch.rows as Prepared[];
    const unknown: CommitReceipt = { counts: {} };
    for (const { stream, rows } of parts)
      addCounts(unknown.counts, stream, { ...noCounts(), read: rows, unchanged: rows });
    const work = (undo: Undo) => {
      const counts: Record<string, Counts> = {};
      for (const part of parts) addCounts(counts, part.stream, this.store(part, undo));
      for (const [stream, more] of Object.entries(counts)) this.database.addCounts(stream, more, undo);
      return { counts };
    };
    return this.link.write('commit', this.database.agenda.between(1, 8), batch.state, work, unknown);
  }

  counts(): Promise<Record<string, Counts>> {
    return this.link.run('counts', 1, () => Object.fromEntries(this.database.tables.counts));
  }

  stored(stream: string): Promise<{ keys: number; deleted: number }> {
    return this.link.run('stored', 1, () => {
      const rows = this.database.tableOf(stream);
      let deleted = 0;
      for (const { isDeleted } of rows.values()) if (isDeleted) deleted++;
      return { keys: rows.size, deleted };
    });
  }

  forgetUnseen(
    stream: string,
    generation: number,
    within: { field: string; gte: number | null; lt: number } | undefined,
  ): Promise<number> {
    return this.link.run('forgetUnseen', 2, (undo) => {
      const seen = this.database.tables.seen.get(stream)?.get(generation) ?? new Set();
      let deleted = 0;
      for (const [key, row] of this.database.tableOf(stream)) {
        const position = within ? Number(row.record[within.field]) : 0;
        const isWithin = !within || (position < within.lt && position >= (within.gte ?? -Infinity));
        if (row.isDeleted || seen.has(key) || !isWithin) continue;
        this.database.onTombstone(stream, key);
        this.database.set(this.database.tableOf(stream), key, { ...row, isDeleted: true }, undo);
        deleted++;
      }
      this.database.addCounts(stream, { deleted }, undo);
      return deleted;
    });
  }

  unseen(stream: string, generation: number, limit: number): Promise<Unseen> {
    return this.link.run('unseen', 1, () => {
      const seen = this.database.tables.seen.get(stream)?.get(generation) ?? new Set();
      const live = [...this.database.tableOf(stream)].filter(([, row]) => !row.isDeleted);
      const gone = live.filter(([key]) => !seen.has(key));
      return {
        rows: gone.length,
        live: live.length,
        sample: gone.slice(0, limit).map(([, row]) => row.record),
        digest: gone
          .map(([key]) => key)
          .toSorted()
          .join(),
      };
    });
  }

  beginAccount(stream: string): Promise<number> {
    return this.link.run('beginAccount', 2, (undo) => {
      const held = this.database.tableOf(stream).size;
      const { inserted, deleted } = this.database.tables.counts.get(stream) ?? noCounts();
      const own = Math.min(held, inserted);
      this.database.set(
        this.database.tables.counts,
        stream,
        { ...noCounts(), read: own, inserted: own, deleted },
        undo,
      );
      return held - own;
    });
  }

  async quarantined(): Promise<number> {
    return 0;
  }

  async strangers(): Promise<DataRecord[]> {
    return [];
  }

  async restart(): Promise<void> {}
  async publish(): Promise<void> {}

  lookup(stream: string, keys: DataRecord[]): Promise<(DataRecord | null)[]> {
    return this.link.run('lookup', 1, () =>
      keys.map((key) => this.database.tableOf(stream).get(keyOf(key))?.record ?? null),
    );
  }

  keysWithin(stream: string, field: string, gte: number, lt: number, limit: number): Promise<DataRecord[]> {
    return this.link.run('keysWithin', 1, () =>
      [...this.database.tableOf(stream).values()]
        .filter(({ record, isDeleted }) => !isDeleted && Number(record[field]) >= gte && Number(record[field]) < lt)
        .slice(0, limit)
        .map(({ record }) => ({ id: record['id'] })),
    );
  }

  /** It waits for the disk, and with it all that came before. */
  finishRun(): Promise<void> {
    return this.link.run('finishRun', 5, () => {
      this.database.tables.runs.set(this.options.runId, { isOver: true });
      this.database.settle();
    });
  }

  async close(): Promise<void> {
    this.link.close();
  }

  /** As the merge statement has it: of one key the later read wins, and what did not change stays. */
  private store({ input, keys }: Prepared, undo: Undo): Counts {
    const { database } = this;
    const counts = { ...noCounts(), read: keys.length };
    const table = database.tableOf(input.stream);
    for (const [index, record] of input.records.entries()) {
      const before = table.get(keys[index]!);
      const isNewer = !before || input.version >= before.version;
      const isSame = before && !before.isDeleted && before.record['rev'] === record['rev'];
      if (!isNewer || isSame) counts.unchanged++;
      else {
        database.set(table, keys[index]!, { record, version: input.version, isDeleted: false }, undo);
        if (before) counts.updated++;
        else counts.inserted++;
      }
    }
    for (const record of input.deleted ?? []) {
      const row = table.get(keyOf(record));
      if (!row || row.isDeleted || row.version > input.version) continue;
      database.onTombstone(input.stream, keyOf(record));
      database.set(table, keyOf(record), { ...row, version: input.version, isDeleted: true }, undo);
      counts.deleted++;
    }
    if (input.remember !== undefined) this.rememberKeys(input.stream, input.remember, keys, undo);
    return counts;
  }

  private rememberKeys(stream: string, generation: number, keys: string[], undo: Undo): void {
    const { seen } = this.database.tables;
    let generations = seen.get(stream);
    if (!generations) seen.set(stream, (generations = new Map()));
    let own = generations.get(generation);
    if (!own) generations.set(generation, (own = new Set()));
    const fresh = keys.filter((key) => !own.has(key));
    for (const key of fresh) own.add(key);
    undo.push(() => fresh.forEach((key) => own.delete(key)));
  }
}

class VirtualLoans implements LoanBook {
  constructor(
    private readonly database: Database,
    private readonly link: Link,
  ) {}

  recall(): Promise<void> {
    return this.run('recall', (undo) => {
      const { loans, state } = this.database.tables;
      const wasLent = [...loans.values()].some((loan) => loan.state !== 'asked');
      for (const id of loans.keys()) this.database.set(loans, id, undefined, undo);
      if (!wasLent) return;
      for (const [at, entry] of state) this.database.set(state, at, { ...entry, version: entry.version + 1 }, undo);
    });
  }

  of(run: string): Promise<Loan[]> {
    return this.run('loans', () =>
      [...this.all.values()].filter((loan) => loan.run === run).map((loan) => this.told(loan)),
    );
  }

  grant(id: number, what: Pick<Loan, 'stream' | 'range' | 'firstId'>): Promise<void> {
    this.link.hasLent = true;
    return this.run(`grant ${id}`, (undo) => {
      this.change(id, { ...what, state: 'granted' }, undo);
      this.database.onGrant(this.all.get(id)?.borrower ?? '');
    });
  }

  end(id: number): Promise<void> {
    return this.run(`end ${id}`, (undo) => this.database.set(this.all, id, undefined, undo));
  }

  ask(run: string, borrower: string): Promise<number> {
    return this.run('ask', (undo) => {
      const id = this.database.newLoan();
      const seenMs = this.database.agenda.nowMs;
      this.database.set(
        this.all,
        id,
        { id, state: 'asked', stream: '', range: 0, firstId: 0, run, borrower, seenMs },
        undo,
      );
      return id;
    });
  }

  look(id: number): Promise<Loan | undefined> {
    return this.run('look', (undo) => {
      this.change(id, { seenMs: this.database.agenda.nowMs }, undo);
      const loan = this.all.get(id);
      return loan && this.told(loan);
    });
  }

  giveBack(id: number): Promise<void> {
    return this.run(`giveBack ${id}`, (undo) => this.change(id, { state: 'returned' }, undo));
  }

  isRunOver(run: string): Promise<boolean> {
    return this.run('isRunOver', () => this.isOver(run));
  }

  isLed(run: string): Promise<boolean> {
    return this.run('isLed', () => !this.isOver(run) && this.database.lock !== undefined);
  }

  private isOver(run: string): boolean {
    return this.database.tables.runs.get(run)?.isOver ?? true;
  }

  private get all(): Map<number, StoredLoan> {
    return this.database.tables.loans;
  }

  private change(id: number, what: Partial<StoredLoan>, undo: Undo): void {
    const loan = this.all.get(id);
    if (loan) this.database.set(this.all, id, { ...loan, ...what }, undo);
  }

  private told({ id, state, stream, range, firstId, seenMs }: StoredLoan): Loan {
    return { id, state, stream, range, firstId, stale: seenMs < this.database.agenda.nowMs - STALE_MS };
  }

  private run<T>(what: string, work: (undo: Undo) => T): Promise<T> {
    return this.link.run(what, 0.3, work);
  }
}
