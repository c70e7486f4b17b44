import { deflateRawSync, deflateSync, gzipSync, brotliCompressSync } from 'node:zlib';
import iconv from 'iconv-lite';
import { describe, expect, test } from 'vitest';
import { charsetOf, knownCharset, textOfBody, unpacked } from './bodies.js';

const TEXT = '{"name":"José","price":"€5"}';

describe('text of a body', () => {
  test.each([
    ['utf-8', undefined],
    ['utf-8', 'utf-8'],
    ['windows-1252', undefined],
    ['windows-1252', 'cp1252'],
    ['windows-1252', 'Windows-1252'],
    ['iso-8859-15', 'ISO-8859-15'],
    ['utf-16le', undefined],
    ['utf-16be', undefined],
    ['utf-16be', 'utf-16be'],
    ['utf-32le', undefined],
  ])('%s, declared as %s', (encoding, declared) => {
    expect(textOfBody(iconv.encode(TEXT, encoding), declared)).toBe(TEXT);
  });

  test.each(['utf8', 'utf-16le', 'utf-16be', 'utf-32le', 'utf-32be'])(
    'a byte order mark of %s is no part of it, whatever was declared',
    (encoding) => {
      const body = iconv.encode(TEXT, encoding, { addBOM: true });
      for (const declared of [undefined, 'utf-8', 'latin-1']) expect(textOfBody(body, declared)).toBe(TEXT);
    },
  );

  test('shift_jis, gb18030 and koi8-r as they are named', () => {
    for (const [text, name] of [
      ['日本', 'Shift_JIS'],
      ['中文', 'gb18030'],
      ['Привет', 'koi8-r'],
    ] as const)
      expect(textOfBody(iconv.encode(text, name), name)).toBe(text);
  });

  test('an unknown charset is as good as none', () => {
    expect(knownCharset('x-no-such')).toBeUndefined();
    expect(textOfBody(Buffer.from(TEXT), 'x-no-such')).toBe(TEXT);
  });

  test.each([
    ['application/json; charset=ISO-8859-1', 'ISO-8859-1'],
    ['text/csv;charset="utf-8"', 'utf-8'],
    ['text/csv; header=present; Charset=cp1252', 'cp1252'],
    ['application/json', undefined],
    ['text/plain; charset=', undefined],
  ])('%s names %s', (type, expected) => {
    expect(charsetOf({ 'content-type': type })).toBe(expected);
  });
});

describe('packed bodies', () => {
  const body = Buffer.from(TEXT);
  test.each([
    ['gzip', gzipSync(body)],
    ['x-gzip', gzipSync(body)],
    ['GZIP', gzipSync(body)],
    ['deflate', deflateSync(body)],
    ['deflate', deflateRawSync(body)],
    ['br', brotliCompressSync(body)],
    ['identity', body],
    ['deflate, gzip', gzipSync(deflateSync(body))],
    ['gzip', body],
  ])('%s', (encoding, packed) => {
    expect(unpacked(packed, { 'content-encoding': encoding }).toString()).toBe(TEXT);
  });

  test('a cut one is an error that is tried again', () => {
    expect(() => unpacked(gzipSync(body).subarray(0, 20), { 'content-encoding': 'gzip' })).toThrow('no complete gzip');
  });
});
