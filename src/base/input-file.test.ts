import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { InputTooLarge, readInputFile } from './input-file.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'hr-input-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const POSIX = process.platform !== 'win32';

test('a file is read to its end, and no further than the size that is allowed', () => {
  const file = path.join(folder, 'file');
  for (const size of [0, 1, 65_535, 65_536, 65_537, 200_000]) {
    const bytes = Buffer.alloc(size, 'é');
    writeFileSync(file, bytes);
    expect(readInputFile(file, size).equals(bytes)).toBe(true);
    if (size > 0) expect(() => readInputFile(file, size - 1)).toThrow(InputTooLarge);
  }
});

test('what the system says of a file that cannot be read stays its own', () => {
  expect(() => readInputFile(path.join(folder, 'none'), 10)).toThrow(/ENOENT/);
  expect(() => readInputFile(folder, 10)).toThrow(/EISDIR/);
});

test.skipIf(!existsSync('/dev/zero'))('a device without an end is left at the size (skipped without /dev/zero)', () => {
  expect(() => readInputFile('/dev/zero', 1_000_000)).toThrow(InputTooLarge);
});

describe.skipIf(!POSIX)('a pipe (skipped on Windows)', () => {
  test('that nobody writes to is empty at once', () => {
    const pipe = path.join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    expect(readInputFile(pipe, 10)).toHaveLength(0);
  });

  test('whose writer is slow is waited for', async () => {
    const pipe = path.join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    // The shell opens it before it writes: only then is there somebody to wait for.
    const writer = spawn('sh', [
      '-c',
      'exec 3<>"$0"; echo ready; sleep 0.5; printf one >&3; sleep 0.5; printf two >&3; sleep 3',
      pipe,
    ]);
    await new Promise((resolve) => writer.stdout.once('data', resolve));
    expect(readInputFile(pipe, 10).toString()).toBe('onetwo');
  });
});
