/** Texts of JSON, and of what is none, for tests of who reads it. */
import type { Random } from '../src/base/random.js';

/** Texts of one value that every parser of JSON takes. */
export const TAKEN = [
  '0',
  '-0',
  '1',
  '-1',
  '10',
  '123456789012345',
  '0.5',
  '-0.5',
  '1.0',
  '1e5',
  '1E5',
  '1e+5',
  '1e-5',
  '0e0',
  '0E+1',
  '-0.0',
  '1.5e300',
  '-1e-300',
  '123456789012345678901234567890',
  '0.1234567890123456789',
  '1e400',
  '-1e400',
  '""',
  '"a"',
  '" "',
  '"\\""',
  '"\\\\"',
  '"\\/"',
  '"\\b\\f\\n\\r\\t"',
  '"\\u0041"',
  '"\\u00e9"',
  '"\\uABCD"',
  '"\\u0000"',
  '"\\ud83d\\ude00"',
  '"\\ud83d"',
  '"\\ude00"',
  '"\\ud83dx"',
  '"\\ud83d\\u0041"',
  '"\\ud83d\\n"',
  '"\\ud83d\\ud83d\\ude00"',
  '"\u007f"',
  '"é"',
  '"😀"',
  '"\u2028\u2029"',
  '"\ufeff"',
  '"\\u0022"',
  '"\\\\u0000"',
  'null',
  'true',
  'false',
  '[]',
  '{}',
  '[ ]',
  '{ }',
  '[[]]',
  '[1,2,3]',
  '[ 1 , 2 ]',
  '[[[[[]]]]]',
  '[{}]',
  '{"":0}',
  '{"a":null}',
  '{ "a" : 1 , "b" : [ ] }',
  '{"a":{"b":{"c":[]}}}',
  '{"a":1,"a":2}',
  '{"\\u0061":1,"a":2}',
  '{"__proto__":1}',
  '{"constructor":{"prototype":1}}',
  '{"0":1}',
  '[null,true,false,"",0,{},[]]',
  '\t1\n',
  '\r1 ',
  '['.repeat(150) + ']'.repeat(150),
  '{"a":'.repeat(150) + '1' + '}'.repeat(150),
];

/** Texts that none takes. */
export const REFUSED = [
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
  '"\\""":1',
  '{"""":1}',
  '{"\\"":1,""":2}',
  '{"\\":1}',
  '[-]',
  '[1.]',
  '[tru]',
  '[nul',
  '{"a":tru}',
  '{"a":"\n"}',
];

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

export function randomPage(random: Random): string {
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

export function garbled(bytes: Buffer, random: Random): Buffer {
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
