/** headrace connector test, lint and diff, and headrace connectors, as a connector's author uses them. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startIntercomTestbed, TESTBED_INTERCOM_TOKEN, type IntercomTestbed } from '../../src/testbed/index.js';
import { headrace, scratch } from '../support.js';

const MANIFEST = path.join(import.meta.dirname, '../manifests/source-intercom.yaml');
const text = readFileSync(MANIFEST, 'utf8');
const { folder, drop } = scratch();
let testbed: IntercomTestbed;
beforeAll(async () => {
  testbed = await startIntercomTestbed({ rows: 300, limit: 'intercom' });
  writeFileSync(
    path.join(folder, 'config.json'),
    JSON.stringify({ access_token: TESTBED_INTERCOM_TOKEN, start_date: '2010-01-01T00:00:00Z' }),
  );
});
afterAll(async () => {
  await testbed.close();
  drop();
});

function written(name: string, content: string): string {
  const at = path.join(folder, name);
  mkdirSync(path.dirname(at), { recursive: true });
  writeFileSync(at, content);
  return at;
}

test('connector test reads a few records of each stream, children included, and masks the secret', async () => {
  const ran = await headrace([
    'connector',
    'test',
    MANIFEST,
    '--config',
    path.join(folder, 'config.json'),
    '--base-url',
    testbed.url,
    '--records',
    '3',
  ]);
  expect(ran.code).toBe(0);
  for (const stream of ['tags', 'contacts', 'conversations', 'conversation_parts', 'companies', 'activity_logs'])
    expect(ran.stdout).toMatch(new RegExp(`stream ${stream}\\n[\\s\\S]*?ok, 3 records`));
  expect(ran.stdout).toContain('> POST');
  expect(ran.stdout).toContain('fields that the schema does not have');
  expect(ran.stdout + ran.stderr).not.toContain(TESTBED_INTERCOM_TOKEN);
});

describe('connector lint', () => {
  const lint = async (manifest: string, more: { metadata?: string; changelog?: string; previous?: string } = {}) => {
    const name = `lint-${Math.random().toString(36).slice(2)}`;
    written(`${name}/manifest.yaml`, manifest);
    if (more.metadata) written(`${name}/metadata.yaml`, more.metadata);
    if (more.changelog) written(`${name}/CHANGELOG.md`, more.changelog);
    const ran = await headrace([
      'connector',
      'lint',
      path.join(folder, name),
      ...(more.previous ? ['--previous', more.previous] : []),
    ]);
    return { code: ran.code, text: ran.stdout };
  };
  const metadata = (version: string, rollout = false) =>
    `data:\n  dockerImageTag: ${version}\n${rollout ? '  releases: {rolloutConfiguration: {enableProgressiveRollout: true}}\n' : ''}`;

  test('a sound connector', async () =>
    expect(await lint(text, { metadata: metadata('1.2.3'), changelog: '## 1.2.3\n', previous: '1.2.2' })).toEqual({
      code: 0,
      text: 'nothing to remark\n',
    }));
  test.each<[string, string, Parameters<typeof lint>[1], RegExp]>([
    [
      'a default out of bounds',
      text.replace('default: 2, minimum: 1', 'default: 40, minimum: 1'),
      {},
      /error: spec\.num_workers: its default 40 is above the maximum 25/,
    ],
    [
      'a hidden field that is required',
      text.replace('required: [access_token, start_date]', 'required: [access_token, start_date, num_workers]'),
      {},
      /spec\.num_workers: is hidden and required/,
    ],
    ['no max_concurrency', text.replace('  max_concurrency: 25\n', ''), {}, /concurrency_level: needs max_concurrency/],
    [
      'a version without an entry',
      text,
      { metadata: metadata('1.2.3'), changelog: '## 1.2.2\n' },
      /changelog: has no entry for 1\.2\.3/,
    ],
    [
      'an entry of the candidate only',
      text,
      { metadata: metadata('1.2.3'), changelog: '## 1.2.3-rc.1\n' },
      /changelog: has no entry for 1\.2\.3/,
    ],
    [
      'a candidate that is not rolled out',
      text,
      { metadata: metadata('1.2.3-rc.1'), changelog: '1.2.3-rc.1' },
      /enableProgressiveRollout is not true/,
    ],
    [
      'another version between candidates',
      text,
      { metadata: metadata('1.3.0-rc.2', true), changelog: '1.3.0-rc.2', previous: '1.2.3-rc.1' },
      /only the part after -rc\. changes/,
    ],
    [
      'a version that comes before',
      text,
      { metadata: metadata('1.2.2'), changelog: '1.2.2', previous: '1.2.3' },
      /1\.2\.2 comes before 1\.2\.3/,
    ],
    ['a manifest that is none', 'version: 1', {}, /error: .*manifest/],
  ])('%s', async (_, manifest, more, expected) => {
    const found = await lint(manifest, more);
    expect(found.text).toMatch(expected);
    expect(found.code).toBe(1);
  });
  test('a next candidate is fine', async () =>
    expect(
      (await lint(text, { metadata: metadata('1.3.0-rc.2', true), changelog: '1.3.0-rc.2', previous: '1.3.0-rc.1' }))
        .code,
    ).toBe(0));
});

describe('connector diff', () => {
  const diff = async (next: string) => {
    const ran = await headrace(['connector', 'diff', MANIFEST, written('next.yaml', next)]);
    return { code: ran.code, text: ran.stdout };
  };
  test('nothing', async () =>
    expect(await diff(text)).toEqual({ code: 0, text: 'nothing that users see has changed\ngoing back is safe\n' }));
  test.each<[string, string, RegExp, number]>([
    [
      'a stream that is gone',
      text
        .replace('  - "#/definitions/streams/tags"\n', '')
        .replace('stream_names: [tags]', 'stream_names: [contacts]'),
      /breaking: tags: the stream is gone/,
      1,
    ],
    [
      'a field newly required',
      text.replace('required: [access_token, start_date]', 'required: [access_token, start_date, num_workers]'),
      /breaking: config\.num_workers: is required now/,
      1,
    ],
    [
      'a field that is new',
      text.replace('      num_workers:', '      region: {type: string}\n      num_workers:'),
      /compatible: config\.region: is new and optional[\s\S]*going back is safe/,
      0,
    ],
    [
      'a narrower bound',
      text.replace('maximum: 25', 'maximum: 10'),
      /breaking: config\.num_workers: maximum is 10 now, was 25/,
      1,
    ],
    [
      'another key',
      text.replace('name: contacts\n      primary_key: id', 'name: contacts\n      primary_key: email'),
      /breaking: contacts: primary key was id, is email[\s\S]*going back is not safe/,
      1,
    ],
    [
      'another date format of the state',
      text.replace('datetime_format: "%s"\n    start', 'datetime_format: "%ms"\n    start'),
      /state has the date format %ms, was %s[\s\S]*not safe/,
      1,
    ],
  ])('%s', async (_, next, expected, code) => {
    const found = await diff(next);
    expect(found.text).toMatch(expected);
    expect(found.code).toBe(code);
  });
});

test('connectors lists what runs, whole or in part, and why', async () => {
  written('catalogue/source-whole/manifest.yaml', text);
  written('catalogue/source-part.yaml', text.replace('ErrorHandlerWithRateLimiter', 'Elsewhere'));
  written('catalogue/source-broken.yaml', 'streams: [');
  const ran = await headrace(['connectors', path.join(folder, 'catalogue')]);
  expect(ran.stdout).toMatch(/stripe +native +whole/);
  expect(ran.stdout).toMatch(/source-whole +manifest +whole +7/);
  expect(ran.stdout).toMatch(/source-part +manifest +partly +1 +6 of 7 streams: class Elsewhere has no twin/);
  expect(ran.stdout).toMatch(/source-broken.* not /);
  expect(ran.stdout).toContain('2 whole, 1 partly, 1 not');
});
