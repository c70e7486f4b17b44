import { defineConfig } from 'vitest/config';
import { patience, SLOWNESS } from './test/patience.js';

if (SLOWNESS > 1.5)
  console.log(`This machine is slow or busy now: deadlines are ${SLOWNESS.toFixed(1)} times as long.`);

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    globalSetup: ['test/global-setup.ts'],
    reporters: ['default', './test/slowest.ts'],
    // A deadline ends a test that hangs; nothing is asserted about time.
    testTimeout: patience(240_000),
    hookTimeout: patience(120_000),
    maxWorkers: 2,
  },
});
