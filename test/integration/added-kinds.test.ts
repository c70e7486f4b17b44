/**
 * A connector and a destination are added to a copy of the program, each as a folder with a descriptor and a line of
 * its registry, and are then found everywhere: no other file has to know of them.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { KEY, startHelpDesk } from '../../examples/my-source/help-desk.js';
import { HeadraceClient } from '../../src/service/client/index.js';
import type { Testbed } from '../../src/testbed/index.js';
import { CHROMIUM } from '../browser.js';
import { Visitors } from '../dashboard-support.js';
import { until } from '../patience.js';
import { freshDatabase, headrace, scratch, urlOf } from '../support.js';
import { HAS_TERMINAL, onTerminal } from '../terminal.js';

const ROOT = path.join(import.meta.dirname, '../..');
const TICKETS = 150;

const CONNECTOR = `
import { z } from 'zod';
import { defineSource } from '../define-source.js';
const settings = {
  api_key: z.string().min(1).describe('Key of the help desk.').meta({ title: 'API key' }),
  desk: z.string().min(2).optional().describe('Which desk.').meta({ title: 'Desk' }),
};
const source = defineSource({
  name: 'hubdesk', title: 'HubDesk', about: 'Tickets of a hub.', settings,
  environment: { api_key: 'HUBDESK_KEY' }, dialect: 'generic',
  open: ({ api_key }, parts) => {
    const client = parts.client({ baseUrl: 'https://hubdesk.example.com', auth: { bearer: api_key } });
    return { streams: [{
      name: 'tickets', primaryKey: ['id'],
      schema: { type: 'object', properties: { id: { type: 'string' }, updated: { type: 'integer' } } },
      division: { kind: 'chain' }, follow: { kind: 'reread' },
      async page(request) {
        const after = request.cursor === null ? '' : '&after=' + request.cursor;
        const { body, ...answer } = await client.get('/tickets?limit=50' + after, request);
        return { ...answer, records: body.tickets, next: body.next, hasMore: body.next !== null };
      },
    }] };
  },
});
export const hubdesk = {
  ...source, kind: 'native', questions: { desk: 'Which desk of the hub?' }, example: { api_key: 'x' }, streams: 1,
};
`;
const DESTINATION = `
import { z } from 'zod';
import { mode } from '../kind.js';
export const tape = {
  name: 'tape', title: 'a tape on a reel', about: 'Tapes of a test.', to: 'tape:REEL', start: 'tape:reel',
  schema: z.strictObject({
    type: z.literal('tape'), mode,
    reel: z.string().min(1).describe('Folder of the tape.').meta({ title: 'Reel' }),
  }).describe('Tapes of a test.'),
  secrets: [], environment: {}, paths: ['reel'],
  fromText: (text) => (text.startsWith('tape:') ? { type: 'tape', reel: text.slice(5) } : undefined),
  open: async ({ reel }) => (await import('../ndjson/destination.js')).ndjsonDestination(reel),
};
`;

/** A copy of the program in which each has a folder, and a line. */
function copyWithBoth(folder: string): void {
  cpSync(path.join(ROOT, 'dist'), path.join(folder, 'dist'), { recursive: true });
  for (const name of ['package.json', 'scripts'])
    cpSync(path.join(ROOT, name), path.join(folder, name), { recursive: true });
  for (const name of ['node_modules', 'src']) symlinkSync(path.join(ROOT, name), path.join(folder, name));
  for (const [wing, name, text, last] of [
    ['sources', 'hubdesk', CONNECTOR, 'manifestConnector'],
    ['destinations', 'tape', DESTINATION, 'ndjsonKind'],
  ] as const) {
    const at = path.join(folder, 'dist', wing);
    mkdirSync(path.join(at, name));
    writeFileSync(path.join(at, name, 'descriptor.js'), text);
    const registry = readFileSync(path.join(at, 'registry.js'), 'utf8');
    const added = registry.replace(`${last}]`, `${last}, ${name}]`);
    expect(added).not.toBe(registry);
    writeFileSync(path.join(at, 'registry.js'), `import { ${name} } from './${name}/descriptor.js';\n${added}`);
  }
}

