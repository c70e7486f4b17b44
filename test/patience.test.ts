/** Deadlines of tests grow with how slow the machine is, in every test. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';

const ROOT = path.join(import.meta.dirname, '..');
/** A deadline of so many milliseconds, whatever the machine: of a test, of a poll. */
const FIXED = [/^\s*\},? \d[\d_]{3,}\);$/m, /^ +\d+_000,\n +\);$/m, /timeout: \d[\d_]{3,}/i];
/** Whether it took so long: a figure for bench/. */
const TIMED = /expect\((?:performance|Date)\.now\(\) - \w+\)\.toBeLess/;

const tests = ['src', 'test', 'examples'].flatMap((folder) =>
  readdirSync(path.join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => path.join(folder, name)),
);

test('no test has a deadline of its own, and none asserts how long something took', () => {
  expect(tests.length).toBeGreaterThan(100);
  const found = tests.filter((name) => {
    const text = readFileSync(path.join(ROOT, name), 'utf8');
    return [...FIXED, TIMED].some((pattern) => pattern.test(text));
  });
  expect(found).toEqual([]);
});
