import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { makeFolder } from './folder.js';

test('makes what is missing, and leaves what is there', () => {
  const top = mkdtempSync(path.join(tmpdir(), 'headrace-folder-'));
  const folder = path.join(top, 'a b', 'c');
  makeFolder(folder);
  makeFolder(folder);
  expect(existsSync(folder)).toBe(true);
  writeFileSync(path.join(top, 'file'), '');
  expect(() => makeFolder(path.join(top, 'file', 'x', 'y'))).toThrow(
    expect.objectContaining({ code: 'folder_failed', exitCode: 2, found: expect.stringContaining('ENOTDIR') }),
  );
  rmSync(top, { recursive: true });
});

test.skipIf(process.platform !== 'linux')('below a folder that can hold nothing, it fails at once', () => {
  for (const folder of ['/proc/x', '/proc/x/y/z', '/sys/x/y'])
    expect(() => makeFolder(folder)).toThrow(expect.objectContaining({ code: 'folder_failed', place: folder }));
});
