/** Bodies of every kind, packed and broken. */
import { deflateRawSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { csv, decoder, xml } from './decoders.js';
import type { Kit } from './kit.js';

const kit = {} as Kit;
const decode = (component: Record<string, unknown> | undefined, body: Buffer | string) =>
  decoder(kit, component as never)(Buffer.from(body));

/** An archive of deflated files, written by the format's description (APPNOTE 4.3). */
function zip(files: Record<string, string>): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const [name, content] of Object.entries(files)) {
    const data = deflateRawSync(content);
    const local = Buffer.alloc(30 + name.length);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(8, 8);
    local.writeUInt32LE(data.length, 18);
    local.writeUInt16LE(name.length, 26);
    local.write(name, 30);
    const entry = Buffer.alloc(46 + name.length);
    entry.writeUInt32LE(0x02014b50, 0);
    entry.writeUInt16LE(8, 10);
    entry.writeUInt32LE(data.length, 20);
    entry.writeUInt16LE(name.length, 28);
    entry.writeUInt32LE(at, 42);
    entry.write(name, 46);
    parts.push(local, data);
    directory.push(entry);
    at += local.length + data.length;
  }
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(directory.length, 10);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...parts, ...directory, end]);
}

test('JSON, with integers that a number cannot hold', () =>
  expect(decode(undefined, '{"id": 12345678901234567890}')).toEqual([{ id: 12345678901234567890n }]));
test('an empty body is an empty object', () => expect(decode(undefined, '')).toEqual([{}]));
test('packed once, twice, or not at all', () => {
  const gzip = { type: 'GzipDecoder', decoder: { type: 'GzipDecoder', decoder: { type: 'JsonDecoder' } } };
  for (const body of [gzipSync(gzipSync('{"a": 1}')), gzipSync('{"a": 1}'), Buffer.from('{"a": 1}')])
    expect(decode(gzip, body)).toEqual([{ a: 1 }]);
});
test('an archive', () =>
  expect(
    decode(
      { type: 'ZipfileDecoder', decoder: { type: 'JsonlDecoder' } },
      zip({ a: '{"id": 1}\n', b: '{"id": 2}\n{"id": 3}' }),
    ),
  ).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }]));
test('lines', () =>
  expect(decode({ type: 'IterableDecoder' }, 'a\r\nb\n\n')).toEqual([{ record: 'a' }, { record: 'b' }]));

describe('CSV', () => {
  test.each<[string, string, string, unknown]>([
    ['quotes, breaks and separators inside a cell', 'a,b\n"x, ""y""\nz",2\r\n', ',', [{ a: 'x, "y"\nz', b: '2' }]],
    ['another separator', 'a\tb\n1\t2', '\t', [{ a: '1', b: '2' }]],
    ['a short row', 'a,b\n1\n', ',', [{ a: '1', b: null }]],
    ['nothing but a header', 'a,b\n', ',', []],
    ['nothing', '', ',', []],
  ])('%s', (_, source, delimiter, expected) => expect(csv(source, delimiter, new Set())).toEqual(expected));
  test('values that stand for none', () => expect(csv('a\nNA\n', ',', new Set(['NA']))).toEqual([{ a: null }]));
});

describe('XML', () => {
  test('attributes, text beside them, repeated elements, CDATA and entities', () => {
    expect(
      xml('<?xml version="1.0"?><!-- c --><r a="1 &lt; 2"><i>x &amp; &#65;</i><i><![CDATA[<b>]]></i><e/>t</r>'),
    ).toEqual({ r: { '@a': '1 < 2', i: ['x & A', '<b>'], e: null, '#text': 't' } });
  });
  test.each(['<a><b></a>', '<a>', `${'<a>'.repeat(300)}`])('%s is refused', (source) =>
    expect(() => xml(source)).toThrow(/XML/),
  );
  test('an entity that is declared is not expanded', () =>
    expect(JSON.stringify(xml('<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><r>&x;</r>'))).toContain('&x;'));
  test('a name of the prototype stays a name', () =>
    expect(Object.keys(xml('<r><__proto__>1</__proto__></r>')['r'] as object)).toEqual(['__proto__']));
});

test.each([
  ['{"a": ', undefined],
  ['nonsense', { type: 'ZipfileDecoder', decoder: { type: 'JsonDecoder' } }],
])('%s can be asked for again', (body, component) =>
  expect(() => decode(component, body)).toThrow(expect.objectContaining({ name: 'RetriableError' })),
);
