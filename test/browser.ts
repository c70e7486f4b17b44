/** A real browser where there is one: Chromium of the system. */
import { existsSync } from 'node:fs';
import { chromium, type Browser } from 'playwright-core';

const PLACES = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/snap/bin/chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
];

/** Undefined: tests that need it are skipped, by name. */
export const CHROMIUM = [process.env['HEADRACE_CHROMIUM'], ...PLACES].find(
  (place) => place !== undefined && existsSync(place),
);

export function openBrowser(): Promise<Browser> {
  // Its sandbox wants privileges that containers and root do not give it.
  return chromium.launch({ executablePath: CHROMIUM!, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
}
