/** Texts of YAML and what Python reads in them, written down by `npm run bench -- yaml --record`. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { ConfigError } from '../../../base/errors.js';
import { readManifest, type Json } from './read.js';

interface Line {
  yaml: string;
  value?: unknown;
  error?: true;
}

const table = readFileSync(path.join(import.meta.dirname, '../../../../test/manifests/yaml-by-python.jsonl'), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Line);

/** Values with their kinds; keys in order. */
function tagged(value: Json): unknown {
  if (Array.isArray(value)) return ['l', value.map(tagged)];
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).map(([key, inner]): [string, unknown] => [key, tagged(inner)]);
  return ['d', entries.toSorted((a, b) => (a[0] < b[0] ? -1 : 1))];
}

const read = (yaml: string): Json => readManifest(yaml, 'manifest.yaml').root;

test.each(table.filter(({ error }) => !error))('Python reads $yaml so', ({ yaml, value }) =>
  expect(JSON.stringify(tagged(read(yaml)))).toBe(JSON.stringify(value)),
);

test.each(table.filter(({ error }) => error))('Python refuses $yaml, and so does Headrace', ({ yaml }) =>
  expect(() => read(yaml)).toThrow(ConfigError),
);

test('y, n and E164 are texts; yes, on, 010 and 1:30 are not', () => {
  expect(read('a: [y, n, E164, yes, on, 010, 1:30, 1_000, 2024-01-01]')).toEqual({
    a: ['y', 'n', 'E164', true, true, 8, 90, 1000, '2024-01-01'],
  });
});
