/** The dashboard in a real Chromium, on a real service, as people use it. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { startStripeTestbed, TESTBED_LIVE_KEY, type StripeTestbed } from '../../src/testbed/index.js';
import { axeFaults, Visitors } from '../dashboard-support.js';
import { CHROMIUM } from '../browser.js';
import { HoldingClock } from '../holding-clock.js';
import { patience, until } from '../patience.js';
import { startService, TEST_TOKEN, type TestService } from '../service-support.js';

/** What runs in the page is text here: these tests are compiled without a DOM. */
const INSPECT = `${readFileSync(path.join(import.meta.dirname, '../inspect-page.js'), 'utf8')};inspectPage()`;
const BACKGROUND = 'getComputedStyle(document.documentElement).backgroundColor';
const PAGES = path.join(import.meta.dirname, '../../dist/service/web');

describe.skipIf(CHROMIUM === undefined)('the dashboard in Chromium', () => {
  let testbed: StripeTestbed;
  const hold = new HoldingClock();
  let service: TestService;
  let visitors: Visitors;

  beforeAll(async () => {
    testbed = await startStripeTestbed(
      {
        rows: 3000,
        collections: { charges: { rows: 27_000 } },
        limit: '60/s,endpoint=60/s',
        latency: { medianMs: 10, sigma: 0.2 },
      },
      hold,
    );
    const source = {
      connector: 'stripe',
      api_key: TESTBED_LIVE_KEY,
      base_url: testbed.url,
      rate_limit: { global: 60, endpoint: 60 },
    };
    const destination = { type: 'postgres', url: '${DATABASE_URL}' };
    service = await startService({
      pages: PAGES,
      file: {
        connections: {
          acme: {
            source: { ...source, streams: ['customers', 'charges'] },
            destination,
            schedule: { cron: '0 3 * * *' },
          },
          quick: { source: { ...source, streams: ['coupons'] }, destination },
          lame: { source: { ...source, api_key: ['sk', 'live', 'wrongkey123'].join('_') }, destination, app: 'lame' },
        },
      },
    });
    visitors = await Visitors.come();
  });
  afterEach(async () => {
    hold.release();
    expect(await visitors.leave()).toEqual([]);
  });
  afterAll(async () => {
    await visitors?.goHome();
    await service?.close();
    await testbed?.close();
  });

  const open = (hash?: string, options?: BrowserContextOptions, base = service.url, token = TEST_TOKEN) =>
    visitors.open(hash, options, base, token);
  const row = (page: Page, name: string) =>
    page.getByRole('row').filter({ has: page.getByRole('link', { name, exact: true }) });

  test('a run is started, watched while its streams fill, and ends with its proof', async () => {
    const page = await open();
    hold.holdAfter(60);
    await row(page, 'acme').getByRole('button', { name: 'Run now' }).click();
    await row(page, 'acme').getByText('running').waitFor();
    await row(page, 'acme').getByRole('link', { name: 'Watch' }).click();
    await page.getByRole('heading', { name: 'acme: sync' }).waitFor();
    const bar = page.getByRole('progressbar', { name: 'charges' });
    const filled = async () => Number(await bar.getAttribute('aria-valuenow'));
    let use = '';
    await until(async () => {
      use ||= await page
        .getByRole('meter', { name: 'Use of the limit' })
        .innerText({ timeout: 100 })
        .catch(() => '');
      return use !== '';
    });
    for (let steps = 0, before = 0; steps < 3; steps++) {
      before = await until(async () => {
        const now = await filled();
        return now > before && now;
      });
      hold.holdAfter(60);
    }
    hold.release();
    // After so much silence its gate takes a while to trust the server again.
    const complete = () => service.client.listRuns({ connection: 'acme', outcome: 'complete' });
    await until(async () => (await complete()).items.length > 0, { withinMs: patience(200_000) });
    expect(use).toMatch(/^[\d.]+ of [\d.]+ requests\/s \(\d+%\)$/);
    await page.getByText('complete').first().waitFor();
    await page.getByText(/proven: 2 streams without a gap or an overlap, 30,000 rows stored/).waitFor();
    expect(await filled()).toBe(100);
    await page.getByText('ended: complete').waitFor();
    // Its curves were kept: they are there for who comes later.
    await page.reload();
    for (const title of ['Rows', 'Requests', 'Rejections', 'Memory'])
      await page
        .getByRole('figure')
        .filter({ hasText: title })
        .getByText(/at most/)
        .first()
        .waitFor();
    expect(await page.locator('.chart canvas').count()).toBeGreaterThanOrEqual(4);
    await page.getByRole('heading', { name: 'What its time went into' }).waitFor();
    await page.getByLabel('Search the log').fill('charges complete');
    await page.getByText(/^1 of \d+, 0 that went wrong$/).waitFor();
    expect(await page.getByRole('listitem').filter({ hasText: 'charges: complete' }).count()).toBe(1);
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Report' }).click(),
    ]);
    const report = readFileSync(await download.path(), 'utf8');
    expect(report).toContain('What its time went into');
    expect(report).toMatch(/charges[\s\S]*proven/);
    // Which of them mattered at the end depends on how fast it ended: the others stand in a table that is folded away.
    const limits = page.locator('table').filter({ has: page.locator('caption', { hasText: /^(?:Other l|L)imits$/ }) });
    expect((await limits.allTextContents()).join()).toMatch(/usual for this API|stated|learned/);
  });

  test('a connection tells its health, its runs as bars, its streams with evidence, and what reading again takes', async () => {
    const page = await open('#/connections/acme');
    await page.getByText(/^Fresh\. Everything up to .* ago is stored/).waitFor();
    await page.getByText(/^The last (?:run|\d+ runs)/).waitFor();
    const bars = await page.locator('.bars').ariaSnapshot();
    // What it read: a row where two ranges meet may have come twice. What is stored is exact.
    expect(bars).toMatch(/link ".*: complete, 30,0\d\d rows, /);
    const line = page.getByRole('table', { name: 'Streams of acme' }).getByRole('row').filter({ hasText: 'charges' });
    await line.getByText('27,000').waitFor();
    expect(await line.innerText()).toMatch(/complete[\s\S]*ago[\s\S]*stated[\s\S]*what events name/);
    await page.getByRole('button', { name: 'Read all again' }).click();
    await page.getByText(/It reads 30,\d\d\d rows again, about 3\d\d requests\./).waitFor();
    await page.keyboard.press('Escape');
    await line.getByRole('button', { name: 'Open charges' }).click();
    const detail = page.getByRole('region', { name: 'Stream charges' });
    const rows = detail.getByRole('group', { name: /newest rows of charges/ }).getByRole('row');
    await until(async () => (await rows.count()) === 51);
    const names = await rows.first().getByRole('columnheader').allInnerTexts();
    const cell = async (name: string) => rows.nth(1).getByRole('cell').nth(names.indexOf(name)).innerText();
    expect(await cell('id')).toMatch(/^ch_/);
    expect(await cell('billing_details')).toBe('•••');
    await detail.getByText(/^Fields: \d+ of \d+ masked$/).click();
    await detail.getByLabel('show billing_details').check();
    await until(async () => (await cell('billing_details')) !== '•••');
    await detail.getByLabel('show amount', { exact: true }).uncheck();
    await until(async () => (await cell('amount')) === '•••');
    expect(await axeFaults(page)).toEqual([]);
    await detail.getByLabel('from').fill('2020-01-01');
    await detail.getByRole('button', { name: 'Reset charges' }).click();
    await page
      .getByText(/Read charges again from 2020-01-01 to its end with the next run\? It reads [\d,]+ rows again/)
      .waitFor();
    await page.keyboard.press('Escape');
    // Somebody else's choice of fields is theirs; this browser keeps its own.
    await page.reload();
    await line.getByRole('button', { name: 'Open charges' }).click();
    await until(async () => (await rows.count()) === 51 && (await cell('amount')) === '•••');
  });

  test('a limit is edited and seen obeyed: no more run than its cap, the next claim on', async () => {
    const page = await open('#/limits');
    await page.getByRole('button', { name: /^Last hour of stripe/ }).click();
    const hour = page.getByRole('region', { name: /^Last hour of stripe/ });
    await hour
      .getByRole('figure')
      .filter({ hasText: 'global' })
      .getByText(/used: .*at most/)
      .first()
      .waitFor();
    expect(await hour.locator('canvas').count()).toBeGreaterThanOrEqual(2);
    expect(await axeFaults(page)).toEqual([]);
    const form = page.getByLabel('Requests of stripe');
    await form.fill('2');
    await page.getByRole('button', { name: 'Save limit of stripe' }).click();
    await page.getByText('At most 1 task at once, from the next claim on.').waitFor();
    await page.getByText('1 task in each of 1 partition').waitFor();
    hold.holdAfter(30);
    await service.client.runConnection('acme', { kind: 'full' });
    const cell = page.getByRole('meter', { name: /^Tasks of stripe/ });
    await until(async () => (await cell.innerText()).includes('1 of 1'));
    for (const kind of ['check', 'sync'] as const) await service.client.runConnection('quick', { kind });
    const waiting = page.getByRole('row').filter({ has: cell }).getByRole('cell').nth(2);
    await until(async () => Number(await waiting.innerText()) === 2 && (await cell.innerText()).includes('1 of 1'));
    await form.fill('60');
    await page.getByRole('button', { name: 'Save limit of stripe' }).click();
    await until(async () => (await cell.innerText()).includes('of 30') && Number(await waiting.innerText()) === 0);
    expect((await service.client.getConnection('acme')).running).toBe(1);
    // After so long a silence its gate would take long to trust the server again.
    await service.client.cancelConnection('acme');
    hold.release();
    await until(async () => (await service.client.getConnection('acme')).running === 0);
    const {
      items: [cancelled],
    } = await service.client.listRuns({ connection: 'acme', outcome: 'cancelled' });
    await page.goto(`${service.url}/#/runs/${cancelled!.id}`);
    await page.getByText('It was cancelled. What it committed stays; the next run goes on there.').waitFor();
    expect(await page.getByRole('status').filter({ hasText: 'cancelled' }).count()).toBe(1);
  });

  test('with the keyboard alone: a connection is found, run, paused and resumed', async () => {
    const page = await open();
    await page.getByRole('heading', { name: 'Connections' }).waitFor();
    /** Tab until the focus is on what is meant. */
    const reach = async (role: string, name: RegExp) => {
      for (let i = 0; i < 60; i++) {
        await page.keyboard.press('Tab');
        const found = await page.evaluate<{ tag: string; text: string; outline: string }>(`(() => {
          const at = document.activeElement;
          return { tag: at.tagName, text: (at.innerText || at.getAttribute('aria-label') || at.closest('label')?.innerText) ?? '', outline: getComputedStyle(at).outlineStyle };
        })()`);
        if (found.tag === role && name.test(found.text)) {
          expect(found.outline).not.toBe('none');
          return;
        }
      }
      throw new Error(`the keyboard does not reach ${role} ${String(name)}`);
    };
    await reach('INPUT', /Name/);
    await page.keyboard.type('quick');
    await until(async () => (await page.getByRole('row').count()) === 2);
    await reach('A', /^quick$/);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'quick' }).waitFor();
    expect(await page.evaluate('document.activeElement?.tagName')).toBe('H1');
    await reach('BUTTON', /^Run now$/);
    await page.keyboard.press('Enter');
    await page.getByText('It begins as soon as the limit has room.').waitFor();
    await page.getByRole('table', { name: 'Runs of quick' }).getByText('complete').first().waitFor();
    await reach('BUTTON', /^Pause$/);
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Resume', exact: true }).waitFor();
    expect(await service.client.getConnection('quick')).toMatchObject({ paused: true });
    await page.getByRole('button', { name: 'Resume', exact: true }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Pause', exact: true }).waitFor();
    await reach('BUTTON', /^Read all again$/);
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'hidden' });
    expect((await service.client.listTasks({ connection: 'quick' })).items.some(({ kind }) => kind === 'full')).toBe(
      false,
    );
  });

  test('an error is shown with its next step', async () => {
    await service.client.runConnection('lame', {});
    await until(async () => (await service.client.listTasks({ connection: 'lame', state: 'dead' })).items.length > 0);
    const page = await open('#/problems');
    const line = page.getByRole('table', { name: 'Dead letters' }).getByRole('row').filter({ hasText: 'lame' });
    await line.waitFor();
    expect(await line.innerText()).toMatch(/key/i);
    expect((await line.getByRole('cell').nth(3).innerText()).length).toBeGreaterThan(10);
    await page
      .getByRole('link', { name: /Problems/ })
      .getByText('1')
      .waitFor();
    await line
      .getByRole('button', { name: /Cancel|Retry/ })
      .first()
      .click();
    await until(
      async () =>
        (await service.client.listTasks({ connection: 'lame' })).items[0]!.attempt > 1 ||
        (await service.client.listTasks({ connection: 'lame' })).items[0]!.state !== 'dead',
    );
  });

  const VIEWS = [
    '',
    '#/runs',
    '#/limits',
    '#/problems',
    '#/workers',
    '#/alerts',
    '#/tokens',
    '#/new',
    '#/new/stripe',
    '#/connections/acme',
    '#/nowhere',
    '#/run',
  ];
  test.each([
    ['light', 1200],
    ['dark', 1200],
    ['light', 320],
    ['dark', 320],
    ['light', 2560],
  ] as const)('%s, %i px wide: every view is readable, named, and fits', async (colorScheme, width) => {
    const { items } = await service.client.listRuns({ connection: 'acme', outcome: 'complete' });
    if (items.length === 0) await service.client.runConnection('acme', {});
    const run = await until(
      async () => (await service.client.listRuns({ connection: 'acme', outcome: 'complete' })).items[0],
    );
    const page = await open('', { colorScheme, viewport: { width, height: 800 } });
    for (const view of VIEWS) {
      await page.goto(`${service.url}/${view === '#/run' ? `#/runs/${run.id}` : view}`);
      await page.locator('h1').waitFor();
      await until(async () => (await page.locator('[aria-busy=true]').count()) === 0);
      const found = await page.evaluate<Record<string, unknown>>(INSPECT);
      expect({ view, axe: await axeFaults(page), ...found }).toEqual({
        view,
        axe: [],
        low: [],
        nameless: [],
        headings: 1,
        doubles: 0,
        lang: 'en',
        wide: width,
      });
    }
    expect(await page.evaluate(BACKGROUND)).toBe(colorScheme === 'dark' ? 'rgb(14, 20, 25)' : 'rgb(255, 255, 255)');
  });

  test('a screen reader is told of tables, states and progress', async () => {
    const page = await open('', { viewport: { width: 320, height: 800 } });
    await row(page, 'acme').waitFor();
    const tree = await page.locator('main').ariaSnapshot();
    expect(tree).toMatch(/heading "Connections" \[level=1\]/);
    expect(tree).toMatch(/table "Connections"/);
    expect(tree).toMatch(/link "acme"/);
    expect(tree).toMatch(/button "Run now acme"/);
    expect(await page.locator('nav').ariaSnapshot()).toMatch(/navigation "Main"/);
  });

  test('the theme can be chosen, and is kept', async () => {
    const page = await open('', { colorScheme: 'light' });
    await page.getByLabel('Theme').selectOption('dark');
    await page.reload();
    await page.getByRole('heading', { name: 'Connections' }).waitFor();
    expect(await page.evaluate(BACKGROUND)).toBe('rgb(14, 20, 25)');
  });

  test('a service that goes away is told, and comes back by itself', async () => {
    const page = await open();
    await row(page, 'acme').waitFor();
    await page.route('**/api/**', (route) => route.abort());
    await page.getByText(/The service does not answer/).waitFor();
    await page.unroute('**/api/**');
    await page.getByText(/The service does not answer/).waitFor({ state: 'hidden' });
    // What the browser says of requests that were cut off is no fault of the page.
    visitors.forgive(/ERR_FAILED/);
  });

  test('where a token is required, it is asked for; a reader sees everything and can change nothing', async () => {
    const guarded = await startService({
      worker: false,
      pages: PAGES,
      file: {
        connections: {
          seen: {
            source: { connector: 'stripe', api_key: TESTBED_LIVE_KEY, base_url: testbed.url, streams: ['coupons'] },
          },
        },
      },
    });
    try {
      const { token } = await guarded.tokens.create('viewer', 'read', undefined);
      const page = await open('', {}, guarded.url, '');
      await page.getByRole('heading', { name: 'Sign in' }).waitFor();
      await page.getByLabel('Token').fill('not the token');
      await page.getByRole('button', { name: 'Sign in' }).click();
      await page.getByText('This token is unknown or expired.').waitFor();
      await page.getByLabel('Token').fill(token);
      await page.getByRole('button', { name: 'Sign in' }).click();
      await page.getByRole('link', { name: 'seen', exact: true }).click();
      await page.getByRole('heading', { name: 'seen' }).waitFor();
      for (const name of ['Run now', 'Pause', 'Delete', 'Test'])
        expect(await page.getByRole('button', { name }).count()).toBe(0);
      expect(await page.getByRole('link', { name: 'Tokens' }).count()).toBe(0);
      expect(await page.content()).not.toContain(token);
      expect(await page.evaluate('JSON.stringify([document.cookie, { ...localStorage }, { ...sessionStorage }])')).toBe(
        '["",{"headrace theme":"auto"},{}]',
      );
      await page.getByRole('button', { name: 'Sign out' }).click();
      await page.getByRole('heading', { name: 'Sign in' }).waitFor();
      await page.goto(`${guarded.url}/#token=${token}`);
      await page.getByRole('link', { name: 'seen', exact: true }).waitFor();
      expect(page.url()).toBe(`${guarded.url}/`);
      await page.reload();
      await page.getByRole('link', { name: 'seen', exact: true }).waitFor();
      await page.goto('about:blank');
      await page.goto(`${guarded.url}/#/connections/seen`);
      await page.getByRole('heading', { name: 'seen' }).waitFor();
      await page.close();
    } finally {
      await guarded.close();
    }
  });
});
