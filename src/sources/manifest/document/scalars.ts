/**
 * Which plain words of YAML are more than texts, as PyYAML has it: YAML 1.1 with exceptions of its own. Dates stay
 * texts.
 */

const BOOLEANS: Record<string, boolean> = {};
for (const [words, value] of [
  ['yes true on', true],
  ['no false off', false],
] as const)
  for (const word of words.split(' '))
    for (const cased of [word, word[0]!.toUpperCase() + word.slice(1), word.toUpperCase()]) BOOLEANS[cased] = value;

const NULLS = new Set(['', '~', 'null', 'Null', 'NULL']);
const INTEGER = /^[-+]?(?:0b[01_]+|0[0-7_]+|(?:0|[1-9][\d_]*)|0x[\da-fA-F_]+|[1-9][\d_]*(?::[0-5]?\d)+)$/;
const FLOAT =
  /^(?:[-+]?\d[\d_]*\.[\d_]*(?:[eE][-+]\d+)?|\.\d[\d_]*(?:[eE][-+]\d+)?|[-+]?\d[\d_]*(?::[0-5]?\d)+\.[\d_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/;

/** What a plain word stands for; undefined where it looks like a number and is none. */
export function plainScalar(word: string): null | boolean | number | bigint | string | undefined {
  if (NULLS.has(word)) return null;
  if (Object.hasOwn(BOOLEANS, word)) return BOOLEANS[word]!;
  if (INTEGER.test(word)) return integerOf(word);
  return FLOAT.test(word) ? floatOf(word) : word;
}

/** What a word is by the tag before it; undefined where it cannot be that. */
export function taggedScalar(word: string, tag: string): null | boolean | number | bigint | string | undefined {
  switch (tag) {
    case 'tag:yaml.org,2002:str':
      return word;
    case 'tag:yaml.org,2002:null':
      return null;
    case 'tag:yaml.org,2002:bool':
      return BOOLEANS[word.toLowerCase()];
    case 'tag:yaml.org,2002:int':
      return INTEGER.test(word) ? integerOf(word) : undefined;
    case 'tag:yaml.org,2002:float': {
      const number = floatOf(word);
      return Number.isNaN(number) && !/nan/i.test(word) ? undefined : number;
    }
    default:
      return undefined;
  }
}

/** Digits in base 60, the last one first worth one. */
const sexagesimal = (parts: string[]) => parts.reduce((sum, part) => sum * 60 + Number(part), 0);

function integerOf(word: string): number | bigint | undefined {
  const digits = word.replaceAll('_', '');
  const isNegative = digits.startsWith('-');
  const size = digits.replace(/^[-+]/, '');
  if (/^0[bx]$/.test(size)) return undefined;
  if (size.includes(':')) return (isNegative ? -1 : 1) * sexagesimal(size.split(':'));
  const exact = BigInt(/^0[0-7]+$/.test(size) ? `0o${size.slice(1)}` : size);
  const value = isNegative ? -exact : exact;
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
}

function floatOf(word: string): number {
  const digits = word.replaceAll('_', '').toLowerCase();
  const sign = digits.startsWith('-') ? -1 : 1;
  const size = digits.replace(/^[-+]/, '');
  if (size === '.inf') return sign * Infinity;
  if (size === '.nan') return Number.NaN;
  return sign * (size.includes(':') ? sexagesimal(size.split(':')) : Number(size));
}
