/** Fetched manifests: headrace connectors --fetch from a folder and from a server, and what knows them afterwards. */
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { manifestOf, Reply, scripted, streamOf } from '../manifest-support.js';
import { headrace, scratch } from '../support.js';
import { startService, type TestService } from '../service-support.js';

const SPEC = `spec:
  type: Spec
  connection_specification:
    type: object
    required: [api_key, region]
    properties:
      api_key: {type: string, title: Key, airbyte_secret: true}
      region: {type: string, default: eu}
      note: {type: string}
`;
const KEYED = `authenticator: {type: ApiKeyAuthenticator, api_token: "{{ config['api_key'] }}", inject_into: {type: RequestOption, inject_into: header, field_name: x-key}}`;
const manifest = (more = '') => manifestOf(streamOf('users', { requester: KEYED }) + more, SPEC);
const UNKNOWN = streamOf('odd', {}).replace(
  'extractor: {field_path: [data]}',
  'extractor: {type: CustomRecordExtractor, class_name: source_declarative_manifest.components.Odd}',
);

/** Airbyte's layout: old and new, a schema in a file, a faulty one, and one without a manifest. */
function layout(root: string): void {
  const put = (at: string, text: string) => {
    mkdirSync(path.dirname(path.join(root, at)), { recursive: true });
    writeFileSync(path.join(root, at), text);
  };
  put('source-acme/manifest.yaml', manifest());
  put('source-acme/metadata.yaml', 'data: {name: Acme CRM, dockerImageTag: 1.2.3}');
  put('source-acme/components.py', 'raise Exception("never run")');
  put('source-old-shop/source_old_shop/manifest.yaml', filed('old_shop'));
  put('source-old-shop/source_old_shop/schemas/users.json', '{"type": "object", "properties": {"id": {}, "old": {}}}');
  put('source-part/manifest.yaml', manifest(`\n${UNKNOWN}`));
  put('source-faulty/manifest.yaml', 'version: [');
  put('source-flat.yaml', manifest());
  put('source-python/setup.py', '');
  put('destination-acme/manifest.yaml', manifest());
}
const filed = (name: string) =>
  manifest().replace(
    /schema_loader: .*/,
    `schema_loader: {type: JsonFileSchemaLoader, file_path: "./source_${name}/schemas/{{ parameters['name'] or 'users' }}.json"}`,
  );

