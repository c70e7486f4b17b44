import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { ConfigError } from '../base/errors.js';
import { loadConfig } from './load.js';

function load(text: string, env: NodeJS.ProcessEnv = {}) {
  const folder = mkdtempSync(path.join(tmpdir(), 'headrace-config-'));
  const file = path.join(folder, 'headrace.yaml');
  writeFileSync(file, text);
  try {
    return loadConfig(file, env);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function fault(text: string, env: NodeJS.ProcessEnv = {}): ConfigError {
  try {
    load(text, env);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('no error');
}

test('references are resolved, with defaults', () => {
  const { config } = load(
    'connections:\n  a:\n    source: {connector: stripe, api_key: "${KEY}", base_url: "${URL:-http://x}"}\n',
    { KEY: 'sk_test_x1' },
  );
  expect(config.connections['a']).toMatchObject({
    source: { api_key: 'sk_test_x1', base_url: 'http://x' },
    destination: { type: 'embedded', mode: 'upsert' },
  });
});

test('errors name line and column, expectation and finding', () => {
  expect(
    fault('connections:\n  a:\n    source: {connector: stripe}\n    destination:\n      type: oracle\n'),
  ).toMatchObject({ code: 'config_invalid', place: expect.stringMatching(/headrace\.yaml:5:7/) });
  expect(fault('connections:\n  a:\n    source: {connector: stripe}\n    colour: red\n')).toMatchObject({
    message: expect.stringContaining('colour'),
    place: expect.stringMatching(/:4:5/),
  });
  expect(fault('connections: {a: [}\n')).toMatchObject({ code: 'bad_yaml', place: expect.stringMatching(/:1:/) });
  expect(fault('connections:\n  a:\n    source: {connector: stripe, api_key: "${NOPE}"}\n')).toMatchObject({
    code: 'env_missing',
    message: expect.stringContaining('NOPE'),
  });
  expect(fault('connections:\n  "bad name":\n    source: {connector: stripe}\n').code).toBe('config_invalid');
});

test('a file that is missing, too large or a bomb ends in a clear error', () => {
  expect(() => loadConfig('/nonexistent/headrace.yaml', {})).toThrow(ConfigError);
  expect(fault(`x: "${'y'.repeat(1024 * 1024)}"`).code).toBe('config_too_large');
  const bomb = [
    'a: &a [1,1,1,1,1,1,1,1,1,1]',
    ...'bcdefgh'.split('').map((name, i) => `${name}: &${name} [${new Array(10).fill(`*${'abcdefg'[i]}`).join(',')}]`),
  ].join('\n');
  expect(() => load(bomb)).toThrow();
});
