/** A connector of one's own: the guide word by word, and what goes wrong with one. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { KEY, startHelpDesk } from '../../examples/my-source/help-desk.js';
import type { Testbed } from '../../src/testbed/index.js';
import { headrace, MAIN, scratch } from '../support.js';

const ROOT = path.join(import.meta.dirname, '../..');
const GUIDE = readFileSync(path.join(ROOT, 'docs/guides/write-a-connector.md'), 'utf8');
const blocks = (language: string) =>
  [...GUIDE.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))].map((match) => match[1]!);
const example = (file: string) => readFileSync(path.join(ROOT, 'examples/my-source', file), 'utf8');

let work: { folder: string; drop: () => void };
let desk: Testbed | undefined;
beforeEach(() => {
  work = scratch();
});
afterEach(async () => {
  await desk?.close();
  desk = undefined;
  work.drop();
});

/** As `npm install` would leave it. */
function installHeadrace(): void {
  mkdirSync(path.join(work.folder, 'node_modules'));
  for (const name of ['vitest'])
    symlinkSync(path.join(ROOT, 'node_modules', name), path.join(work.folder, 'node_modules', name));
  symlinkSync(ROOT, path.join(work.folder, 'node_modules', 'headrace'));
}

describe('the guide, word by word', () => {
  test('its connector is the template, is short, and passes its own test', async () => {
    expect(blocks('ts')[0]).toBe(example('my-source.ts'));
    expect(blocks('ts')[1]).toBe(example('my-source.test.ts'));
    expect(blocks('ts')[0]!.trim().split('\n').length).toBeLessThan(60);
    const [init] = blocks('bash')[0]!.trim().split('\n');
    const ran = await headrace(init!.split(' ').slice(1), { cwd: work.folder });
    expect(ran.code, ran.stderr).toBe(0);
    for (const file of ['my-source.ts', 'my-source.test.ts', 'help-desk.ts'])
      expect(readFileSync(path.join(work.folder, file), 'utf8')).toBe(example(file));
    expect(await headrace(init!.split(' ').slice(1), { cwd: work.folder })).toMatchObject({ code: 2 });
    installHeadrace();
    const tested = spawnSync(
      process.execPath,
      [path.join(ROOT, 'node_modules/vitest/vitest.mjs'), 'run', '--root', work.folder],
      { encoding: 'utf8', cwd: work.folder, env: { ...process.env, NO_COLOR: '1' } },
    );
    expect(tested.stdout + tested.stderr).toMatch(/Tests +18 passed/);
  });

  test('limited, killed, resumed and proven', async () => {
    const tickets = 3000;
    desk = await startHelpDesk({ tickets, limit: '30/s', latency: { medianMs: 20 } });
    await headrace(['init', '--template', 'source'], { cwd: work.folder });
    const env = { MY_SOURCE_KEY: KEY, MY_SOURCE_URL: desk.url };
    const [check, sync] = blocks('bash')[1]!
      .trim()
      .split('\n')
      .map((line) => line.split(' ').slice(1));
    const checked = await headrace(check!, { cwd: work.folder, env });
    expect(checked.code, checked.stderr).toBe(0);
    const killed = await killedHalfWay([...sync!, '--json', '--max-rate', '30'], env, tickets / 3);
    expect(killed).toBeGreaterThanOrEqual(tickets / 3);
    const resumed = await headrace([...sync!, '--max-rate', '30'], { cwd: work.folder, env });
    expect(resumed.code, resumed.stderr).toBe(0);
    expect(resumed.stdout).toMatch(/3,000 +(?:\w+ +)?proven/);
    expect(desk.stats().mostInWindow['global']).toBeLessThanOrEqual(30);
    const verified = await headrace(['verify', './my-source.ts', '--api'], { cwd: work.folder, env });
    expect(verified.code, verified.stderr + verified.stdout).toBe(0);
    expect(resumed.stdout + resumed.stderr + verified.stdout).not.toContain(KEY);
    const rows = await headrace(['query', 'select count(*), count(distinct id) from "my-source".tickets', '--json'], {
      cwd: work.folder,
    });
    expect(JSON.parse(rows.stdout)).toEqual({ count: tickets, ...JSON.parse(rows.stdout) });
  });

  test('named in headrace.yaml, as seen from that file', async () => {
    desk = await startHelpDesk({ tickets: 200 });
    mkdirSync(path.join(work.folder, 'project'));
    for (const file of ['my-source.ts', 'help-desk.ts'])
      writeFileSync(path.join(work.folder, 'project', file), example(file));
    writeFileSync(path.join(work.folder, 'project', 'headrace.yaml'), blocks('yml')[0]!);
    const args = ['-c', 'project/headrace.yaml', '--base-url', desk.url, '--to', `ndjson:${work.folder}/out`];
    const ran = await headrace(['sync', 'help-desk', ...args], { cwd: work.folder, env: { MY_SOURCE_KEY: KEY } });
    expect(ran.code, ran.stderr).toBe(0);
    expect(ran.stdout).toMatch(/200 +(?:\w+ +)?proven/);
  });
});

