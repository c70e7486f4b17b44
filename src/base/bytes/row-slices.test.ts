import { isDeepStrictEqual } from 'node:util';
import { describe, expect, test } from 'vitest';
import { ExactNumber, stringifyJson } from '../json.js';
import { seededRandom, type Random } from '../random.js';
import { FieldNames } from './field-names.js';
import { KIND } from './json-values.js';
import { sliceRows, type SlicedPage } from './row-slices.js';
import { slicedRecord, slicesOf, wholeRecord } from './sliced-record.js';

const PAGES = Number(process.env['SLICED_PAGES'] ?? 6_000);

/** Texts of one value that every parser of JSON takes. */
const TAKEN = [
  ...['0', '-0', '1', '-1', '10', '123456789012345', '0.5', '-0.5', '1.0', '1e5', '1E5', '1e+5', '1e-5', '0e0', '0E+1'],
  ...['-0.0', '1.5e300', '-1e-300', '123456789012345678901234567890', '0.1234567890123456789', '1e400', '-1e400'],
  ...['""', '"a"', '" "', '"\\""', '"\\\\"', '"\\/"', '"\\b\\f\\n\\r\\t"', '"\\u0041"', '"\\u00e9"', '"\\uABCD"'],
  ...['"\\u0000"', '"\\ud83d\\ude00"', '"\\ud83d"', '"\\ude00"', '"\\ud83dx"', '"\\ud83d\\u0041"', '"\\ud83d\\n"'],
  ...['"\\ud83d\\ud83d\\ude00"', '"\u007f"', '"é"', '"😀"', '"\u2028\u2029"', '"\ufeff"', '"\\u0022"', '"\\\\u0000"'],
  ...['null', 'true', 'false', '[]', '{}', '[ ]', '{ }', '[[]]', '[1,2,3]', '[ 1 , 2 ]', '[[[[[]]]]]', '[{}]'],
  ...[
    '{"":0}',
    '{"a":null}',
    '{ "a" : 1 , "b" : [ ] }',
    '{"a":{"b":{"c":[]}}}',
    '{"a":1,"a":2}',
    '{"\\u0061":1,"a":2}',
  ],
  ...['{"__proto__":1}', '{"constructor":{"prototype":1}}', '{"0":1}', '[null,true,false,"",0,{},[]]', '\t1\n', '\r1 '],
  ...['['.repeat(150) + ']'.repeat(150), '{"a":'.repeat(150) + '1' + '}'.repeat(150)],
];

