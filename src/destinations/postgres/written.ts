/** Entries as this session left them: a database that forgot one of them after a crash is found out. */
import type pg from 'pg';
import type { StateWrite } from '../contract.js';
import { PausedError } from '../../base/errors.js';

export class WrittenEntries {
  private readonly versions = new Map<string, number>();

  note(writes: StateWrite[]): void {
    for (const { stream, key, expect, value } of writes) {
      if (value === null) this.versions.delete(`${stream} ${key}`);
      else this.versions.set(`${stream} ${key}`, expect + 1);
    }
  }

  /** A server that commits asynchronously may lose the last commits in a crash: then what this run knows is not so. */
  async check(client: pg.Client, connection: string, place: string, isShared: boolean): Promise<void> {
    if (this.versions.size === 0) return;
    const { rows } = await client.query<{ stream: string; key: string; version: number }>(
      'select stream, key, version from _headrace.state where connection = $1',
      [connection],
    );
    const stored = new Map(rows.map(({ stream, key, version }) => [`${stream} ${key}`, version]));
    // Who shares a read deletes entries of others; nobody lowers a version.
    const lost = [...this.versions].filter(
      ([entry, version]) => (stored.get(entry) ?? (isShared ? Infinity : 0)) < version,
    );
    if (lost.length === 0) return;
    throw new PausedError('the database forgot the last commits when it crashed', {
      code: 'commits_forgotten',
      place,
      expected: 'the state as this run left it',
      found: `${lost.length} older entries, the first ${lost[0]![0]}`,
      next: 'run the same command again; it continues from what is stored',
    });
  }
}