const { folder, drop } = scratch();
const shelf = path.join(folder, 'shelf');
let files: Server;
let address: string;
/** What the server answers in place of a file. */
let instead: (url: string) => { status: number; headers?: Record<string, string>; body?: string } | undefined;
beforeAll(async () => {
  layout(shelf);
  files = createServer((request, response) => {
    const url = decodeURIComponent(request.url!);
    const own = instead(url);
    const at = path.join(shelf, url);
    if (own) response.writeHead(own.status, own.headers).end(own.body ?? '');
    else if (url.endsWith('/') && existsSync(at)) {
      const links = existsSync(at) ? listing(at).map((name) => `<li><a href="${name}">${name}</a>`) : [];
      response.writeHead(200, { 'content-type': 'text/html' }).end(`<ul><a href="../">up</a>${links.join('')}</ul>`);
    } else if (existsSync(at)) response.writeHead(200).end(readFileSync(at));
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => files.listen(0, '127.0.0.1', resolve));
  address = `http://127.0.0.1:${(files.address() as AddressInfo).port}`;
});
const listing = (at: string): string[] =>
  at === `${shelf}/`
    ? [
        'source-acme/',
        'source-old-shop/',
        'source-part/',
        'source-faulty/',
        'source-flat.yaml',
        'source-python/',
        'destination-acme/',
      ]
    : ['users.json'];
afterEach(() => (instead = () => undefined));
instead = () => undefined;
afterAll(() => {
  files.close();
  drop();
});

let runs = 0;
/** A folder of its own to work in. */
function place(): string {
  const cwd = path.join(folder, `work${++runs}`);
  mkdirSync(cwd);
  return cwd;
}
const lines = (text: string) =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe.each([
  ['a folder', () => shelf],
  ['a server', () => address],
])('fetched from %s', (_, from) => {
  test('manifests of both layouts, how far each runs, and what is no manifest', async () => {
    const cwd = place();
    const ran = await headrace(['connectors', '--fetch', from()], { cwd });
    expect(ran.stderr).toContain('Fetched 5 manifests into .headrace: 3 whole, 1 partly, 1 not.');
    expect(ran.stderr).toContain('1 connectors there have no manifest');
    expect(ran.code).toBe(0);
    const listed = lines((await headrace(['connectors', '--json'], { cwd })).stdout);
    const of = (name: string) => listed.find((each) => each['name'] === name);
    expect(of('acme')).toMatchObject({ kind: 'manifest', status: 'whole', streams: 1, reason: '' });
    expect(of('old-shop')).toMatchObject({ status: 'whole' });
    expect(of('flat')).toMatchObject({ status: 'whole' });
    expect(of('part')).toMatchObject({
      status: 'partly',
      streams: 1,
      reason: '1 of 2 streams: class Odd has no twin',
    });
    expect(of('faulty')).toMatchObject({
      status: 'not',
      reason: expect.stringMatching(/not valid YAML \(.*connectors\/source-faulty\/manifest\.yaml:/),
    });
    expect(of('stripe')).toMatchObject({ status: 'whole' });
    const shown = await headrace(['connectors'], { cwd });
    expect(shown.stdout).toMatch(/old-shop +manifest +whole +1/);
    expect(shown.stdout).toContain('4 whole, 1 partly, 1 not');
    const catalog = await headrace(['discover', 'old-shop', '--source-config', config(cwd)], { cwd });
    expect(catalog.stdout, catalog.stderr).toContain('users');
  });
});

/** What its specification asks for, in a file. */
function config(cwd: string): string {
  writeFileSync(path.join(cwd, 'config.json'), JSON.stringify({ api_key: 'secret-of-acme', region: 'eu' }));
  return 'config.json';
}

test('sync, init and headrace.yaml know a fetched connector by its name', async () => {
  const api = await scripted(({ headers }) =>
    headers['x-key'] === 'secret-of-acme' ? { data: [{ id: 1 }, { id: 2 }] } : new Reply(401),
  );
  try {
    const cwd = place();
    await headrace(['connectors', '--fetch', shelf], { cwd });
    const named = await headrace(
      ['sync', 'acme', '--source-config', config(cwd), '--base-url', api.url, '--to', 'ndjson:out', '--json'],
      { cwd },
    );
    expect(named.code, named.stderr).toBe(0);
    expect(readFileSync(path.join(cwd, 'out/users.ndjson'), 'utf8').trim().split('\n')).toHaveLength(2);
    const made = await headrace(['init', 'acme', '--yes', '--to', 'ndjson:made'], { cwd });
    expect(made.stderr).toContain('export ACME_API_KEY=…, run headrace check acme');
    expect(readFileSync(path.join(cwd, 'headrace.yaml'), 'utf8')).toContain(
      'connector: acme\n      config:\n        api_key: ${ACME_API_KEY}\n        region: eu\n',
    );
    const filed = await headrace(['sync', 'acme', '--base-url', api.url], {
      cwd,
      env: { ACME_API_KEY: 'secret-of-acme' },
    });
    expect(filed.code, filed.stderr).toBe(0);
    expect(existsSync(path.join(cwd, 'made/users.ndjson'))).toBe(true);
  } finally {
    await api.close();
  }
});

test('what its specification wants and is not there is an error that names it', async () => {
  const cwd = place();
  await headrace(['connectors', '--fetch', shelf], { cwd });
  const ran = await headrace(['check', 'acme'], { cwd });
  expect(ran.code).toBe(2);
  expect(ran.stderr).toContain('api_key');
  expect((await headrace(['sync', 'acmee'], { cwd })).stderr).toMatch(/acme\b/);
});

test('a second fetch replaces what came before, and keeps the components that the user wrote', async () => {
  const cwd = place();
  await headrace(['connectors', '--fetch', shelf], { cwd });
  const own = path.join(cwd, '.headrace/connectors/source-part/components.headrace.yaml');
  writeFileSync(own, 'version: 1\nclasses: {}\n');
  const again = await headrace(['connectors', '--fetch', path.join(shelf, 'source-part')], { cwd });
  expect(again.stderr).toContain('Fetched 1 manifests');
  expect(existsSync(own)).toBe(true);
  expect(lines((await headrace(['connectors', '--json'], { cwd })).stdout).map(({ name }) => name)).toContain('acme');
});

describe('what is refused', () => {
  test('a folder that is not there, or holds none', async () => {
    const cwd = place();
    expect((await headrace(['connectors', '--fetch', 'nowhere'], { cwd })).stderr).toContain('there is no such folder');
    mkdirSync(path.join(cwd, 'empty'));
    const ran = await headrace(['connectors', '--fetch', 'empty'], { cwd });
    expect(ran.stderr).toContain('there are no manifests here');
    expect(ran.code).toBe(2);
  });

  test('a link to elsewhere and a manifest without end; the others are fetched', async () => {
    const cwd = place();
    const root = path.join(cwd, 'root');
    layout(root);
    mkdirSync(path.join(root, 'source-linked'));
    symlinkSync('/etc/passwd', path.join(root, 'source-linked/manifest.yaml'));
    symlinkSync('/etc/passwd', path.join(root, 'source-secret.yaml'));
    writeFileSync(path.join(root, 'source-huge.yaml'), '#'.repeat(17_000_000));
    const ran = await headrace(['connectors', '--fetch', root], { cwd });
    expect(ran.code).toBe(3);
    expect(ran.stderr).toContain('source-secret was not fetched');
    expect(ran.stderr).toContain('source-huge was not fetched');
    expect(ran.stderr).toContain('Fetched 5 manifests');
    expect(existsSync(path.join(cwd, '.headrace/connectors/source-secret'))).toBe(false);
    expect(existsSync(path.join(cwd, '.headrace/connectors/source-linked'))).toBe(false);
  });

  test('addresses of clouds, plain HTTP to the world, and a server that fails', async () => {
    const cwd = place();
    const fetched = async (from: string) => (await headrace(['connectors', '--fetch', from], { cwd })).stderr;
    expect(await fetched('http://169.254.169.254/latest/')).toMatch(/refused|https/);
    expect(await fetched('http://93.184.216.34/x/')).toContain('https, since a manifest decides');
    instead = () => ({ status: 302, headers: { location: 'http://169.254.169.254/latest/' } });
    expect(await fetched(address)).toContain('link-local and metadata addresses are refused');
    instead = () => ({ status: 302, headers: { location: '/round' } });
    expect(await fetched(address)).toContain('more than 30 redirects');
    instead = (url) => (url.startsWith('/source-acme') ? { status: 500, body: 'broken' } : undefined);
    const ran = await headrace(['connectors', '--fetch', address], { cwd });
    expect(ran.stderr).toContain('source-acme was not fetched: this cannot be fetched');
    expect(ran.stderr).toContain('Fetched 4 manifests');
    expect(ran.code).toBe(3);
  });
});

describe('the API', () => {
  let service: TestService;
  beforeAll(async () => {
    const config = { data_dir: 'data' };
    service = await startService({ worker: false, file: config });
    await headrace(['connectors', '--fetch', shelf, '--data-dir', path.join(service.folder, 'data')]);
  });
  afterAll(() => service.close());

  test('lists fetched connectors with what a form needs, and seals what they call secret', async () => {
    const { items } = await service.client.listConnectors();
    expect(items.find(({ name }) => name === 'acme')).toMatchObject({
      title: 'Acme CRM',
      kind: 'manifest',
      storable: true,
      settings: {
        properties: {
          config: { required: ['api_key', 'region'], properties: { api_key: { title: 'Key', writeOnly: true } } },
        },
      },
    });
    await service.client.createConnection({
      id: 'crm',
      source: { connector: 'acme', config: { api_key: 'secret-of-acme', region: 'eu' } },
      destination: { type: 'ndjson', path: 'crm' },
    });
    const { settings } = await service.client.getConnection('crm');
    expect(JSON.stringify(settings)).not.toContain('secret-of-acme');
    expect(settings).toMatchObject({ source: { connector: 'acme', config: { region: 'eu' } } });
  });
});
