/**
 * What a person does in the first ten minutes, from the tarball on: install, init, sync, a terminal that is closed,
 * the dashboard, a connection of its form, a run with its charts and its report, a proxy in front.
 */
import { execFile, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startStripeTestbed, TESTBED_LIVE_KEY, type StripeTestbed } from '../../src/testbed/index.js';
import { CHROMIUM, openBrowser } from '../browser.js';
import { NGINX, startNginx } from '../nginx.js';
import { patience, until } from '../patience.js';
import { scratch } from '../support.js';
import { HAS_TMUX, inTmux, type Screen } from '../tmux.js';

const run = promisify(execFile);
const ROOT = path.join(import.meta.dirname, '../..');
const SECRET_KEY = 'c4'.repeat(32);
const CONTROL_C = '\u0003';

/** It needs npm's registry, or a cache that holds what `npm ci` brought. */
describe.skipIf(!HAS_TMUX || CHROMIUM === undefined || !NGINX)(
  'the whole path of a person (skipped without tmux, Chromium or nginx)',
  () => {
    let work: ReturnType<typeof scratch>;
    let folder: string;
    let testbed: StripeTestbed;
    let screen: Screen | undefined;
    let browser: Browser | undefined;
    beforeAll(async () => {
      work = scratch();
      folder = path.join(work.folder, 'my data');
      mkdirSync(folder);
      testbed = await startStripeTestbed({ rows: 600, limit: '60/s,endpoint=25/s' });
    });
    afterAll(async () => {
      screen?.close();
      await browser?.close();
      await testbed?.close();
      await until(() => servers().length === 0);
      work?.drop();
    });

    /** PostgreSQL of this folder that is still there. */
    const servers = () =>
      spawnSync('ps', ['-eo', 'args'], { encoding: 'utf8' })
        .stdout.split('\n')
        .filter((line) => line.includes('postgres') && line.includes(work.folder));
    const terminal = () =>
      inTmux(['bash', '--norc'], {
        columns: 110,
        rows: 40,
        cwd: folder,
        env: { HEADRACE_SECRET_KEY: SECRET_KEY, PS1: '> ' },
      });
    const types = async (asked: RegExp | string, answer: string) => {
      await screen!.shows(asked);
      screen!.types(`${answer}\r`);
    };

    test('is installed, asks, syncs, survives a closed terminal, and goes on', async () => {
      // Not built anew: tests beside this one run what is built.
      await run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder], { cwd: ROOT });
      const [tarball] = readdirSync(folder);
      const install = ['install', '--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund', `./${tarball}`];
      await run('npm', install, { cwd: folder });
      screen = terminal();
      screen.types(`npx headrace init stripe --base-url ${testbed.url}\r`);
      await types('Name of the connection', '');
      await types('Read from which day on?', '');
      await types('STRIPE_API_KEY is not set', TESTBED_LIVE_KEY);
      await screen.shows('It works: account acct_');
      await types('Which streams?', '');
      await types('Where should rows go?', '');
      await screen.shows('Wrote headrace.yaml');
      expect(readFileSync(path.join(folder, 'headrace.yaml'), 'utf8')).not.toContain(TESTBED_LIVE_KEY);
      screen.types(`clear; export STRIPE_API_KEY=${TESTBED_LIVE_KEY}; npx headrace sync\r`);
      await screen.shows(/^[1-9][\d,]* rows;/m);
      // Its window is closed.
      screen.close();
      await until(() => servers().length === 0);
      screen = terminal();
      screen.types(`export STRIPE_API_KEY=${TESTBED_LIVE_KEY}; npx headrace sync\r`);
      await screen.shows(/Complete: \d+ streams, gaps 0, overlaps 0, every row accounted for/, patience(180_000));
      expect(screen.history()).toMatch(/customers .* 600 .*proven/);
    });

    test('serves a dashboard, where a connection is made, run and reported, and nobody else comes in', async () => {
      screen!.types('clear; npx headrace serve --port 0 --allow-private-targets\r');
      const shown = await screen!.shows(/http:\/\/127\.0\.0\.1:\d+\/#token=\S+/);
      const address = /http:\/\/127\.0\.0\.1:\d+\/#token=\S+/.exec(shown)![0];
      browser = await openBrowser();
      const page = await browser.newPage();
      page.setDefaultTimeout(patience(60_000));
      await page.goto(address);
      await page.getByRole('link', { name: 'New connection' }).click();
      await page.getByRole('link', { name: 'Stripe', exact: true }).click();
      await page.getByLabel('Name').fill('second');
      await page.getByLabel('API key').fill(TESTBED_LIVE_KEY);
      await page
        .getByText(/^More settings/)
        .first()
        .click();
      await page.getByLabel('Base URL').fill(testbed.url);
      await page.getByRole('button', { name: 'Test, and list the streams' }).click();
      await page.getByRole('button', { name: 'None' }).click();
      await page.getByLabel('charges', { exact: true }).check();
      await page.getByRole('button', { name: 'Make it and run' }).click();
      await page.getByRole('heading', { name: 'second: sync' }).waitFor();
      await page.getByText(/proven: 1 stream/).waitFor();
      await page.locator('.chart canvas').first().waitFor();
      const [download] = await Promise.all([
        page.waitForEvent('download'),
        page.getByRole('link', { name: 'Report' }).click(),
      ]);
      const report = readFileSync(await download.path(), 'utf8');
      expect(report).toMatch(/charges[^]*proven/);
      expect(report + (await page.content())).not.toContain(TESTBED_LIVE_KEY);

      const url = address.split('/#')[0]!;
      const nginx = await startNginx(work.folder, url);
      try {
        const token = decodeURIComponent(address.split('#token=')[1]!);
        for (const at of ['/', '/metrics', '/api/v1/overview', '/api/v1/connections', '/api/v1/docs', '/nothing']) {
          expect([at, (await fetch(nginx.url + at)).status]).toEqual([at, 401]);
          const opened = await fetch(nginx.url + at, { headers: { authorization: `Bearer ${token}` } });
          expect([at, opened.status]).toEqual([at, at === '/nothing' ? 404 : 200]);
        }
      } finally {
        await nginx.close();
      }
      screen!.types(CONTROL_C);
      await until(() => servers().length === 0);
      expect(existsSync(path.join(folder, '.headrace', 'token'))).toBe(true);
    });
  },
);
