/** What a command loads: each module costs a start half a millisecond, and some packages thirty. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { startStripeTestbed, TESTBED_LIVE_KEY } from '../../src/testbed/index.js';
import { headrace, scratch } from '../support.js';

/** Of packages their name, of Headrace the folder or file below dist. */
type Part = string;

/** A start for what is told on the command line, the file of connections and the API; and what it has no use for. */
const COMMANDS: [args: string[], code: number, unused: Part[]][] = [
  [['--version'], 0, ['zod', 'yaml', 'pg', 'undici', 'string-width', 'connections', 'gate', 'engine', 'fleet']],
  [['sync', 'shop', '--max-rate', '-5'], 2, ['zod', 'yaml', 'pg', 'undici', 'string-width', 'gate', 'engine', 'fleet']],
  [['--help'], 0, ['pg', 'undici', 'gate', 'engine', 'fleet/scheduler']],
  [['connectors'], 0, ['pg', 'undici', 'string-width', 'gate', 'engine/run', 'engine/read', 'fleet', 'postgres']],
  [
    ['state', 'show', 'shop'],
    0,
    ['pg', 'undici', 'gate', 'engine/run/sync', 'engine/read/reader', 'fleet', 'postgres/connect'],
  ],
  [['check', 'nobody'], 2, ['pg', 'undici', 'gate', 'engine/run', 'engine/read', 'fleet/scheduler/scheduler']],
  [['check', 'shop'], 0, ['pg', 'tldts', 'engine/run', 'fleet/scheduler/scheduler', 'runs', 'postgres/connect']],
  [['sync', 'shop', '--quiet'], 0, ['pg', 'tldts', '@duckdb/node-api', 'fleet', 'service', 'runs/run-store']],
  [['task', 'list', '--database', 'no-url'], 2, ['undici', 'gate', 'engine/run', 'engine/read', 'alerts', 'service']],
];

const HOOK = `
import { appendFileSync } from 'node:fs';
export async function load(url, context, next) {
  appendFileSync(process.env.LOADED, url + '\\n');
  return next(url, context);
}`;

test.for(COMMANDS)(
  'headrace %j ends with %i, and loads nothing that it has no use for',
  async ([args, code, unused]) => {
    const testbed = await startStripeTestbed({ rows: 5, limit: '500/s' });
    const { folder, drop } = scratch();
    try {
      const source = { connector: 'stripe', api_key: TESTBED_LIVE_KEY, base_url: testbed.url, streams: ['customers'] };
      const connections = { shop: { source, destination: { type: 'ndjson', path: './out' } } };
      writeFileSync(path.join(folder, 'headrace.yaml'), JSON.stringify({ version: 1, connections }));
      const hook = `data:text/javascript,${encodeURIComponent(HOOK)}`;
      const register = `import { register } from 'node:module'; register(${JSON.stringify(hook)});`;
      writeFileSync(path.join(folder, 'register.mjs'), register);
      const loaded = path.join(folder, 'loaded');
      const env = { NODE_OPTIONS: `--import ${path.join(folder, 'register.mjs')}`, LOADED: loaded };
      const ran = await headrace(args, { cwd: folder, env });
      expect(ran, ran.stderr).toMatchObject({ code });

      const parts = readFileSync(loaded, 'utf8')
        .split('\n')
        .map(
          (url) => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1] ?? /\/dist\/(.+)\.js$/.exec(url)?.[1] ?? '',
        );
      expect(parts).toContain('cli/program');
      for (const part of unused) expect(parts.filter((found) => `${found}/`.startsWith(`${part}/`))).toEqual([]);
    } finally {
      await testbed.close();
      drop();
    }
  },
);
