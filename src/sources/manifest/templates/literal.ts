/**
 * What Python's `ast.literal_eval` makes of a rendered text: Airbyte passes every result through it, so that `"10"`
 * becomes a number and `"['a']"` a list. A text that is no literal stays as it is.
 */
import { floatOf, intOf, PyFloat, reprOf, type Dict, Tuple, type Value } from './values.js';

class NoLiteral extends Error {}

const MOST_DEPTH = 200;
/** Python reads no integer with more. */
const MOST_DIGITS = 4300;
const START = /[\s\-+0-9.'"[{(TFNbrufBRUF#\\]/;
const NUMBER =
  /(?:0[xX][0-9a-fA-F]+(?:_[0-9a-fA-F]+)*|0[oO][0-7]+(?:_[0-7]+)*|0[bB][01]+(?:_[01]+)*|(?:\d+(?:_\d+)*)?\.\d+(?:_\d+)*(?:[eE][+-]?\d+(?:_\d+)*)?|\d+(?:_\d+)*\.?(?:[eE][+-]?\d+(?:_\d+)*)?)/y;
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

export function literalOf(text: string): Value {
  if (!START.test(text[0] ?? '')) return text;
  try {
    return new Reader(text).whole();
  } catch (error) {
    if (error instanceof NoLiteral) return text;
    throw error;
  }
}

class Reader {
  private at = 0;
  private depth = 0;

  constructor(private readonly text: string) {}

  whole(): Value {
    while (this.text[this.at] === ' ' || this.text[this.at] === '\t') this.at++;
    // Blank lines may come first; a line that is indented may not.
    if (/[\r\n#\\]/.test(this.text[this.at] ?? '')) {
      this.blank(true);
      if (/[ \t]/.test(this.text[this.at - 1] ?? '')) throw new NoLiteral();
    }
    const items: Value[] = [];
    let isTuple = false;
    for (;;) {
      items.push(this.value());
      this.blank(false);
      if (this.text[this.at] !== ',') break;
      isTuple = true;
      this.at++;
      this.blank(false);
      if (this.atEnd()) break;
    }
    if (!this.atEnd()) throw new NoLiteral();
    return isTuple ? Tuple.from(items) : items[0];
  }

  private atEnd(): boolean {
    this.blank(true);
    return this.at >= this.text.length;
  }

  /** Between brackets a line may end; outside only at the end of all. */
  private blank(lines: boolean): void {
    for (; this.at < this.text.length; this.at++) {
      const char = this.text[this.at]!;
      // A line that goes on in the next.
      if (char === '\\' && this.text[this.at + 1] === '\n') this.at++;
      else if (char === '#') {
        while (this.at + 1 < this.text.length && this.text[this.at + 1] !== '\n') this.at++;
      } else if (char === '\n' || char === '\r') {
        if (!lines && this.depth === 0) return;
      } else if (char !== ' ' && char !== '\t' && char !== '\f') return;
    }
  }

  private value(): Value {
    const char = this.text[this.at];
    if (char === undefined) throw new NoLiteral();
    if (char === '[') return this.items(']', []);
    if (char === '(') return this.parenthesised();
    if (char === '{') return this.dict();
    if (char === '-' || char === '+') {
      this.at++;
      this.blank(false);
      // One sign, before a number.
      if (!/[\d.(]/.test(this.text[this.at] ?? '')) throw new NoLiteral();
      const number = this.value();
      if (typeof number !== 'number' && typeof number !== 'bigint' && !(number instanceof PyFloat))
        throw new NoLiteral();
      if (char === '+') return number;
      if (typeof number === 'bigint') return -number;
      return typeof number === 'number' ? (Number.isInteger(number) ? 0 - number : -number) : floatOf(-number.value);
    }
    if (char === "'" || char === '"' || /[rRuUbBfF]/.test(char)) {
      const string = this.strings();
      if (string !== undefined) return string;
    }
    if (/[0-9.]/.test(char)) return this.number();
    for (const [word, meaning] of [
      ['True', true],
      ['False', false],
      ['None', null],
    ] as const) {
      if (this.text.startsWith(word, this.at) && !/\w/.test(this.text[this.at + word.length] ?? '')) {
        this.at += word.length;
        return meaning;
      }
    }
    throw new NoLiteral();
  }

  private number(): Value {
    NUMBER.lastIndex = this.at;
    const match = NUMBER.exec(this.text);
    if (!match) throw new NoLiteral();
    const word = match[0];
    this.at += word.length;
    if (/[\w.]/.test(this.text[this.at] ?? '')) throw new NoLiteral();
    const digits = word.replaceAll('_', '');
    if (/^0[xXoObB]/.test(digits)) return intOf(BigInt(digits));
    if (/^\d+$/.test(digits)) {
      if (/^0+[1-9]/.test(digits)) throw new NoLiteral();
      if (digits.length > MOST_DIGITS) throw new NoLiteral();
      return digits.length < 16 ? Number(digits) : intOf(BigInt(digits));
    }
    return floatOf(Number(digits));
  }

  /** One string or several beside each other; undefined where a letter begins something else. */
  private strings(): string | undefined {
    let out: string | undefined;
    for (;;) {
      const prefix = /^(?:[rR]|[uU])?(?=['"])/.exec(this.text.slice(this.at, this.at + 3));
      if (!prefix) return out;
      const raw = /r/i.test(prefix[0]);
      this.at += prefix[0].length;
      out = (out ?? '') + this.string(raw);
      const before = this.at;
      this.blank(false);
      if (!/['"rRuU]/.test(this.text[this.at] ?? '')) {
        this.at = before;
        return out;
      }
    }
  }

  private string(raw: boolean): string {
    const mark = this.text[this.at]!;
    const long = this.text.startsWith(mark.repeat(3), this.at);
    const end = long ? mark.repeat(3) : mark;
    this.at += end.length;
    let out = '';
    for (;;) {
      if (this.at >= this.text.length) throw new NoLiteral();
      if (this.text.startsWith(end, this.at)) {
        this.at += end.length;
        return out;
      }
      const char = this.text[this.at++]!;
      if (!long && char === '\n') throw new NoLiteral();
      out += char === '\\' ? this.escape(raw) : char;
    }
  }

  private escape(raw: boolean): string {
    const next = this.text[this.at++];
    if (next === undefined) throw new NoLiteral();
    if (raw) return `\\${next}`;
    const hex = { x: 2, u: 4, U: 8 }[next];
    if (hex !== undefined) {
      const digits = this.text.slice(this.at, this.at + hex);
      if (!/^[0-9a-fA-F]+$/.test(digits) || digits.length !== hex) throw new NoLiteral();
      const code = Number.parseInt(digits, 16);
      if (code > 0x10ffff) throw new NoLiteral();
      this.at += hex;
      return String.fromCodePoint(code);
    }
    const octal = /^[0-7]{1,3}/.exec(next + this.text.slice(this.at, this.at + 2));
    if (octal) {
      this.at += octal[0].length - 1;
      return String.fromCharCode(Number.parseInt(octal[0], 8));
    }
    return ESCAPES[next] ?? `\\${next}`;
  }

  private enter(): void {
    if (++this.depth > MOST_DEPTH) throw new NoLiteral();
    this.at++;
    this.blank(true);
  }

  private leave(): void {
    this.depth--;
    this.at++;
  }

  private items<T extends Value[]>(close: string, into: T): T {
    this.enter();
    while (this.text[this.at] !== close) {
      into.push(this.value());
      this.blank(true);
      if (this.text[this.at] === ',') {
        this.at++;
        this.blank(true);
      } else if (this.text[this.at] !== close) throw new NoLiteral();
    }
    this.leave();
    return into;
  }

  /** A tuple, or a value in parentheses. */
  private parenthesised(): Value {
    const start = this.at;
    const items = this.items(')', new Tuple());
    if (items.length !== 1) return items;
    return /,\s*\)$/.test(this.text.slice(start, this.at)) ? items : items[0];
  }

  private dict(): Value {
    this.enter();
    const dict: Dict = {};
    while (this.text[this.at] !== '}') {
      const key = this.value();
      this.blank(true);
      // A set is a literal of Python, and of no JSON: it stays a text.
      if (this.text[this.at] !== ':') throw new NoLiteral();
      this.at++;
      this.blank(true);
      Object.defineProperty(dict, jsonKey(key), {
        value: this.value(),
        enumerable: true,
        writable: true,
        configurable: true,
      });
      this.blank(true);
      if (this.text[this.at] === ',') {
        this.at++;
        this.blank(true);
      } else if (this.text[this.at] !== '}') throw new NoLiteral();
    }
    this.leave();
    return dict;
  }
}

/** A key as JSON has it, and Python's json.dumps. */
function jsonKey(key: Value): string {
  if (typeof key === 'string') return key;
  if (key === null || typeof key === 'boolean') return String(key);
  if (Array.isArray(key) && !(key instanceof Tuple)) throw new NoLiteral();
  return reprOf(key);
}
