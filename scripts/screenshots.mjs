// npm run screenshots: the dashboard's pictures for the README, of a real service that reads a simulated API. Wants a
// Chromium.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, rmSync, chmodSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { chromium } from 'playwright-core';
import { HeadraceClient } from '../dist/service/client/index.js';
import { startStripeTestbed, TESTBED_LIVE_KEY } from '../dist/testbed/index.js';

const images = path.join(import.meta.dirname, '..', 'docs', 'images');
const executablePath = [
  process.env.HEADRACE_CHROMIUM,
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
].find((place) => place && existsSync(place));
if (!executablePath) throw new Error('there is no Chromium here: install it, or name it in HEADRACE_CHROMIUM');

const folder = mkdtempSync(path.join(tmpdir(), 'headrace-shots-'));
chmodSync(folder, 0o755);
mkdirSync(images, { recursive: true });
const testbed = await startStripeTestbed({
  rows: 40_000,
  collections: {
    charges: { rows: 80_000, shape: 'growth' },
    invoices: { rows: 30_000, shape: 'bulk' },
    refunds: { rows: 8_000, shape: 'campaigns' },
  },
  limit: '100/s,endpoint=40/s',
  latency: { medianMs: 80, sigma: 0.4 },
});
const source = (streams, key = TESTBED_LIVE_KEY) => ({
  connector: 'stripe',
  api_key: key,
  base_url: testbed.url,
  streams,
  rate_limit: { global: 100, endpoint: 40 },
});
writeFileSync(
  path.join(folder, 'headrace.yaml'),
  JSON.stringify({
    connections: {
      acme: {
        schedule: { every: '15m' },
        source: source(['customers', 'charges', 'invoices', 'refunds', 'payment_intents', 'products']),
      },
      'acme-labs': {
        schedule: { cron: '0 3 * * *', time_zone: 'Europe/Berlin' },
        source: source(['coupons', 'products']),
      },
      globex: { schedule: { every: '1h' }, source: source(['prices']) },
      initech: { source: source(['plans']) },
      umbrella: {
        schedule: { every: '6h' },
        app: 'umbrella',
        source: source(['customers'], ['sk', 'live', 'revokedkey0'].join('_')),
      },
    },
  }),
);
const token = randomBytes(24).toString('hex');
const child = spawn(
  process.execPath,
  [path.join(import.meta.dirname, '..', 'dist', 'main.js'), 'serve', '--port', '0', '--json', '--slots', '6'],
  { cwd: folder, env: { ...process.env, HEADRACE_TOKEN: token }, stdio: ['ignore', 'pipe', 'inherit'] },
);
const url = await new Promise((resolve) =>
  child.stdout.setEncoding('utf8').on('data', (text) => {
    const found = /"url":"([^"]+)"/.exec(text);
    if (found) resolve(found[1]);
  }),
);
const client = new HeadraceClient({ url, token });
await client.pauseConnection('initech');
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
let run;
while (!run) {
  await wait(300);
  run = (await client.listRuns({ connection: 'acme' })).items[0];
}
// A history of runs: what is new, and once all of it.
for (const kind of ['sync', 'sync', 'full', 'sync']) {
  await client.runConnection('globex', { kind });
  await wait(3_000);
}
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
/** What is done before a picture is taken. */
const before = {
  connection: (page) => page.getByRole('table', { name: 'Streams of globex' }).waitFor(),
  limits: async (page) => {
    await page.getByRole('button', { name: /^Last hour of stripe/ }).click();
    await page.locator('canvas').first().waitFor();
  },
};
for (const [name, hash, colorScheme, height] of [
  ['run', `#/runs/${run.id}`, 'light', 1080],
  ['connections', '', 'dark', 470],
  ['connection', '#/connections/globex', 'light', 900],
  ['new', '#/new/stripe', 'dark', 900],
  ['limits', '#/limits', 'light', 900],
]) {
  const page = await browser.newPage({ viewport: { width: 1180, height }, colorScheme });
  await page.request.post(`${url}/api/v1/session`, { headers: { authorization: `Bearer ${token}` } });
  await page.goto(`${url}/${hash}`);
  await page.locator('h1').waitFor();
  await before[name]?.(page);
  await wait(name === 'run' ? 9000 : 2500);
  await page.screenshot({ path: path.join(images, `${name}.png`) });
  await page.close();
}
await browser.close();
child.kill('SIGTERM');
await new Promise((resolve) => child.once('exit', resolve));
await testbed.close();
rmSync(folder, { recursive: true, force: true });
