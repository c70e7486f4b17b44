/** The package's entries: every export says what it is, and types hold what the guide promises. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, expectTypeOf, test } from 'vitest';
import type { Destination, DestinationKind } from '../src/destinations/index.js';
import { defineDestination } from '../src/destinations/index.js';
import {
  defineSource,
  openForTest,
  sourceConformance,
  z,
  type Connector,
  type DataRecord,
  type Page,
  type PageRequest,
  type Source,
  type SourceClient,
  type Stream,
} from '../src/sources/index.js';

const PACKAGE = JSON.parse(readFileSync(path.join(import.meta.dirname, '../package.json'), 'utf8')) as {
  exports: Record<string, string | { types: string }>;
};
const SRC = path.join(import.meta.dirname, '../src');
const ENTRIES = Object.values(PACKAGE.exports)
  .filter((entry) => typeof entry === 'object')
  .map(({ types }) => types.replace(/^\.\/dist\//, '').replace(/\.d\.ts$/, ''));

interface Exported {
  name: string;
  file: string;
}

/** What an entry names, with the file that declares it; `export *` stands for all exports of that file. */
function exportsOf(entry: string): Exported[] {
  const text = readFileSync(path.join(SRC, `${entry}.ts`), 'utf8');
  const at = (from: string) => path.join(path.dirname(entry), from).replace(/\.js$/, '.ts');
  const named = [...text.matchAll(/export (?:type )?\{([^}]*)\} from '(\.[^']+)'/g)].flatMap(([, list, from]) =>
    list!
      .split(',')
      .map(
        (part) =>
          part
            .trim()
            .replace(/^type /, '')
            .split(' as ')[0]!,
      )
      .filter(Boolean)
      .map((name) => ({ name, file: at(from!) })),
  );
  const all = [...text.matchAll(/export (?:type )?\* from '(\.[^']+)'/g)].flatMap(([, from]) =>
    [...readFileSync(path.join(SRC, at(from!)), 'utf8').matchAll(DECLARATION)].map(([, name]) => ({
      name: name!,
      file: at(from!),
    })),
  );
  const own = [...text.matchAll(DECLARATION)].map(([, name]) => ({ name: name!, file: `${entry}.ts` }));
  return [...named, ...all, ...own];
}

const DECLARATION = /^export (?:declare )?(?:abstract )?(?:async )?(?:function|class|interface|type|const) (\w+)/gm;

function isDocumented({ name, file }: Exported): boolean {
  const through = exportsOf(file.replace(/\.ts$/, '')).find((each) => each.name === name && each.file !== file);
  if (through) return isDocumented(through);
  const lines = readFileSync(path.join(SRC, file), 'utf8').split('\n');
  const at = lines.findIndex((line) =>
    new RegExp(`^export (?:abstract )?(?:async )?(?:function|class|interface|type|const) ${name}\\b`).test(line),
  );
  return at > 0 && lines[at - 1]!.trim().endsWith('*/');
}

describe('docstrings', () => {
  test.each(ENTRIES)('every export of %s says what it is', (entry) => {
    const exported = exportsOf(entry);
    expect(exported.length).toBeGreaterThan(0);
    expect(exported.filter((each) => !isDocumented(each)).map(({ name, file }) => `${file}: ${name}`)).toEqual([]);
  });
});

describe('types (checked by npm run types)', () => {
  const definition = {
    name: 'typed',
    settings: { api_key: z.string(), depth: z.int().default(3) },
    open: () => ({ streams: [] }),
  };

  test('settings reach open as their schemas say', () => {
    const made = defineSource({
      ...definition,
      secrets: ['api_key'],
      environment: { api_key: 'TYPED_KEY', base_url: 'TYPED_URL' },
      open(settings, parts) {
        expectTypeOf(settings.api_key).toEqualTypeOf<string>();
        expectTypeOf(settings.depth).toEqualTypeOf<number>();
        expectTypeOf(settings.base_url).toEqualTypeOf<string | undefined>();
        expectTypeOf(parts.client).returns.toEqualTypeOf<SourceClient>();
        return { streams: [] };
      },
    });
    expectTypeOf(made).toEqualTypeOf<Connector>();
    expectTypeOf(openForTest).returns.resolves.toEqualTypeOf<Source>();
    // @ts-expect-error: a secret that is no setting
    defineSource({ ...definition, secrets: ['password'] });
    // @ts-expect-error: a variable of no setting
    defineSource({ ...definition, environment: { token: 'X' } });
    // @ts-expect-error: without open
    defineSource({ name: 'typed' });
    expect(made.secrets).toEqual(['api_key']);
  });

  test('a page answers what it was asked', () => {
    expectTypeOf<Stream['page']>().parameters.toEqualTypeOf<[PageRequest]>();
    expectTypeOf<Stream['page']>().returns.resolves.toEqualTypeOf<Page>();
    expectTypeOf<Page['records']>().toEqualTypeOf<DataRecord[]>();
    expectTypeOf<Page['next']>().toEqualTypeOf<string | null>();
    type Got = Awaited<ReturnType<typeof get>>;
    const get = (client: SourceClient, request: PageRequest) => client.get<{ rows: DataRecord[] }>('/rows', request);
    expectTypeOf<Got['body']['rows']>().toEqualTypeOf<DataRecord[]>();
    expectTypeOf<Got['bytes']>().toEqualTypeOf<number>();
  });

  test('a suite takes a source, with page sizes or without', () => {
    expectTypeOf(sourceConformance).toBeCallableWith(async () => null as unknown as Source, ['a']);
    expectTypeOf(sourceConformance).toBeCallableWith(
      async (pages) => {
        expectTypeOf(pages.rows(100)).toEqualTypeOf<number>();
        return null as unknown as Source;
      },
      ['a'],
    );
    expect(sourceConformance(async () => null as never, []).length * 3).toBe(
      sourceConformance(async (_pages) => null as never, []).length,
    );
  });

  test('a destination must say which paths it writes to', () => {
    const open = () => null as unknown as Destination;
    expectTypeOf(defineDestination({ name: 'typed', paths: [], open })).toEqualTypeOf<DestinationKind>();
    // @ts-expect-error: paths are left out
    defineDestination({ name: 'typed', open });
    // @ts-expect-error: a path that is no setting
    defineDestination({ name: 'typed', settings: { folder: z.string() }, paths: ['file'], open });
  });
});
