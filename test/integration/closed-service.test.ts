/** What a service of the tests leaves behind that is closed in the middle of a request. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { TESTBED_LIVE_KEY } from '../../src/testbed/index.js';
import { until } from '../patience.js';
import { startService } from '../service-support.js';

test.for(['at once', 'while its files are made', 'while it starts'])(
  'a request that opens the embedded database and is given up %s leaves no server and no file',
  async (when) => {
    const source = { connector: 'stripe', api_key: TESTBED_LIVE_KEY, base_url: 'http://127.0.0.1:1' };
    const service = await startService({ worker: false, file: { connections: { seen: { source } } } });
    const gone = new AbortController();
    const asked = service.fetch('/api/v1/connections/seen/streams', { signal: gone.signal }).catch(() => {});
    const below = { 'at once': '', 'while its files are made': 'password', 'while it starts': 'data' }[when]!;
    if (below !== '')
      await until(() => existsSync(path.join(service.folder, '.headrace/postgres', below)), { everyMs: 1 });
    gone.abort();
    await service.close();
    await asked;
    expect(existsSync(service.folder)).toBe(false);
  },
);
