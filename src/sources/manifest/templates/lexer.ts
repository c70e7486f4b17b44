/** Cuts a Jinja template into text and tokens, with the default delimiters and without trimming of blocks. */
import { TemplateError } from './values.js';

export type TokenKind =
  | 'data'
  | 'variable_begin'
  | 'variable_end'
  | 'block_begin'
  | 'block_end'
  | 'name'
  | 'string'
  | 'integer'
  | 'float'
  | 'operator'
  | 'end';

export interface Token {
  kind: TokenKind;
  text: string;
}

const OPENING = /\{[{%#]/g;
const RAW = /\{%(-|\+)?\s*raw\s*(-)?%\}/y;
const RAW_END = /\{%(-|\+)?\s*endraw\s*([-+])?%\}/g;
const SPACE = /\s+/y;
const FLOAT = /(?:\d+_)*\d+(?:(?:\.(?:\d+_)*\d+)?[eE][+-]?(?:\d+_)*\d+|\.(?:\d+_)*\d+)/y;
const INTEGER = /0[bB](?:_?[01])+|0[oO](?:_?[0-7])+|0[xX](?:_?[\da-fA-F])+|[1-9](?:_?\d)*|0(?:_?0)*/y;
const NAME = /[\p{L}\p{Nl}_][\p{L}\p{Nl}\p{Mn}\p{Mc}\p{Nd}\p{Pc}]*/uy;
const STRING = /'([^'\\]*(?:\\[^][^'\\]*)*)'|"([^"\\]*(?:\\[^][^"\\]*)*)"/y;
const OPERATOR = /\/\/|\*\*|==|!=|>=|<=|[-+/*%~[\](){}<>=.:|,;]/y;
const CLOSES: Record<string, string> = { '(': ')', '[': ']', '{': '}' };

function match(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

/** Throws TemplateError where Jinja raises a syntax error. */
export function tokensOf(source: string): Token[] {
  const text = source.replaceAll(/\r\n|\r/g, '\n').replace(/\n$/, '');
  const tokens: Token[] = [];
  const data = (from: number, to: number, strip: boolean) => {
    const part = text.slice(from, to);
    const kept = strip ? part.trimEnd() : part;
    if (kept !== '') tokens.push({ kind: 'data', text: kept });
  };
  let at = 0;
  while (at < text.length) {
    const opening = match(OPENING, text, at);
    if (opening === null) {
      data(at, text.length, false);
      break;
    }
    const begin = opening.index;
    const sign = text[begin + 2];
    data(at, begin, sign === '-');
    at = begin + 2 + (sign === '-' || sign === '+' ? 1 : 0);
    if (opening[0] === '{#') {
      const end = text.indexOf('#}', at);
      if (end < 0) throw new TemplateError('Missing end of comment tag');
      at = end + 2;
      if (end > begin + 2 && text[end - 1] === '-') at += /^\s*/.exec(text.slice(at))![0].length;
      continue;
    }
    const raw = opening[0] === '{%' ? match(RAW, text, begin) : null;
    if (raw) {
      const from = raw[2] === '-' ? skipSpace(text, RAW.lastIndex) : RAW.lastIndex;
      const end = match(RAW_END, text, from);
      if (!end) throw new TemplateError('Missing end of raw directive');
      data(from, end.index, end[1] === '-');
      at = end[2] === '-' ? skipSpace(text, RAW_END.lastIndex) : RAW_END.lastIndex;
      continue;
    }
    at = inside(text, at, opening[0] === '{{', tokens);
  }
  tokens.push({ kind: 'end', text: '' });
  return tokens;
}

function skipSpace(text: string, at: number): number {
  return match(SPACE, text, at) ? SPACE.lastIndex : at;
}

/** Reads up to the end of a variable or a block, which a bracket that is open hides; where the text goes on. */
function inside(text: string, from: number, isVariable: boolean, tokens: Token[]): number {
  const end = isVariable ? '}}' : '%}';
  tokens.push({ kind: isVariable ? 'variable_begin' : 'block_begin', text: '' });
  const open: string[] = [];
  let at = from;
  for (;;) {
    at = skipSpace(text, at);
    const sign = text[at] === '-' || (text[at] === '+' && !isVariable) ? 1 : 0;
    if (open.length === 0 && text.startsWith(end, at + sign)) {
      tokens.push({ kind: isVariable ? 'variable_end' : 'block_end', text: '' });
      return text[at] === '-' ? skipSpace(text, at + 3) : at + sign + 2;
    }
    if (at >= text.length) throw new TemplateError(`unexpected end of template, expected '${open.at(-1) ?? end}'`);
    const [token, next] = tokenAt(text, at);
    if (token.kind === 'operator') {
      const closing = CLOSES[token.text];
      if (closing !== undefined) open.push(closing);
      else if (')]}'.includes(token.text) && open.pop() !== token.text)
        throw new TemplateError(`unexpected '${token.text}'`);
    }
    tokens.push(token.kind === 'string' ? { ...token, text: unescaped(token.text) } : token);
    at = next;
  }
}

/** The token at a place, and where it ends. */
function tokenAt(text: string, at: number): [Token, number] {
  for (const [kind, pattern] of [
    ['float', FLOAT],
    ['integer', INTEGER],
    ['name', NAME],
    ['string', STRING],
    ['operator', OPERATOR],
  ] as const) {
    if (kind === 'float' && text[at - 1] === '.') continue;
    const found = match(pattern, text, at);
    if (found) return [{ kind, text: kind === 'string' ? found[0].slice(1, -1) : found[0] }, pattern.lastIndex];
  }
  throw new TemplateError(`unexpected char '${text[at]}' at ${at}`);
}

const ESCAPES: Record<string, string> = {
  n: '\n',
  t: '\t',
  r: '\r',
  '\\': '\\',
  "'": "'",
  '"': '"',
  a: '\u0007',
  b: '\b',
  f: '\f',
  v: '\v',
  '\n': '',
};

/** Python's escapes; one that it does not know stays as it is. */
function unescaped(text: string): string {
  if (!text.includes('\\')) return text;
  return text.replaceAll(
    /\\(?:x([^]{0,2})|u([^]{0,4})|U([^]{0,8})|([0-7]{1,3})|([^]))/g,
    (whole, x?: string, u?: string, long?: string, octal?: string, char?: string) => {
      if (octal !== undefined) return String.fromCodePoint(Number.parseInt(octal, 8));
      if (char !== undefined) return ESCAPES[char] ?? whole;
      const digits = x ?? u ?? long ?? '';
      const width = x !== undefined ? 2 : u !== undefined ? 4 : 8;
      const code = /^[\da-fA-F]+$/.test(digits) && digits.length === width ? Number.parseInt(digits, 16) : Infinity;
      if (code > 0x10_ff_ff) throw new TemplateError(`"${whole}" is no escape of a character`);
      return String.fromCodePoint(code);
    },
  );
}
