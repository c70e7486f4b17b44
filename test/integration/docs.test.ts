/** Every command in the README and the guides is run, every configuration is read, every link points somewhere. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.js';
import { EmbeddedServer } from '../../src/postgres/embedded/server.js';
import {
  startIntercomTestbed,
  startStripeTestbed,
  TESTBED_INTERCOM_TOKEN,
  TESTBED_LIVE_KEY,
  type IntercomTestbed,
  type StripeTestbed,
} from '../../src/testbed/index.js';
import { assertCommand, headrace, MAIN, scratch } from '../support.js';

const ROOT = path.join(import.meta.dirname, '../..');
const FILES = [
  'README.md',
  'docs/dependencies.md',
  'docs/scale.md',
  ...readdirSync(path.join(ROOT, 'docs/guides')).map((file) => `docs/guides/${file}`),
];
const blocks = (text: string, language: string) =>
  [...text.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))].map((match) => match[1]!);

let intercom: IntercomTestbed;
beforeAll(async () => {
  intercom = await startIntercomTestbed({ rows: 60, limit: 'intercom' });
});
afterAll(() => intercom.close());

/** Words of a simple command line: quotes, no expansions. */
const words = (line: string) => [...line.matchAll(/"([^"]*)"|(\S+)/g)].map((match) => match[1] ?? match[2]!);

/** What a command says that runs until it is stopped. */
const isUp = (output: string) => /joined as|Ctrl-C stops it/.test(output);

/** The first command of these stores something, or needs nothing stored. */
const isFirst = (command: string) => /headrace (?:sync|serve|testbed|singer|check|plan|limits) /.test(command);

async function runAll(
  file: string,
  commands: string[],
  { folder, testbed }: { folder: string; testbed: StripeTestbed },
): Promise<void> {
  copyFileSync(path.join(ROOT, 'test/manifests/source-intercom.yaml'), path.join(folder, 'source-intercom.yaml'));
  copyFileSync(path.join(ROOT, 'test/manifests/source-intercom.yaml'), path.join(folder, 'manifest.yaml'));
  writeFileSync(
    path.join(folder, 'config.json'),
    JSON.stringify({ access_token: TESTBED_INTERCOM_TOKEN, start_date: '2015-01-01T00:00:00Z' }),
  );
  const env = {
    STRIPE_API_KEY: TESTBED_LIVE_KEY,
    STRIPE_BASE_URL: testbed.url,
    STRIPE_WEBHOOK_SECRET: 'whsec_documentation',
  };
  if (file.endsWith('scheduler.md'))
    writeFileSync(
      path.join(folder, 'headrace.yaml'),
      blocks(textOf(file), 'yaml')[0]!.replace('connector: stripe,', `connector: stripe, base_url: "${testbed.url}",`),
    );
  if (!isFirst(commands[0]!) || file.endsWith('destinations.md'))
    await headrace(['sync', 'stripe', '-q'], { env, cwd: folder });
  // The database stays up between commands: to start and stop it for each took longer than the commands.
  const server = commands.length > 3 ? await EmbeddedServer.open(path.join(folder, '.headrace')) : undefined;
  try {
    for (const command of commands) {
      const [line, into] = command.split(' > ');
      const args = words(line!.replace(/^npx /, '')).slice(1);
      const serves = ['testbed', 'serve', 'worker'].includes(args[0]!);
      const ran = await headrace(
        args.map((arg) =>
          serves && /^40\d\d$/.test(arg) ? '0' : arg === 'http://127.0.0.1:4011' ? intercom.url : arg,
        ),
        { env, cwd: folder, ...(serves ? { signal: { name: 'SIGTERM' as const, when: isUp } } : {}) },
      );
      expect(`${command}: exit ${ran.code} ${ran.code === 0 ? '' : ran.stderr + ran.stdout}`.trim()).toBe(
        `${command}: exit 0`,
      );
      if (into) writeFileSync(path.join(folder, into), ran.stdout);
    }
  } finally {
    await server?.close();
  }
}

