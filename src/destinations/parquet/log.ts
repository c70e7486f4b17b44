/**
 * The commits of a connection, each a file of its own number. Only one writer can create a number, so two that build on
 * the same commit cannot both win; what was not created is no commit. Old ones are removed in ascending order, some way
 * behind: a writer that was away for long could create a number that is free again, so whoever has created one looks
 * whether its predecessor is still there. Where it is, nothing at or after it was ever removed, and the commit counts.
 */
import { randomBytes } from 'node:crypto';
import { LedgerConflictError } from '../../base/errors.js';
import { decodeManifest, emptyManifest, encodeManifest, type Manifest } from './manifest.js';
import type { Store } from './store.js';

/** Commits that are kept behind the last one. */
const KEPT = 20;
const DIGITS = 12;
const ID_BYTES = 12;

export class CommitLog {
  private oldest = 1;

  constructor(
    private readonly store: Store,
    /** Folder of the connection, with a slash at its end. */
    private readonly folder: string,
  ) {}

  /** The last commit; an empty one where there was none. */
  async head(): Promise<Manifest> {
    for (;;) {
      const numbers = (await this.store.list(this.below))
        .map((name) => Number(/\/(\d{12})\.json$/.exec(name)?.[1] ?? 0))
        .filter((number) => number > 0);
      if (numbers.length === 0) return emptyManifest();
      this.oldest = Math.min(...numbers);
      const name = this.nameOf(Math.max(...numbers));
      const body = await this.store.read(name);
      // Removed since it was listed: others have gone on.
      if (body) return decodeManifest(body, `${this.store.description}/${name}`);
    }
  }

  /** Commits what follows a manifest. Throws LedgerConflictError where another writer was first. */
  async commit(after: Manifest, change: Omit<Manifest, 'commit' | 'version' | 'id'>): Promise<Manifest> {
    const manifest: Manifest = {
      ...change,
      version: 1,
      commit: after.commit + 1,
      id: randomBytes(ID_BYTES).toString('hex'),
    };
    const name = this.nameOf(manifest.commit);
    if (!(await this.store.create(name, encodeManifest(manifest)))) throw this.overtaken(manifest.commit);
    if (after.commit > 0 && !(await this.store.exists(this.nameOf(after.commit)))) {
      await this.store.remove(name);
      throw this.overtaken(manifest.commit);
    }
    await this.prune(manifest.commit - KEPT);
    return manifest;
  }

  private get below(): string {
    return `${this.folder}_headrace/commits`;
  }

  private nameOf(commit: number): string {
    return `${this.below}/${String(commit).padStart(DIGITS, '0')}.json`;
  }

  private async prune(before: number): Promise<void> {
    for (; this.oldest < before; this.oldest++) await this.store.remove(this.nameOf(this.oldest));
  }

  private overtaken(commit: number): LedgerConflictError {
    return new LedgerConflictError('another run committed to this connection meanwhile', {
      code: 'ledger_conflict',
      place: `${this.store.description}/${this.below}`,
      expected: `commit ${commit} as this run's`,
      found: "another run's",
      next: 'run again; the sync continues from what is committed',
    });
  }
}
