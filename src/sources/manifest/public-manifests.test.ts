/** All public manifests, where they lie beside the project. Each is read once for all that is asked of it. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../base/clock.js';
import { seededRandom } from '../../base/random.js';
import { CredentialGate } from '../../gate/credential-gate.js';
import { airbyteStream } from './catalog.js';
import { loadManifest, type Manifest } from './document/manifest.js';
import type { JsonObject } from './document/read.js';
import { declarativeSource } from './source.js';
import { staticStreams } from './streams.js';
import { Templates } from './templates/template.js';
import { coverageOf } from './tools/coverage.js';
import { TWINS } from './twins/registry.js';

const SHARED = path.join(import.meta.dirname, '../../../../shared/airbyte');

const known = new Map<string, Manifest>();
function manifestOf(file: string): Manifest {
  const found = known.get(file) ?? loadManifest(path.join(SHARED, 'manifests', file));
  known.set(file, found);
  return found;
}

interface Golden {
  name: string;
  /** With its schemas beside it, where it has some. */
  manifest: Manifest;
  config: JsonObject;
  catalog: { streams: { name: string }[] };
}

function* goldens(): Generator<Golden> {
  for (const file of readdirSync(path.join(SHARED, 'golden-discover'))) {
    const name = file.replace('.json', '');
    const { config, catalog } = JSON.parse(readFileSync(path.join(SHARED, 'golden-discover', file), 'utf8')) as Pick<
      Golden,
      'config' | 'catalog'
    >;
    const loaded = manifestOf(`${name}.yaml`);
    const beside = path.join(SHARED, 'schemas', name);
    const manifest = existsSync(beside) ? { ...loaded, file: path.join(beside, 'manifest.yaml') } : loaded;
    yield { name, manifest, config, catalog };
  }
}

async function open(manifest: Manifest, config: JsonObject) {
  const source = await declarativeSource({
    manifest,
    config,
    twins: TWINS,
    ceilings: {},
    gateFor: () => new CredentialGate(),
    gatesFor: () => {
      throw new Error('no manifest here has several tokens');
    },
    clock: systemClock,
    random: seededRandom(1),
  });
  await source.close();
  return source;
}

describe.skipIf(!existsSync(SHARED))('public manifests (where they lie beside the project)', () => {
  const files = existsSync(SHARED) ? readdirSync(path.join(SHARED, 'manifests')) : [];

  test('every one is read and valid', () => {
    for (const file of files) expect(() => manifestOf(file), file).not.toThrow();
    expect(files.length).toBeGreaterThan(290);
  });

  test('every catalog is the one that the CDK discovers', () => {
    let streams = 0;
    for (const { name, manifest, config, catalog } of goldens()) {
      const input = { manifest, config, templates: new Templates() };
      const found = staticStreams(input).map((stream) => airbyteStream(stream, input));
      const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1);
      expect(found.toSorted(byName), name).toEqual(catalog.streams.toSorted(byName));
      streams += found.length;
    }
    expect(streams).toBe(2079);
  });

  test('every stream that needs no class of Python compiles', async () => {
    let compiled = 0;
    for (const { name, manifest, config } of goldens()) {
      const source = await open(manifest, config);
      for (const { name: own, unreadable } of source.streams) {
        // Its configuration lacks a credential that its authenticator cannot do without.
        if (name === 'source-rd-station-marketing') expect(unreadable, own).toContain('template');
        else expect(unreadable, `${name} ${own}`).toBeUndefined();
      }
      compiled += source.streams.length;
    }
    expect(compiled).toBeGreaterThan(2070);
  });

  test('of all manifests, only what names a class without a twin does not run', () => {
    for (const file of files)
      for (const { stream: name, problems } of coverageOf(manifestOf(file), TWINS))
        for (const problem of problems) expect(problem, `${file} ${name}`).toContain('has no twin');
  });
});
