import { isDeepStrictEqual } from 'node:util';
import { describe, expect, test } from 'vitest';
import { ExactNumber, stringifyJson } from '../json.js';
import { seededRandom } from '../random.js';
import { garbled, randomPage, REFUSED, TAKEN } from '../../../test/json-pages.js';
import { FieldNames } from './field-names.js';
import { KIND } from './json-values.js';
import { sliceRows, type SlicedPage } from './row-slices.js';
import { slicedRecord, slicesOf, wholeRecord } from './sliced-record.js';

const PAGES = Number(process.env['SLICED_PAGES'] ?? 6_000);

const sliced = (text: string | Buffer, path: string[] = ['data'], names = new FieldNames()) =>
  sliceRows(Buffer.from(text as string), path, names);

describe('one value', () => {
  const before = JSON.stringify({ v: 1, w: 2 });
  const pageOf = (value: string) => `{"data":[${before},{"v":${value},"w":1},${before}],"more":true}`;

  test.each(TAKEN)('%s is taken as JSON.parse takes it', (value) => {
    for (const text of [pageOf(value), `{"data":[{"w":1,"v":${value}}]}`, `{"x":${value},"data":[],"y":${value}}`]) {
      const page = sliced(text);
      expect(page, text).toBeDefined();
      expectSame(page!, text);
    }
  });

  test.each(REFUSED)('%s is refused', (value) => {
    for (const text of [
      pageOf(value),
      `{"data":[{"v":${value}}]}`,
      `{"x":${value},"data":[]}`,
      `{"data":[],"x":${value}}`,
    ]) {
      expect(() => JSON.parse(text), text).toThrow();
      expect(sliced(text), text).toBeUndefined();
    }
  });

  test.each([
    ['null', KIND.null],
    ['true', KIND.true],
    ['false', KIND.false],
    ['0', KIND.integer],
    ['-123456789012345', KIND.integer],
    ['1234567890123456', KIND.decimal],
    ['-0', KIND.decimal],
    ['1.10', KIND.decimal],
    ['1e2', KIND.oddNumber],
    ['1'.repeat(41), KIND.oddNumber],
    ['"é"', KIND.string],
    ['"\\u00e9"', KIND.escaped],
    ['"\\ud83d\\ude00"', KIND.escaped],
    ['"\\u0000"', KIND.oddString],
    ['"\\ud83d"', KIND.oddString],
    ['"\\ude00\\ud83d"', KIND.oddString],
    ['{"a":["\\n",1.5]}', KIND.nested],
    ['{"a":[1e5]}', KIND.oddNested],
    ['["\\u0000"]', KIND.oddNested],
    ['{"\\udead":1}', KIND.oddNested],
  ])('the kind of %s', (value, kind) => {
    const { rows } = sliced(pageOf(value))!;
    expect(rows.kind(rows.find(1, rows.names.numberOf('v')))).toBe(kind);
  });
});

