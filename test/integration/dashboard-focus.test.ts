/** What has the focus of the keyboard keeps it, whatever is refreshed around it. */
import path from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { startStripeTestbed, TESTBED_LIVE_KEY, type StripeTestbed } from '../../src/testbed/index.js';
import { Visitors } from '../dashboard-support.js';
import { CHROMIUM } from '../browser.js';
import { until } from '../patience.js';
import { startService, TEST_TOKEN, type TestService } from '../service-support.js';

const PAGES = path.join(import.meta.dirname, '../../dist/service/web');

/** Holds what a page asks of an address, from now until it is let go. */
async function hold(page: Page, address: RegExp) {
  let letGo!: () => void;
  let isAsked = false;
  const over = new Promise<void>((resolve) => (letGo = resolve));
  await page.route(address, async (route) => {
    isAsked = true;
    await over;
    await route.continue();
  });
  return { letGo, asked: () => until(() => isAsked) };
}

/** What has the focus, in words; whether it is the very element that was marked. */
const focused = (page: Page) =>
  page.evaluate<{ tag: string; text: string; isMarked: boolean }>(`(() => {
    const at = document.activeElement;
    return { tag: at.tagName, text: (at.innerText ?? '').trim(), isMarked: at === window.marked };
  })()`);
const mark = (page: Page) => page.evaluate('void (window.marked = document.activeElement)');

describe.skipIf(CHROMIUM === undefined)('the focus of the keyboard', () => {
  let testbed: StripeTestbed;
  let service: TestService;
  let visitors: Visitors;

  beforeAll(async () => {
    testbed = await startStripeTestbed({ rows: 50 });
    const connection = {
      source: { connector: 'stripe', api_key: TESTBED_LIVE_KEY, base_url: testbed.url, streams: ['coupons'] },
      destination: { type: 'postgres', url: '${DATABASE_URL}' },
    };
    service = await startService({
      pages: PAGES,
      file: { connections: Object.fromEntries(['first', 'other', 'quick'].map((name) => [name, connection])) },
    });
    visitors = await Visitors.come();
    await run('quick');
  });
  afterEach(async () => {
    expect(await visitors.leave()).toEqual([]);
  });
  afterAll(async () => {
    await visitors?.goHome();
    await service?.close();
    await testbed?.close();
  });

  const open = (hash = '') => visitors.open(hash, {}, service.url, TEST_TOKEN);
  const run = async (name: string) => {
    const before = (await service.client.getConnection(name)).last_run?.id;
    await service.client.runConnection(name, {});
    await until(async () => {
      const { running, last_run: last } = await service.client.getConnection(name);
      return running === 0 && last !== null && last.id !== before && last.outcome !== null;
    });
  };
  const LIST = /\/api\/v1\/connections\?/;
  const rows = (page: Page) => page.getByRole('table', { name: 'Connections' }).getByRole('row');

  test('a filter that is still asked for takes nothing away: Enter on a link goes where it leads', async () => {
    const page = await open();
    await until(async () => (await rows(page).count()) === 4);
    const held = await hold(page, /\/api\/v1\/connections\?.*search=quick/);
    await page.getByLabel('Name').fill('quick');
    await held.asked();
    await page.keyboard.press('Tab');
    for (let i = 0; i < 20 && (await focused(page)).text !== 'quick'; i++) await page.keyboard.press('Tab');
    expect(await focused(page)).toMatchObject({ tag: 'A', text: 'quick' });
    await mark(page);
    held.letGo();
    await until(async () => (await rows(page).count()) === 2);
    expect(await focused(page)).toEqual({ tag: 'A', text: 'quick', isMarked: true });
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'quick' }).waitFor();
    expect(await focused(page)).toMatchObject({ tag: 'H1', text: 'quick' });
  });

  test('a filter whose answer fails shows no rows of the filter before', async () => {
    const page = await open();
    await until(async () => (await rows(page).count()) === 4);
    await page.route(LIST, (route) => route.fulfill({ status: 422, json: { error: { message: 'no such filter' } } }));
    await page.getByLabel('Name').fill('quick');
    await page.getByText('no such filter').waitFor();
    expect(await page.getByRole('table', { name: 'Connections' }).count()).toBe(0);
  });

  test.each([
    ['', 'a', /^quick$/],
    ['', 'button', /^Run now quick$/],
    ['#/connections/quick', 'button', /^Test$/],
    ['#/runs', 'a', /^sync of quick$/],
    ['#/limits', 'button', /^Last hour of stripe/],
  ])('%s: a refresh leaves the focus on the same %s %s', async (hash, tag, name) => {
    const page = await open(hash);
    await page.locator('h1').waitFor();
    await page.locator(tag).filter({ hasText: name }).first().focus();
    await mark(page);
    const before = await focused(page);
    for (let runs = 0; runs < 2; runs++) {
      await run('quick');
      await page.waitForResponse(/\/api\/v1\/(?:connections|runs|partitions)/);
      await page.evaluate('new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)))');
    }
    expect(await focused(page)).toEqual({ ...before, isMarked: true });
  });

  test('a button that was pressed keeps the focus while it works, and after', async () => {
    const page = await open('#/connections/quick');
    const button = page.getByRole('button', { name: 'Run now', exact: true });
    await button.focus();
    await mark(page);
    const held = await hold(page, /\/runs$|\/run$/);
    await page.keyboard.press('Enter');
    await held.asked();
    await until(async () => (await button.getAttribute('aria-busy')) === 'true');
    expect(await focused(page)).toMatchObject({ tag: 'BUTTON', isMarked: true });
    // Pressing it again does nothing while it works.
    await page.keyboard.press('Enter');
    held.letGo();
    await page.getByText('It begins as soon as the limit has room.').waitFor();
    expect(await focused(page)).toMatchObject({ tag: 'BUTTON', isMarked: true });
  });

  test('where the row with the focus goes, its table has the focus', async () => {
    const page = await open();
    await page.getByRole('link', { name: 'other', exact: true }).focus();
    await page.evaluate(`(() => {
      const input = document.querySelector('input[type=search]');
      Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set.call(input, 'quick');
      input.dispatchEvent(new Event('input', { bubbles: true }));
    })()`);
    await until(async () => (await rows(page).count()) === 2);
    expect((await focused(page)).tag).toBe('TABLE');
    await page.keyboard.press('Tab');
    expect(await focused(page)).toMatchObject({ tag: 'A', text: 'quick' });
  });
});
