import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { redact } from '../base/log.js';
import { findOwnToken, ownToken, ownTokenFile } from './own-token.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'headrace-token-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('is made once, kept where its owner alone reads it, and redacted from then on', () => {
  const dataDir = path.join(folder, 'a folder', 'data');
  expect(findOwnToken(dataDir, {})).toBeUndefined();
  expect(existsSync(dataDir)).toBe(false);
  const token = ownToken(dataDir, {});
  expect(token).toMatch(/^hr_[\w-]{32}$/);
  expect(statSync(ownTokenFile(dataDir)).mode & 0o777).toBe(0o600);
  expect(readFileSync(ownTokenFile(dataDir), 'utf8')).toBe(`${token}\n`);
  expect(readdirSync(dataDir)).toEqual(['token']);
  expect(ownToken(dataDir, {})).toBe(token);
  expect(findOwnToken(dataDir, {})).toBe(token);
  expect(redact(`x ${token} y`)).not.toContain(token);
});

test('a mode that lets others read is narrowed', () => {
  const token = ownToken(folder, {});
  chmodSync(ownTokenFile(folder), 0o644);
  expect(findOwnToken(folder, {})).toBe(token);
  expect(statSync(ownTokenFile(folder)).mode & 0o777).toBe(0o600);
});

test("the environment's counts before the file's, and none is made", () => {
  expect(ownToken(folder, { HEADRACE_TOKEN: 'sixteen characters' })).toBe('sixteen characters');
  expect(readdirSync(folder)).toEqual([]);
});

test('what cannot be one is named with its place and what to do', () => {
  expect(() => ownToken(folder, { HEADRACE_TOKEN: 'short' })).toThrow(
    expect.objectContaining({ code: 'token_too_short', place: 'HEADRACE_TOKEN', exitCode: 2 }),
  );
  writeFileSync(ownTokenFile(folder), '\n', { mode: 0o600 });
  expect(() => ownToken(folder, {})).toThrow(expect.objectContaining({ place: ownTokenFile(folder) }));
  rmSync(ownTokenFile(folder));
  mkdirSync(ownTokenFile(folder));
  expect(() => ownToken(folder, {})).toThrow(expect.objectContaining({ code: 'token_file_unusable', exitCode: 2 }));
  expect(() => ownToken('/proc/headrace', {})).toThrow(expect.objectContaining({ code: 'token_file_unusable' }));
});