describe('one page', () => {
  test.each<[string, string[]]>([
    ['[{"a":1}]', []],
    ['{"a":{"b":[{"c":1}]}}', ['a', 'b']],
    ['{"x":[{"c":2}],"a":{"y":{},"b":[{"c":1},{}],"z":1},"w":null}', ['a', 'b']],
    ['{"d\\u0061ta":[{"c":1}]}', ['data']],
    ['{"":[{"c":1}]}', ['']],
    [' {\n"data" :\t[ { } , { "a" : [ ] } ] } ', ['data']],
    ['{"data":[],"has_more":false,"has_more":true}', ['data']],
  ])('%s', (text, path) => {
    const page = sliced(text, path);
    expect(page).toBeDefined();
    expectSame(page!, text, path);
  });

  test.each<[string, string | Buffer, string[]]>([
    ['no list there', '{"data":{}}', ['data']],
    ['nothing there', '{"rows":[]}', ['data']],
    ['a row that is none', '{"data":[{},1]}', ['data']],
    ['a list in the list', '{"data":[[]]}', ['data']],
    ['the list twice', '{"data":[{"a":1}],"data":[{"a":2}]}', ['data']],
    ['the way to it twice', '{"a":{"data":[]},"a":{}}', ['a', 'data']],
    ['the list twice, in escapes', '{"data":[{"a":1}],"\\u0064ata":7}', ['data']],
    ['more after the end', '{"data":[]}{}', ['data']],
    ['a byte order mark', '\ufeff{"data":[]}', ['data']],
    ['no UTF-8', Buffer.from('{"data":[{"a":"\xe9"}]}', 'latin1'), ['data']],
    [
      'half a surrogate in UTF-8',
      Buffer.from([...Buffer.from('[{"a":"'), 0xed, 0xa0, 0x80, ...Buffer.from('"}]')]),
      [],
    ],
    ['UTF-16', Buffer.from('{"data":[]}', 'utf16le'), ['data']],
    ['nothing', '', ['data']],
    ['too deep', `{"data":[{"a":${'['.repeat(5000)}${']'.repeat(5000)}}]}`, ['data']],
  ])('%s is left to who can tell more', (_, text, path) => {
    expect(sliced(text, path)).toBeUndefined();
  });

  test('digits stay, whatever a double holds', () => {
    const text = '{"data":[{"a":12345678901234567890.125,"b":{"c":9007199254740993},"d":1.10}]}';
    const { rows } = sliced(text)!;
    expect(rows.record(0)).toEqual({
      a: new ExactNumber('12345678901234567890.125'),
      b: { c: 9007199254740993n },
      d: 1.1,
    });
    expect(rows.text(rows.from(2), rows.to(2))).toBe('1.10');
  });

  test('names that change their order, or come and go, are told apart', () => {
    const names = new FieldNames();
    const page = (rows: unknown[]) => JSON.stringify({ data: rows });
    for (const rows of [
      [{ a: 1, ab: 2, b: 3 }],
      [{ ab: 1, a: 2 }, { b: 1 }, {}, { a: 1, ab: 2, b: 3 }],
      [{ abc: 1, a: 2 }],
    ])
      expectSame(sliced(page(rows), ['data'], names)!, page(rows));
    expect(names.names).toEqual(['a', 'ab', 'b', 'abc']);
  });

  test('a name that was known by its escapes is not known by the bytes that it says', () => {
    for (const name of ['"', '\\', '"":"']) {
      const names = new FieldNames();
      const text = `{"data":[{${JSON.stringify(name)}:1}]}`;
      for (let times = 0; times < 2; times++) expectSame(sliced(text, ['data'], names)!, text);
      expect(sliced(`{"data":[{"${name}":1}]}`, ['data'], names), name).toBeUndefined();
    }
  });

  test('a record knows the fields that it is asked for, and where the rest of it is', () => {
    const { rows } = sliced('{"data":[{"id":"a","created":5,"x":{"y":1},"id":"b"}]}')!;
    const record = slicedRecord(rows, 0, [rows.names.numberOf('id'), rows.names.numberOf('created'), 99]);
    expect(Object.entries(record)).toEqual([
      ['id', 'b'],
      ['created', 5],
    ]);
    expect(stringifyJson(record)).toBe('{"id":"b","created":5}');
    expect(slicesOf(record)).toBe(rows);
    expect(wholeRecord(record)).toEqual({ id: 'b', created: 5, x: { y: 1 } });
    const plain = { id: 1 };
    expect(slicesOf(plain)).toBeUndefined();
    expect(wholeRecord(plain)).toBe(plain);
  });
});

