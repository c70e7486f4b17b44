import path from 'node:path';
import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/longest-first.js';
import { patience, SLOWNESS } from './test/patience.js';

if (SLOWNESS > 1.5)
  console.log(`This machine is slow or busy now: deadlines are ${SLOWNESS.toFixed(1)} times as long.`);

/** The package's own names lead to its sources, as they lead to its build where it is installed. */
const entry = (folder: string) => path.join(import.meta.dirname, 'src', folder, 'index.ts');

export default defineConfig({
  resolve: {
    alias: {
      'headrace/source': entry('sources'),
      'headrace/destination': entry('destinations'),
      'headrace/testbed': entry('testbed'),
    },
  },
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'examples/**/*.test.ts'],
    globalSetup: ['test/global-setup.ts'],
    reporters: ['default', './test/slowest.ts'],
    // A deadline ends a test that hangs; nothing is asserted about time.
    testTimeout: patience(240_000),
    hookTimeout: patience(120_000),
    expect: { poll: { timeout: patience(60_000) } },
    // Most files wait, for processes, limits and databases: two cores were half idle with three of them side by side.
    maxWorkers: 4,
    sequence: { sequencer: LongestFirst },
  },
});