async function killedHalfWay(args: string[], env: Record<string, string>, rows: number): Promise<number> {
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd: work.folder,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let committed = 0;
  let rest = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop()!;
    for (const line of lines) {
      const event = JSON.parse(line) as { type: string; rows?: number };
      if (event.type === 'committed') committed += event.rows ?? 0;
    }
    if (committed >= rows) child.kill('SIGKILL');
  });
  await new Promise((resolve) => child.once('close', resolve));
  return committed;
}

describe('one that is wrong', () => {
  const FIELDS = `schema: { type: 'object', properties: { id: { type: 'string' } } }, primaryKey: ['id'], follow: { kind: 'reread' }, division: { kind: 'chain', pageRows: 10 }`;
  const source = (text: string) => `import { defineSource } from 'headrace/source';\n${text}`;
  const check = async (text: string, args = ['discover']) => {
    writeFileSync(path.join(work.folder, 'bad.ts'), text);
    return headrace([args[0]!, './bad.ts', ...args.slice(1)], { cwd: work.folder });
  };

  test.each([
    ['nothing exported', 'export const x = 1;', /exports: x/],
    ['no source', 'export default { name: "x" };', /exports: default/],
    ['code that does not parse', 'export default defineSource({', /bad\.ts/],
    ['where it does not parse', 'const a = 1;\nexport default {{;', /line 2, column \d+/],
    ['a package that is not there', `import 'not-there-at-all';\nexport default 1;`, /not-there-at-all/],
    [
      'open that throws',
      source('export default defineSource({ name: "x", open: () => { throw new Error("out of luck"); } });'),
      /at: open of x[\s\S]*found: out of luck[\s\S]*next: correct its function open/,
    ],
    [
      'open that gives nothing',
      source('export default defineSource({ name: "x", open: () => undefined });'),
      /expected: \{ streams: \[ … \] \} from open/,
    ],
    ['code that throws', 'throw new Error("out of luck");', /out of luck/],
    [
      'a name that is none',
      source('export default defineSource({ name: "Not a name", open: () => ({ streams: [] }) });'),
      /Not a name/,
    ],
    ['no stream', source('export default defineSource({ name: "x", open: () => ({ streams: [] }) });'), /no stream/],
    [
      'a dialect that is none',
      source(
        'export default defineSource({ name: "x", dialect: "klingon", open: (_, p) => { p.client({ baseUrl: "http://x" }); return { streams: [] }; } });',
      ),
      /klingon/,
    ],
  ])('%s', async (_, text, expected) => {
    const ran = await check(text);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toMatch(expected);
    expect(ran.stderr).not.toMatch(/^\s+at .*:\d+:\d+/m);
  });

  test('a page that breaks the contract ends its stream with the reason, and the others arrive', async () => {
    const page = (fields: string) => `async () => ({ ${fields}, serverTimeMs: 1, bytes: 1 })`;
    const streams = {
      records: page('records: undefined, next: null, hasMore: false'),
      next: page('records: [], next: 3, hasMore: true'),
      more: page(`records: [], next: null, hasMore: 'yes'`),
      thrown: `async () => { throw new TypeError('no such field'); }`,
      placed: page(`records: [{ id: '1' }], next: null, hasMore: false`),
      good: page(`records: [{ id: '1' }], next: null, hasMore: false`),
    };
    const list = Object.entries(streams).map(([name, code]) => {
      const range = `kind: 'range', position: (row) => row.created, unit: 1, order: 'descending', pageRows: 10`;
      const division = name === 'placed' ? `, division: { ${range} }, follow: { kind: 'cursor' }` : '';
      return `{ name: '${name}', ${FIELDS}${division}, page: ${code} }`;
    });
    const checked = `check: async () => ({ id: 'x', createdMs: undefined, serverTimeMs: Date.now() })`;
    const ran = await check(
      source(
        `export default defineSource({ name: 'x', open: () => ({ streams: [${list.join(', ')}], ${checked} }) });`,
      ),
      ['sync', '--to', 'ndjson:out'],
    );
    expect(ran.code, ran.stdout + ran.stderr).toBe(3);
    expect(ran.stdout).toMatch(/good +1 +1 +1/);
    for (const found of ['records: a list', 'next: a text', 'hasMore: true', 'no such field', 'position: a number'])
      expect(ran.stdout + ran.stderr).toContain(found);
  });
});
