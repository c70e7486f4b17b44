/** How much of the dashboard a browser has to load. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';

const PAGES = path.join(import.meta.dirname, '../../dist/service/web');

test('its script stays below 120 KB compressed', () => {
  const assets = path.join(PAGES, 'assets');
  const bytes = readdirSync(assets)
    .filter((name) => name.endsWith('.js'))
    .reduce((sum, name) => sum + gzipSync(readFileSync(path.join(assets, name))).length, 0);
  expect(bytes).toBeGreaterThan(0);
  expect(bytes).toBeLessThan(120 * 1024);
});