/** Texts that none takes. */
const REFUSED = [
  ...[
    '',
    ' ',
    '01',
    '-01',
    '+1',
    '.5',
    '-.5',
    '1.',
    '1.e1',
    '1e',
    '1e+',
    '1E-',
    '-',
    '--1',
    '0x1',
    '1_000',
    '1a',
    '00',
  ],
  ...[
    'NaN',
    '-NaN',
    'Infinity',
    '-Infinity',
    'nan',
    'undefined',
    'nul',
    'nulll',
    'Null',
    'tru',
    'True',
    'fals',
    'falsee',
  ],
  ...[
    '"',
    '"a',
    'a"',
    "'a'",
    '"\\"',
    '"\\x41"',
    '"\\u"',
    '"\\u004"',
    '"\\u004g"',
    '"\\U0041"',
    '"\\ "',
    '"\\0"',
    '"\\\u00e9"',
  ],
  ...[
    '"\n"',
    '"\t"',
    '"\u0000"',
    '"\u001f"',
    '"a\rb"',
    '[',
    ']',
    '{',
    '}',
    '[1',
    '[1,',
    '[1,]',
    '[,1]',
    '[,]',
    '[1 2]',
    '[1;2]',
  ],
  ...[
    '[1]]',
    '[}',
    '{]',
    '{"a"}',
    '{"a":}',
    '{"a":1,}',
    '{,"a":1}',
    '{"a" 1}',
    '{a:1}',
    "{'a':1}",
    '{1:1}',
    '{"a":1 "b":2}',
  ],
  ...[
    '{"a":1;"b":2}',
    '{"a"::1}',
    '{"a":1}}',
    '{null:1}',
    '[1,,2]',
    '{"a":1,,"b":2}',
    '1 2',
    '1,',
    ',1',
    '/**/1',
    '1//',
    '\u00a01',
  ],
  ...[
    '\u000b1',
    '\f1',
    '\u20281',
    '\ufeff1',
    '"a" "b"',
    '{"a":"b"c}',
    '["a"b]',
    '[1}',
    '{"a":[}',
    '{"a":[1}]',
    '"\\ud83d\\u"',
    '*',
  ],
  ...['"\\""":1', '{"""":1}', '{"\\"":1,""":2}', '{"\\":1}', '[-]', '[1.]', '[tru]', '[nul', '{"a":tru}', '{"a":"\n"}'],
];

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
    for (const name of ['"', '\\', '\n', '"":"', '\\"']) {
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
  let list = wanted as Record<string, unknown>[];
  for (const key of path) list = (list as unknown as Record<string, never>)[key]!;
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

const NAMES = ['id', 'created', 'a', 'ab', 'abc', '', '0', '__proto__', 'é', 'constructor', 'x y', 'object', 'data2'];
const WORDS = [
  '',
  'a',
  'plain text',
  'é',
  '😀',
  '\\n',
  '\\"',
  '\\\\',
  '\\u0041',
  '\\ud83d\\ude00',
  '\\ud83d',
  '\\u0000',
  '\\/',
];
const NUMBERS = ['0', '-0', '7', '-12', '1.50', '0.001', '1e5', '-2.5E-3', '1700000000', '123456789012345', '4e400'];

function randomPage(random: Random): string {
  const blank = random.integer(3) === 0 ? () => ['', ' ', '\n', '\t ', '\r\n'][random.integer(5)]! : () => '';
  const row = () => objectText(random, blank, 1 + random.integer(3));
  const list = Array.from({ length: random.integer(5) }, row).join(`${blank()},${blank()}`);
  const parts = [`${blank()}"data"${blank()}:${blank()}[${blank()}${list}${blank()}]`];
  if (random.integer(2) === 0) parts.unshift(`"object":${valueText(random, blank, 2)}`);
  if (random.integer(2) === 0) parts.push(`"has_more"${blank()}:${random.integer(2) === 0}`);
  return `${blank()}{${parts.join(',')}${blank()}}${blank()}`;
}

function objectText(random: Random, blank: () => string, depth: number): string {
  const count = random.integer(7);
  const member = () => {
    const name = NAMES[random.integer(NAMES.length)]!;
    const key =
      random.integer(12) === 0 && name !== ''
        ? `\\u${name.charCodeAt(0).toString(16).padStart(4, '0')}${name.slice(1)}`
        : name;
    return `${blank()}"${key}"${blank()}:${blank()}${valueText(random, blank, depth)}${blank()}`;
  };
  return `{${blank()}${Array.from({ length: count }, member).join(',')}}`;
}

function valueText(random: Random, blank: () => string, depth: number): string {
  const pick = random.integer(depth > 0 ? 7 : 4);
  if (pick === 0) return ['null', 'true', 'false'][random.integer(3)]!;
  if (pick === 1) return NUMBERS[random.integer(NUMBERS.length)]!;
  if (pick < 4)
    return `"${Array.from({ length: random.integer(4) }, () => WORDS[random.integer(WORDS.length)]).join('')}"`;
  if (pick < 6) return objectText(random, blank, depth - 1);
  return `[${Array.from({ length: random.integer(4) }, () => valueText(random, blank, depth - 1)).join(',')}]`;
}

const GARBAGE = [...Buffer.from('{}[]",:\\u0eE+-.tfn 1\n\0'), 0xef, 0xbb, 0xbf, 0xc3, 0xff, 0x80];

function garbled(bytes: Buffer, random: Random): Buffer {
  let made = bytes;
  for (let times = 1 + random.integer(2); times > 0; times--) {
    const at = random.integer(made.length + 1);
    const byte = GARBAGE[random.integer(GARBAGE.length)]!;
    const pick = random.integer(6);
    if (pick === 0) made = made.subarray(0, at);
    else if (pick === 1) made = Buffer.concat([made.subarray(0, at), made.subarray(at + 1)]);
    else if (pick === 2) made = Buffer.concat([made.subarray(0, at), Buffer.from([byte]), made.subarray(at + 1)]);
    else if (pick === 3) made = Buffer.concat([made.subarray(0, at), Buffer.from([byte]), made.subarray(at)]);
    else if (pick === 4) made = Buffer.concat([made.subarray(0, at), made.subarray(random.integer(made.length + 1))]);
    else {
      const from = random.integer(made.length + 1);
      made = Buffer.concat([
        made.subarray(0, at),
        made.subarray(from, from + 1 + random.integer(12)),
        made.subarray(at),
      ]);
    }
  }
  return made;
}