let program: { folder: string; drop: () => void };
let work: { folder: string; drop: () => void };
let desk: Testbed;
let main: string;
beforeAll(async () => {
  program = scratch();
  work = scratch();
  copyWithBoth(program.folder);
  main = path.join(program.folder, 'dist', 'main.js');
  desk = await startHelpDesk({ tickets: TICKETS });
});
afterAll(async () => {
  await desk?.close();
  program?.drop();
  work?.drop();
});
const run = (...args: string[]) => headrace(args, { main, cwd: work.folder, env: { HUBDESK_KEY: KEY } });

describe('the command line', () => {
  test('help tells what --to may hold', async () => {
    for (const command of ['sync', 'check', 'init'])
      expect((await run(command, '--help')).stdout.replaceAll(/\s+/g, ' '), command).toContain('tape:REEL');
  });

  test('connectors lists both', async () => {
    expect((await run('connectors')).stdout).toMatch(/hubdesk/);
    expect((await run('connectors', '--destinations')).stdout).toMatch(/tape +/);
  });

  test('init writes them, check understands the file, and tells a wrong setting by its line', async () => {
    const init = await run('init', 'hubdesk', '--yes', '--to', 'tape:reels', '--base-url', desk.url);
    expect(init.code, init.stderr).toBe(0);
    const text = readFileSync(path.join(work.folder, 'headrace.yaml'), 'utf8');
    expect(parse(text)).toMatchObject({
      connections: {
        hubdesk: {
          source: { connector: 'hubdesk', api_key: '${HUBDESK_KEY}' },
          destination: { type: 'tape', reel: 'reels' },
        },
      },
    });
    expect(await run('check', 'hubdesk')).toMatchObject({ code: 0, stdout: expect.stringContaining('reels') });
    for (const [from, to, said] of [
      ['reel: reels', 'reel: reels\n      speed: 9', /speed[\s\S]*wrong\.yaml:\d+/],
      ['connector: hubdesk', 'connector: hubdesk\n      desk: a', /desk[\s\S]*wrong\.yaml:\d+/],
    ] as const) {
      writeFileSync(path.join(work.folder, 'wrong.yaml'), text.replace(from, to));
      expect(await run('check', 'hubdesk', '-c', 'wrong.yaml')).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(said),
      });
    }
    const ran = await run('sync', 'hubdesk');
    expect(ran.code, ran.stderr).toBe(0);
    expect(existsSync(path.join(work.folder, 'reels'))).toBe(true);
  });

  test.skipIf(!HAS_TERMINAL)('init asks what the connector wants to know, and offers the destination', async () => {
    const init = onTerminal(['init', 'hubdesk', '--file', 'asked.yaml'], { main, cwd: work.folder });
    await init.shows('Name of the connection');
    init.types('\r');
    await init.shows('Which desk of the hub?');
    init.types('north\r');
    await init.shows('HUBDESK_KEY is not set');
    init.types('\r');
    await init.shows('Where should rows go?');
    // The list goes round: the last one is above the first.
    init.types('\u001b[A');
    await init.shows('❯ a tape on a reel');
    init.types('\r');
    const { code, screen } = await init.ended;
    expect(code, screen).toBe(0);
    expect(parse(readFileSync(path.join(work.folder, 'asked.yaml'), 'utf8'))).toMatchObject({
      connections: { hubdesk: { source: { desk: 'north' }, destination: { type: 'tape', reel: 'reel' } } },
    });
  });

  test('a text of --to, and a name that is nearly right, lead to them', async () => {
    expect((await run('check', 'hubdesk', '--to', 'nothing:x')).stderr).toContain('tape:REEL');
    expect((await run('init', 'hubdsk', '--yes', '--file', 'x.yaml')).stderr).toContain('hubdesk');
  });
});

test('the reference tells of both', () => {
  const out = path.join(work.folder, 'made');
  const script = path.join(program.folder, 'scripts', 'reference-docs.mjs');
  const ran = spawnSync(process.execPath, [script, '--out', out], { encoding: 'utf8' });
  expect(ran.stderr).toBe('');
  const read = (name: string) => readFileSync(path.join(out, 'docs', 'reference', name), 'utf8');
  for (const part of [
    '### source, connector hubdesk',
    '`source.desk`',
    '### destination, type tape',
    '`destination.reel`',
  ])
    expect(read('configuration.md')).toContain(part);
  expect(read('cli.md')).toContain('tape:REEL');
  expect(read('hubdesk.md')).toContain('| tickets |');
});