describe(`${PAGES} pages at random (SLICED_PAGES for more)`, () => {
  test('a page is sliced into the rows that JSON.parse gives', () => {
    const random = seededRandom(21);
    const names = new FieldNames();
    for (let i = 0; i < PAGES; i++) {
      const text = randomPage(random);
      const page = sliced(text, ['data'], names);
      if (!page) expect.fail(`page ${i} is not sliced: ${text}`);
      expectSame(page, text);
    }
  });

  test('of a page that is cut or garbled no row comes that JSON.parse would not give', () => {
    const random = seededRandom(22);
    let taken = 0;
    let refused = 0;
    const names = new FieldNames();
    for (let i = 0; i < PAGES; i++) {
      const bytes = garbled(Buffer.from(randomPage(random)), random);
      const page = sliced(bytes, ['data'], names);
      if (page) {
        taken++;
        expectSame(page, bytes.toString('utf8'));
      } else {
        refused++;
        const parsed = parsedOr(bytes.toString('utf8'));
        // What JSON.parse takes is sliced too, where it can be: it must not be refused as a whole.
        if (parsed !== undefined && isSliceable(parsed, bytes))
          expect.fail(`page ${i} is refused: ${bytes.toString()}`);
      }
    }
    expect(taken).toBeGreaterThan(PAGES / 50);
    expect(refused).toBeGreaterThan(PAGES / 4);
  });
});

function parsedOr(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isSliceable(parsed: unknown, bytes: Buffer): boolean {
  const text = bytes.toString('utf8');
  if (!Buffer.from(text).equals(bytes)) return false;
  const data = (parsed as { data?: unknown } | null)?.data;
  const isRow = (row: unknown) => row !== null && typeof row === 'object' && !Array.isArray(row);
  // Twice `data`, escaped or not: left to JSON.parse.
  const isOnce = text.split(/"data"/).length === 2 && !text.includes('\\u0064');
  return Array.isArray(data) && data.every(isRow) && isOnce;
}

/** Digits past a double's are compared by their texts elsewhere: here a page is what JSON.parse makes of it. */
function expectSame({ rows, around }: SlicedPage, text: string, path: string[] = ['data']): void {
  let wanted = JSON.parse(text) as unknown;
  let found = wanted;
  for (const key of path) found = (found as Record<string, unknown>)[key];
  const list = found as Record<string, unknown>[];
  if (rows.count !== list.length) expect.fail(`${rows.count} rows instead of ${list.length}: ${text}`);
  for (let row = 0; row < rows.count; row++) {
    const record = JSON.parse(rows.text(rows.startOf(row), rows.endOf(row))) as Record<string, unknown>;
    if (!isDeepStrictEqual(record, list[row])) expect.fail(`row ${row} of ${text}`);
    const names = new Set<string>();
    for (let field = rows.firstField(row); field < rows.firstField(row + 1); field++) {
      const number = rows.nameOf(field);
      const name = rows.names.names[number]!;
      names.add(name);
      if (rows.find(row, number) !== field) continue;
      const slice = JSON.parse(rows.text(rows.from(field), rows.to(field))) as unknown;
      if (!isDeepStrictEqual(slice, Object.getOwnPropertyDescriptor(record, name)!.value))
        expect.fail(`${name} of ${text}`);
      const value = rows.valueOf(field);
      if (rows.kind(field) < KIND.decimal && !isDeepStrictEqual(value, slice))
        expect.fail(`the value ${name} of ${text}`);
      if (rows.kind(field) === KIND.string && value !== slice) expect.fail(`the text ${name} of ${text}`);
    }
    if (names.size !== Object.keys(record).length) expect.fail(`the names of row ${row} of ${text}`);
  }
  if (path.length === 0) wanted = [];
  else {
    let holder = wanted as Record<string, unknown>;
    for (const key of path.slice(0, -1)) holder = holder[key] as Record<string, unknown>;
    holder[path.at(-1)!] = [];
  }
  if (!isDeepStrictEqual(JSON.parse(stringifyJson(around)), JSON.parse(JSON.stringify(wanted))))
    expect.fail(`around ${text}`);
}