const textOf = (file: string) => readFileSync(path.join(ROOT, file), 'utf8');
const commandsOf = (file: string) =>
  blocks(textOf(file), 'sh')
    .flatMap((block) => block.split('\n'))
    .map((line) => line.replace(/\s+#.*$/, '').trim())
    .filter((line) => /^(npx )?headrace /.test(line));

// They wait for limits most of the time: files go side by side, each with an API of its own.
test.concurrent.each(FILES.filter((file) => commandsOf(file).length > 0))('the commands of %s run', async (file) => {
  const testbed = await startStripeTestbed({ rows: 60 });
  const { folder, drop } = scratch();
  try {
    await runAll(file, commandsOf(file), { folder, testbed });
  } finally {
    await testbed.close();
    drop();
  }
});

describe.each(FILES)('%s', (file) => {
  const text = textOf(file);

  test('its other commands exist', () => {
    for (const block of blocks(text, 'bash'))
      for (const line of block.split('\n'))
        if (line.startsWith('headrace ')) assertCommand(words(line.replace(/\s+#.*$/, '')).slice(1));
  });

  test('its links point somewhere', () => {
    for (const [, target] of text.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g))
      if (!/^https?:/.test(target!))
        expect(existsSync(path.join(ROOT, path.dirname(file), target!)), target).toBe(true);
  });

  test('its configurations are understood', () => {
    for (const block of blocks(text, 'yaml')) {
      const { folder, drop } = scratch();
      const at = path.join(folder, 'headrace.yaml');
      writeFileSync(at, block);
      expect(
        Object.keys(
          loadConfig(at, {
            STRIPE_API_KEY: TESTBED_LIVE_KEY,
            STRIPE_WEBHOOK_SECRET: 'whsec_documentation',
            DATABASE_URL: 'postgres://x/y',
            SLACK_WEBHOOK: 'https://hooks.slack.example/services/T0/B0/x',
          }).config.connections,
        ),
      ).not.toHaveLength(0);
      drop();
    }
  });
});

test('each runtime dependency has a line that says what it is for, and a beta its own section', () => {
  const { dependencies } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  const text = readFileSync(path.join(ROOT, 'docs/dependencies.md'), 'utf8');
  const named = [...text.matchAll(/^\| `([^`]+)` \| \S.* \|$/gm)].map(([, name]) => name!);
  expect(named.toSorted()).toEqual(Object.keys(dependencies).toSorted());
  const betas = Object.keys(dependencies).filter((name) => /-/.test(dependencies[name]!));
  for (const name of betas) expect(text).toContain(`## ${name}\n`);
});

test("the README's two commands are scripts of the package, and the invariants name tests that exist", () => {
  const { scripts } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  const readme = readFileSync(path.join(ROOT, 'README.md'), 'utf8');
  const { stdout } = spawnSync(process.execPath, [MAIN, 'connectors', '--json'], { encoding: 'utf8', cwd: ROOT });
  const stripe = JSON.parse(stdout.split('\n')[0]!) as { streams: number };
  expect(readme).toContain(`Stripe, ${stripe.streams} streams`);
  for (const command of ['npm ci && npm run demo', 'npm ci && npm test']) expect(readme).toContain(command);
  expect(scripts['demo'] && scripts['test']).toBeTruthy();
  expect(existsSync(MAIN)).toBe(true);
  const spec = readFileSync(path.join(ROOT, 'SPEC.md'), 'utf8');
  for (const row of spec.split('\n').filter((line) => /^\| \d \|/.test(line))) {
    const sources = [...row.matchAll(/`((?:src|test|bench)\/[^`]+)`/g)]
      .map((match) => readFileSync(path.join(ROOT, match[1]!), 'utf8'))
      .join('\n');
    expect(sources.length).toBeGreaterThan(0);
    for (const [, title] of row.split('|')[3]!.matchAll(/"([^"]+)"/g)) expect(sources, title).toContain(title!);
  }
});

test('the example of the testbed guide runs', async () => {
  const [example] = blocks(readFileSync(path.join(ROOT, 'docs/guides/testbed.md'), 'utf8'), 'ts');
  const file = path.join(ROOT, 'dist', 'guide-example.mjs');
  writeFileSync(file, example!);
  const { spawnSync } = await import('node:child_process');
  const ran = spawnSync(process.execPath, [file], { encoding: 'utf8' });
  expect(ran.stderr).toBe('');
  expect(ran.stdout).toMatch(/^3 1/);
});
