import path from 'node:path';
import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/longest-first.js';
import { patience, SLOWNESS } from './test/patience.js';

if (SLOWNESS > 1.5)
  console.log(`This machine is slow or busy now: deadlines are ${SLOWNESS.toFixed(1)} times as long.`);

/** The package's own names lead to its sources, as they lead to its build where it is installed. */
const entry = (folder: string) => path.join(import.meta.dirname, 'src', folder, 'index.ts');
const resolve = {
  alias: {
    'headrace/source': entry('sources'),
    'headrace/destination': entry('destinations'),
    'headrace/testbed': entry('testbed'),
  },
};

/** A deadline ends a test that hangs; nothing is asserted about time. */
const deadlines = {
  testTimeout: patience(240_000),
  hookTimeout: patience(120_000),
  expect: { poll: { timeout: patience(60_000) } },
};

export default defineConfig({
  test: {
    // Once for all projects: a project that had it too would start a database of its own.
    globalSetup: ['test/global-setup.ts'],
    reporters: ['default', './test/slowest.ts'],
    // Most files wait, for processes, limits and databases: two cores were half idle with three of them side by side.
    maxWorkers: 4,
    sequence: { sequencer: LongestFirst },
    projects: [
      // One process, and one copy of the modules, serves many files: hooks of what they share stand in functions.
      { resolve, test: { name: 'unit', include: ['src/**/*.test.ts'], isolate: false, ...deadlines } },
      {
        resolve,
        test: { name: 'whole', include: ['test/**/*.test.ts', 'examples/**/*.test.ts'], isolate: false, ...deadlines },
      },
    ],
  },
});
