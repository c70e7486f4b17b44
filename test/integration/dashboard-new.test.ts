/** A connection is made in a real Chromium: found in the catalogue, filled in, tested, its streams chosen, run. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Locator, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { startStripeTestbed, TESTBED_LIVE_KEY, type StripeTestbed } from '../../src/testbed/index.js';
import { CHROMIUM } from '../browser.js';
import { axeFaults, tinyManifest, Visitors } from '../dashboard-support.js';
import { Reply, scripted, type Scripted } from '../manifest-support.js';
import { until } from '../patience.js';
import { startService, TEST_TOKEN, type TestService } from '../service-support.js';

const PAGES = path.join(import.meta.dirname, '../../dist/service/web');
const TOKEN = 'tk_of_the_tiny_api';

describe.skipIf(CHROMIUM === undefined)('a new connection in Chromium', () => {
  let testbed: StripeTestbed;
  let tiny: Scripted;
  let service: TestService;
  let visitors: Visitors;

  beforeAll(async () => {
    testbed = await startStripeTestbed({ rows: 300, limit: '200/s,endpoint=200/s' });
    tiny = await scripted(({ headers }) =>
      headers['x-key'] === TOKEN ? [{ id: 1 }, { id: 2 }, { id: 3 }] : new Reply(401, { error: 'no such token' }),
    );
    service = await startService({ pages: PAGES });
    mkdirSync(path.join(service.folder, 'manifests'));
    writeFileSync(path.join(service.folder, 'manifests', 'source-tiny.yaml'), tinyManifest(tiny.url));
    visitors = await Visitors.come();
  });
  afterEach(async () => {
    expect(await visitors.leave()).toEqual([]);
  });
  afterAll(async () => {
    await visitors?.goHome();
    await service?.close();
    await testbed?.close();
    await tiny?.close();
  });

  const open = (hash: string) => visitors.open(hash, {}, service.url, TEST_TOKEN);
  const alert = async (page: Page, text: RegExp) => {
    const said = () => page.getByRole('alert').innerText();
    await until(async () => !/^(?:Testing…|Saving…|)$/.test(await said()));
    expect(await said()).toMatch(text);
  };

  test('is found, filled in, tested, its streams are chosen, and its first run is watched', async () => {
    const page = await open('');
    await page.getByRole('link', { name: 'New connection' }).click();
    await page.getByText('2 of 2').waitFor();
    await page.getByLabel('Search').fill('pay cust');
    await page.getByText('1 of 2').waitFor();
    await page.getByRole('link', { name: 'Stripe' }).click();
    await page.getByRole('heading', { name: 'New connection: Stripe' }).waitFor();
    expect(await axeFaults(page)).toEqual([]);
    await page.getByLabel('Name').fill('shop');
    const key = page.getByLabel('API key');
    expect(await key.getAttribute('type')).toBe('password');
    await key.fill('no key');
    await page.getByRole('button', { name: 'Make it only' }).click();
    await page
      .getByText(/api_key/)
      .first()
      .waitFor();
    expect(await key.getAttribute('aria-invalid')).toBe('true');
    await key.fill(TESTBED_LIVE_KEY);
    await page
      .getByText(/^More settings/)
      .first()
      .click();
    await page.getByLabel('Base URL').fill(testbed.url);
    await page.getByLabel('Rows go to').selectOption({ label: 'a PostgreSQL server' });
    await page.getByRole('textbox', { name: 'URL', exact: true }).fill(service.databaseUrl);
    await page.getByRole('button', { name: 'Test, and list the streams' }).click();
    await page.getByText(/Works: account acct_/).waitFor();
    await page.getByText(/(\d+) of \1 streams: .* rows, .* requests, .* at the limit/).waitFor();
    await page.getByRole('button', { name: 'None' }).click();
    expect(await page.getByRole('button', { name: 'Make it and run' }).isDisabled()).toBe(true);
    await page.getByLabel('coupons', { exact: true }).check();
    await page.getByLabel('products', { exact: true }).check();
    await page.getByText(/2 of \d\d streams/).waitFor();
    const products = page.getByRole('row').filter({ has: page.getByLabel('products', { exact: true }) });
    expect(await products.getByRole('cell').allInnerTexts()).toEqual([
      'products',
      expect.stringMatching(/^\d+$/),
      '1',
      'id',
      'what events name',
    ]);
    await page.getByLabel('It runs').selectOption('by a cron expression');
    await page.getByRole('textbox', { name: 'Cron expression' }).fill('0 25 * * *');
    await page.getByText(/cron expression or its time zone cannot be read/).waitFor();
    await page.getByRole('textbox', { name: 'Cron expression' }).fill('0 3 * * *');
    await page.getByText(/^Next runs: \w+day \d+ \w+\W.*; \w+day .*; \w+day /).waitFor();
    expect(await axeFaults(page)).toEqual([]);
    await page.getByRole('button', { name: 'Make it and run' }).click();
    await page.getByRole('heading', { name: 'shop: sync' }).waitFor();
    await page.getByText(/proven: 2 streams/).waitFor();
    const made = await service.client.getConnection('shop');
    expect(made.settings).toMatchObject({
      source: { api_key: '********', streams: ['coupons', 'products'] },
      schedule: { cron: '0 3 * * *' },
    });
    expect(await page.content()).not.toContain(TESTBED_LIVE_KEY);
  });

  test('an alert that is removed does not give its address to the next one', async () => {
    const page = await open('#/connections/shop');
    await page.getByRole('link', { name: 'Edit' }).click();
    await page.getByRole('button', { name: 'Add an alert' }).click();
    await page.getByLabel('Address that is told').fill('https://hooks.example/of-the-first');
    await page.getByRole('button', { name: 'Add an alert' }).click();
    await page.getByLabel('Address that is told').last().fill('https://hooks.example/of-the-second');
    await page.getByLabel('Shape').last().selectOption('slack');
    await page.getByLabel('recovered').last().uncheck();
    expect(await axeFaults(page)).toEqual([]);
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByRole('heading', { name: 'shop', exact: true }).waitFor();
    expect((await service.client.getConnection('shop')).settings).toMatchObject({
      alerts: [
        { url: '********', format: 'json', on: ['failed', 'late', 'unproven', 'recovered'] },
        { url: '********', format: 'slack', on: ['failed', 'late', 'unproven'] },
      ],
    });
    await page.getByRole('link', { name: 'Edit' }).click();
    await page.getByRole('button', { name: 'Remove alert 1' }).click();
    const left = page.getByLabel('Address that is told');
    expect([await left.count(), await left.inputValue(), await left.getAttribute('placeholder')]).toEqual([
      1,
      '',
      'https://…',
    ]);
    await page.getByRole('button', { name: 'Save' }).click();
    expect(await left.evaluate((field: any) => field.validity.valueMissing)).toBe(true);
    await left.fill('https://hooks.example/of-the-second');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByRole('heading', { name: 'shop', exact: true }).waitFor();
    expect((await service.client.getConnection('shop')).settings).toMatchObject({
      alerts: [{ url: '********', format: 'slack' }],
    });
  });

  test('an unknown setting in its JSON is named there', async () => {
    const page = await open('#/connections/shop/edit');
    // What only the JSON of the settings can hold is refused there, by name.
    await page.getByRole('tab', { name: 'JSON' }).first().click();
    const json = page.getByLabel('Source as JSON');
    const settings = await json.inputValue();
    await json.fill(settings.replace('{', '{"max_rte": 5,'));
    await page.getByRole('button', { name: 'Save' }).click();
    await alert(page, /max_rte[^]*did you mean max_rate/);
    expect(await json.getAttribute('aria-invalid')).toBe('true');
    visitors.forgive(/status of 400/);
  });

  test('is made with the keyboard alone', async () => {
    const page = await open('');
    const tabTo = async (wanted: Locator) => {
      await wanted.waitFor();
      for (let stops = 0; stops < 150; stops++) {
        if (await wanted.evaluate((element: any) => element === element.ownerDocument.activeElement)) return;
        await page.keyboard.press('Tab');
      }
      throw new Error(`no stop of the keyboard: ${String(wanted)}`);
    };
    const button = (name: string) => page.getByRole('button', { name });
    await tabTo(page.getByRole('link', { name: 'New connection' }));
    await page.keyboard.press('Enter');
    await tabTo(page.getByLabel('Search'));
    await page.keyboard.type('tiny');
    await page.getByText('1 of 2').waitFor();
    await tabTo(page.getByRole('link', { name: 'Tiny' }));
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'New connection: Tiny' }).waitFor();
    await tabTo(page.getByLabel('Name'));
    await page.keyboard.press('Control+A');
    await page.keyboard.type('keys');
    await tabTo(page.getByRole('tab', { name: 'Form' }).first());
    await page.keyboard.press('ArrowRight');
    await tabTo(page.getByLabel('Configuration as JSON'));
    await page.keyboard.press('Control+A');
    await page.keyboard.type(JSON.stringify({ auth: { kind: 'token', token: TOKEN } }));
    await tabTo(page.getByLabel('Rows go to'));
    await page.keyboard.type('files');
    await tabTo(page.getByRole('textbox', { name: 'Folder', exact: true }));
    await page.keyboard.type('exports/keys');
    await tabTo(button('Test, and list the streams'));
    await page.keyboard.press('Enter');
    await page.getByText(/2 of 2 streams/).waitFor();
    await tabTo(page.getByLabel('others'));
    await page.keyboard.press('Space');
    await tabTo(page.getByLabel('It runs'));
    await page.keyboard.type('when');
    await tabTo(button('Make it and run'));
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'keys: sync' }).waitFor();
    await page.getByText(/proven: 1 stream/).waitFor();
    expect((await service.client.getConnection('keys')).settings).toMatchObject({ source: { streams: ['things'] } });
  });

  test('of a definition asks what its specification asks, one tab for each way to sign in', async () => {
    const page = await open('#/new/manifest/source-tiny');
    await page.getByRole('heading', { name: 'New connection: Tiny' }).waitFor();
    const ways = page.getByRole('tablist', { name: 'Authentication' });
    expect(await ways.getByRole('tab').allInnerTexts()).toEqual(['Nobody', 'Token']);
    await page.getByLabel('Rows go to').selectOption({ label: 'files of JSON lines' });
    await page.getByRole('textbox', { name: 'Folder', exact: true }).fill('exports/tiny');
    await page.getByRole('button', { name: 'Test, and list the streams' }).click();
    await alert(page, /refused a request.*401|refused a request.*no such token/);
    // With the keyboard: one stop for the tabs, arrows between them.
    await ways.getByRole('tab', { name: 'Nobody' }).focus();
    await page.keyboard.press('ArrowRight');
    const token = page.getByLabel('Access token');
    expect(await token.getAttribute('type')).toBe('password');
    await page.getByText('Of your account.').waitFor();
    await token.fill(TOKEN);
    await page.getByRole('button', { name: 'Test, and list the streams' }).click();
    await page.getByText(/2 of 2 streams/).waitFor();
    await page.getByLabel('others').uncheck();
    // The form and its JSON are the same settings.
    await page.getByRole('tab', { name: 'JSON' }).first().click();
    const text = page.getByLabel('Configuration as JSON');
    expect(JSON.parse(await text.inputValue())).toEqual({ auth: { kind: 'token', token: TOKEN } });
    await text.fill('{"auth": ');
    await page.getByText(/This is no JSON/).waitFor();
    await text.fill(JSON.stringify({ auth: { kind: 'token', token: TOKEN }, start: '2026-01-01' }));
    await page.getByRole('tab', { name: 'Form' }).first().click();
    expect(await page.getByLabel('Start date').inputValue()).toBe('2026-01-01');
    await page.getByLabel('It runs').selectOption('when asked for');
    await page.getByRole('button', { name: 'Make it only' }).click();
    await page.getByRole('heading', { name: 'tiny', exact: true }).waitFor();
    expect((await service.client.getConnection('tiny')).settings).toMatchObject({
      source: { connector: 'manifest', manifest: 'source-tiny', streams: ['things'], config: { start: '2026-01-01' } },
      destination: { type: 'ndjson', path: 'exports/tiny' },
    });
    await service.client.runConnection('tiny', {});
    await until(async () => (await service.client.listRuns({ connection: 'tiny' })).items[0]?.outcome === 'complete');
  });

  test('is edited without its secrets being shown, and deleted', async () => {
    const page = await open('#/connections/tiny');
    await page.getByRole('link', { name: 'Edit' }).click();
    await page.getByRole('heading', { name: 'Edit tiny' }).waitFor();
    const token = page.getByLabel('Access token');
    expect([await token.inputValue(), await token.getAttribute('placeholder')]).toEqual([
      '',
      'stored; type to replace it',
    ]);
    expect(await page.content()).not.toContain(TOKEN);
    await page.getByLabel('It runs').selectOption('again and again');
    await page.getByLabel('Every').fill('2h');
    await page.getByRole('button', { name: 'Test, and list the streams' }).click();
    await page.getByText(/1 of 2 streams/).waitFor();
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('every 2 h').waitFor();
    await page.getByRole('button', { name: 'Test' }).click();
    await page.getByText(/Works: account/).waitFor();
    // Its schedule has just begun: what runs is not deleted.
    await service.client.pauseConnection('tiny');
    await until(async () => (await service.client.getConnection('tiny')).running === 0);
    await page.getByRole('button', { name: 'Delete' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await page.getByRole('heading', { name: 'Connections' }).waitFor();
    expect((await service.client.listConnections({ search: 'tiny' })).items).toEqual([]);
    // What was on the page may have asked for it once more.
    visitors.forgive(/status of 404/);
  });
});