describe('the service', () => {
  const TOKEN = 'the-token-of-this-test';
  let database: Awaited<ReturnType<typeof freshDatabase>>;
  let server: ChildProcess;
  let client: HeadraceClient;
  let url: string;
  beforeAll(async () => {
    database = await freshDatabase();
    server = spawn(process.execPath, [main, 'serve', '--port', '0', '--json', '--allow-private-targets'], {
      cwd: program.folder,
      env: {
        ...process.env,
        HEADRACE_TOKEN: TOKEN,
        HEADRACE_SECRET_KEY: 'a1'.repeat(32),
        DATABASE_URL: urlOf(database.target),
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    url = await new Promise((resolve, reject) => {
      createInterface({ input: server.stdout! }).on('line', (line) => {
        const event = JSON.parse(line) as { type: string; url: string };
        if (event.type === 'listening') resolve(event.url);
      });
      server.once('exit', (code) => reject(new Error(`serve ended with ${code}`)));
    });
    client = new HeadraceClient({ url, token: TOKEN });
  });
  afterAll(async () => {
    if (server?.exitCode === null) {
      const left = new Promise((resolve) => server.once('exit', resolve));
      server.kill('SIGTERM');
      await left;
    }
    await database?.drop();
  });
  const settings = (reel: string) =>
    ({
      id: 'hub',
      source: { connector: 'hubdesk', api_key: KEY, base_url: desk.url },
      destination: { type: 'tape', reel },
    }) as never;

  test('the API describes both, and its errors name their settings', async () => {
    const connector = (await client.listConnectors()).items.find(({ name }) => name === 'hubdesk');
    expect(connector).toMatchObject({
      kind: 'native',
      storable: true,
      secrets: ['api_key'],
      settings: { properties: { api_key: { title: 'API key', writeOnly: true }, desk: { title: 'Desk' } } },
    });
    const destination = (await client.listDestinations()).items.find(({ name }) => name === 'tape');
    expect(destination).toMatchObject({ storable: true, settings: { properties: { reel: { title: 'Reel' } } } });
    await expect(client.createConnection(settings(''))).rejects.toMatchObject({
      detail: { place: expect.stringContaining('reel') },
    });
  });

  test('a connection is kept below the data folder, and a worker runs it', async () => {
    for (const reel of ['/etc', '../x', 'a/../../x', '~/x'])
      await expect(client.createConnection(settings(reel)), reel).rejects.toMatchObject({ code: 'not_storable' });
    expect(await client.testSettings(settings('kept'))).toMatchObject({ ok: true });
    await client.createConnection(settings('kept'));
    expect(JSON.stringify(await client.getConnection('hub'))).not.toContain(KEY);
    await client.runConnection('hub', {});
    const run = await until(async () => {
      const [found] = (await client.listRuns({ connection: 'hub' })).items;
      return found?.outcome ? found : undefined;
    });
    expect(run).toMatchObject({ outcome: 'complete', rows: TICKETS });
    expect(existsSync(path.join(program.folder, '.headrace', 'files', 'kept'))).toBe(true);
  });

  test.skipIf(CHROMIUM === undefined)('the dashboard makes its form of them', async () => {
    const visitors = await Visitors.come();
    try {
      const page = await visitors.open('#/new', {}, url, TOKEN);
      await page.getByRole('link', { name: 'HubDesk' }).click();
      await page.getByRole('heading', { name: 'New connection: HubDesk' }).waitFor();
      expect(await page.getByLabel('API key').getAttribute('type')).toBe('password');
      await page.getByLabel('Rows go to').selectOption({ label: 'a tape on a reel' });
      await page.getByRole('textbox', { name: 'Reel' }).waitFor();
      expect(await visitors.leave()).toEqual([]);
    } finally {
      await visitors.goHome();
    }
  });
});
