/** Where Parquet files and manifests lie: a folder, or a bucket. Names are relative, with slashes. */
import {
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { LIMITS } from '../../base/bounds.js';
import { codeOf, ConfigError, FatalError } from '../../base/errors.js';
import { makeFolder } from '../../base/folder.js';
import { fileError } from '../file-errors.js';

export interface Store {
  /** Shown to people; no secret. */
  readonly description: string;
  /** Names below a folder, in no order. */
  list(below: string): Promise<string[]>;
  /** A small file; undefined where there is none. */
  read(name: string): Promise<Buffer | undefined>;
  /** Stores what is not there yet; false where something is, which stays as it is. Of two writers, one wins. */
  create(name: string, body: Buffer): Promise<boolean>;
  exists(name: string): Promise<boolean>;
  /** Moves a local file in. */
  put(name: string, file: string): Promise<void>;
  /** A local path to a stored file: itself, or a copy in `folder`. */
  fetch(name: string, folder: string): Promise<string>;
  remove(name: string): Promise<void>;
  /** Proves that it can be written to, and that of two writers one wins. */
  check(): Promise<void>;
}

export class FolderStore implements Store {
  constructor(private readonly folder: string) {}

  get description(): string {
    return this.folder;
  }

  async list(below: string): Promise<string[]> {
    const folder = path.join(this.folder, below);
    if (!existsSync(folder)) return [];
    return this.done(below, () =>
      readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => path.relative(this.folder, path.join(entry.parentPath, entry.name)).split(path.sep).join('/')),
    );
  }

  async read(name: string): Promise<Buffer | undefined> {
    return this.done(name, () => {
      const file = this.at(name);
      if (!existsSync(file)) return undefined;
      if (statSync(file).size > LIMITS.stateFileBytes)
        throw new ConfigError('the manifest is too large', { code: 'state_too_large', place: file });
      return readFileSync(file);
    });
  }

  async create(name: string, body: Buffer): Promise<boolean> {
    return this.done(name, () => {
      const file = this.at(name);
      makeFolder(path.dirname(file));
      const draft = `${file}.${process.pid}.draft`;
      writeDurably(draft, body);
      try {
        // A link is made whole or not at all, and never over something that is there.
        linkSync(draft, file);
        syncFolder(path.dirname(file));
        return true;
      } catch (error) {
        if (codeOf(error) === 'EEXIST') return false;
        throw error;
      } finally {
        rmSync(draft, { force: true });
      }
    });
  }

  async exists(name: string): Promise<boolean> {
    return existsSync(this.at(name));
  }

  async put(name: string, file: string): Promise<void> {
    this.done(name, () => {
      const target = this.at(name);
      makeFolder(path.dirname(target));
      const draft = `${target}.draft`;
      try {
        renameSync(file, draft);
      } catch (error) {
        if (codeOf(error) !== 'EXDEV') throw error;
        copyFileSync(file, draft);
        rmSync(file);
      }
      const fd = openSync(draft, 'r');
      fsyncSync(fd);
      closeSync(fd);
      renameSync(draft, target);
      syncFolder(path.dirname(target));
    });
  }

  async fetch(name: string): Promise<string> {
    const file = this.at(name);
    if (!existsSync(file)) throw lost(file);
    return file;
  }

  async remove(name: string): Promise<void> {
    this.done(name, () => rmSync(this.at(name), { force: true }));
  }

  async check(): Promise<void> {
    makeFolder(this.folder);
    const probe = `.headrace-check-${process.pid}`;
    const won = await this.create(probe, Buffer.from('1'));
    const wonAgain = await this.create(probe, Buffer.from('2'));
    await this.remove(probe);
    if (!won || wonAgain) throw noCompareAndSet(this.description);
  }

  private at(name: string): string {
    return path.join(this.folder, ...name.split('/'));
  }

  private done<T>(name: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw fileError(error, path.join(this.folder, name));
    }
  }
}

export function noCompareAndSet(place: string): ConfigError {
  return new ConfigError('of two writers, both would win here', {
    code: 'no_compare_and_set',
    place,
    expected: 'a store that refuses to create what is there (If-None-Match on S3, hard links on a disk)',
    found: 'one that overwrote it',
    next: 'choose another bucket or folder, or a newer server',
  });
}

export function lost(place: string): FatalError {
  return new FatalError('a file that a commit names is gone', {
    code: 'file_lost',
    place,
    next: 'restore it, or reset the stream with headrace state reset and sync again',
  });
}

function writeDurably(file: string, body: Buffer): void {
  const fd = openSync(file, 'w');
  try {
    for (let done = 0; done < body.length;) done += writeSync(fd, body, done);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** So that a name is still there after the power was lost. Some systems know no such thing. */
function syncFolder(folder: string): void {
  try {
    const fd = openSync(folder, 'r');
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch {
    // Windows opens no folders.
  }
}
