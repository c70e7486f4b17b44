/** The testbed of Intercom, and the connector's manifest and configuration for it. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { startIntercomTestbed, TESTBED_INTERCOM_TOKEN, type IntercomTestbed } from '../src/testbed/index.js';
import { scratch } from './support.js';

export const MANIFEST = path.join(import.meta.dirname, 'manifests/source-intercom.yaml');
export const CONFIG = { access_token: TESTBED_INTERCOM_TOKEN, start_date: '2010-01-01T00:00:00Z' };
export const ROWS = 900;

export let testbed: IntercomTestbed;
export const { folder, drop } = scratch();
export const configFile = path.join(folder, 'config.json');

export const partsOf = (bed: IntercomTestbed, rows: number) =>
  Array.from({ length: rows }, (_, i) => bed.api.conversationAt(i).parts.map((part) => String(part['id'])))
    .flat()
    .toSorted();

/** Starts it before the tests of a file, and stops it after. The raised limit is for tests that are not about it. */
export function serveIntercom(limit: 'intercom' | 'intercom-raised' = 'intercom'): void {
  beforeAll(async () => {
    testbed = await startIntercomTestbed({ rows: ROWS, limit });
    // Files that run in one process share it, and each removes it.
    mkdirSync(folder, { recursive: true });
    writeFileSync(configFile, JSON.stringify(CONFIG));
  });
  afterAll(async () => {
    await testbed.close();
    drop();
  });
}
