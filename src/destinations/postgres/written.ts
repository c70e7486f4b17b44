/** Entries as this session left them: a database that forgot one of them after a crash is found out. */
import type pg from 'pg';
import type { StateWrite } from '../contract.js';
import { PausedError } from '../../base/errors.js';

/** Entries that were deleted of which is remembered that they are gone: a crash forgets the last commits alone. */
const MOST_DELETED = 200;

export class WrittenEntries {
  private readonly versions = new Map<string, number>();
  /** The versions that were deleted. */
  private readonly deleted = new Map<string, number>();

  /** Versions as commits leave them of which no answer came yet: they may be stored. Undefined: deleted. */
  private readonly underWay = new Map<string, number | undefined>();

  /** What is about to be committed. */
  begin(writes: StateWrite[]): void {
    for (const { stream, key, expect, value } of writes)
      this.underWay.set(nameOf(stream, key), value === null ? undefined : expect + 1);
  }

  /** What was committed. */
  note(writes: StateWrite[]): void {
    for (const { stream, key, expect, value } of writes) {
      const entry = nameOf(stream, key);
      this.underWay.delete(entry);
      this.deleted.delete(entry);
      if (value !== null) {
        this.versions.set(entry, expect + 1);
        continue;
      }
      this.versions.delete(entry);
      this.deleted.set(entry, expect);
      if (this.deleted.size > MOST_DELETED) this.deleted.delete(this.deleted.keys().next().value!);
    }
  }

  get isEmpty(): boolean {
    return this.versions.size === 0 && this.deleted.size === 0;
  }

  /**
   * Entries that are older than this session left them, or there again. `versionOf`: what is stored. Who shares a read
   * writes and deletes entries of others; who does not finds each as it was left, and one that was deleted and made anew
   * has a lower version than before.
   */
  older(versionOf: (entry: string) => number | undefined, isShared: boolean): string[] {
    const isAs = (entry: string, version: number | undefined) =>
      versionOf(entry) === version || (this.underWay.has(entry) && versionOf(entry) === this.underWay.get(entry));
    const lost = [...this.versions].filter(([entry, version]) =>
      isShared ? (versionOf(entry) ?? Infinity) < version : !isAs(entry, version),
    );
    const back = [...this.deleted].filter(([entry, version]) =>
      isShared ? (versionOf(entry) ?? Infinity) <= version : !isAs(entry, undefined),
    );
    return [...lost, ...back].map(([entry]) => entry);
  }

  /** A server that commits asynchronously may lose the last commits in a crash: then what this run knows is not so. */
  async check(client: pg.Client, connection: string, place: string, isShared: boolean): Promise<void> {
    if (this.isEmpty) return;
    const { rows } = await client.query<{ stream: string; key: string; version: number }>(
      'select stream, key, version from _headrace.state where connection = $1',
      [connection],
    );
    const stored = new Map(rows.map(({ stream, key, version }) => [nameOf(stream, key), version]));
    const older = this.older((entry) => stored.get(entry), isShared);
    if (older.length === 0) return;
    throw new PausedError('the database forgot the last commits when it crashed', {
      code: 'commits_forgotten',
      place,
      expected: 'the state as this run left it',
      found: `${older.length} older entries, the first ${older[0]!}`,
      next: 'run the same command again; it continues from what is stored',
    });
  }
}

const nameOf = (stream: string, key: string): string => `${stream} ${key}`;
