/** Words of a text: their case, their number, and how they fill lines. */
import { hasAstral } from './values.js';

/** What ends a line for Python. */
export const LINE_END = '\\r\\n|[\\n\\r\\v\\f\\x1c-\\x1e\\x85\\u2028\\u2029]';

/** The character that begins a word: of two letters in one, only the first is upper case. */
export function titleCase(char: string): string {
  const [first = '', ...rest] = [...char.toUpperCase()];
  return first + rest.join('').toLowerCase();
}

/** Python's `str.title`: a letter is upper case where none comes before it. */
export function titled(self: string): string {
  let isInside = false;
  let out = '';
  for (const char of self) {
    const isCased = char.toLowerCase() !== char.toUpperCase();
    out += isCased && !isInside ? titleCase(char) : char.toLowerCase();
    isInside = isCased;
  }
  return out;
}

/** Jinja's `title`: words are what stands between blanks, hyphens and opening brackets. */
export function jinjaTitle(text: string): string {
  return text
    .split(/([-\s({[<]+)/u)
    .filter((item) => item !== '')
    .map((item) => {
      const [first = '', ...rest] = [...item];
      return first.toUpperCase() + rest.join('').toLowerCase();
    })
    .join('');
}

export const wordCount = (text: string): number => [...text.matchAll(/[\p{L}\p{N}_]+/gu)].length;

/** Jinja's `truncate`. */
export function shortened(text: string, length: number, killWords: boolean, end: string, leeway: number): string {
  const chars = hasAstral(text) ? [...text] : text;
  if (chars.length <= length + leeway) return text;
  const cut = (count: number) => {
    const part = chars.slice(0, count);
    return typeof part === 'string' ? part : part.join('');
  };
  const head = cut(length - end.length);
  if (killWords) return head + end;
  const space = head.lastIndexOf(' ');
  return (space < 0 ? head : head.slice(0, space)) + end;
}

/** Python's `textwrap.wrap` without expanding tabs, as Jinja's `wordwrap` uses it. */
export function wrapped(
  text: string,
  width: number,
  breakLong: boolean,
  breakHyphens: boolean,
  joiner: string,
): string {
  return text
    .split(new RegExp(LINE_END))
    .filter((_, at, all) => at < all.length - 1 || all[at] !== '')
    .map((line) => wrapLine(line, width, breakLong, breakHyphens).join(joiner))
    .join(joiner);
}

function wrapLine(line: string, width: number, breakLong: boolean, breakHyphens: boolean): string[] {
  const pattern = breakHyphens
    ? /([\t-\r ]+|(?:(?<=[\w!"'&.,?])-{2,}(?=\w)|[^\t-\r ](?:[^\t-\r ]*?)(?:-(?:(?<=[^\d\W]{2}-)|(?<=[^\d\W]-[^\d\W]-))(?=[^\d\W]-?[^\d\W])|(?=[\t-\r ]|$)|(?<=[\w!"'&.,?])(?=-{2,}\w))))/
    : /([\t-\r ]+)/;
  const chunks = line.split(pattern).filter((chunk) => chunk !== undefined && chunk !== '');
  chunks.reverse();
  const lines: string[] = [];
  while (chunks.length > 0) {
    const current: string[] = [];
    let length = 0;
    if (chunks.at(-1)!.trim() === '' && lines.length > 0) chunks.pop();
    while (chunks.length > 0 && length + chunks.at(-1)!.length <= width) {
      length += chunks.at(-1)!.length;
      current.push(chunks.pop()!);
    }
    if (chunks.length > 0 && chunks.at(-1)!.length > width)
      breakChunk(chunks, current, width - length, breakLong, breakHyphens);
    if (current.length > 0 && current.at(-1)!.trim() === '') current.pop();
    if (current.length > 0) lines.push(current.join(''));
  }
  return lines;
}

function breakChunk(
  chunks: string[],
  current: string[],
  room: number,
  breakLong: boolean,
  breakHyphens: boolean,
): void {
  const space = Math.max(1, room);
  if (breakLong) {
    const chunk = chunks.at(-1)!;
    let end = space;
    if (breakHyphens && chunk.length > space) {
      const hyphen = chunk.lastIndexOf('-', space - 1);
      if (hyphen > 0 && /[^-]/.test(chunk.slice(0, hyphen))) end = hyphen + 1;
    }
    current.push(chunk.slice(0, end));
    chunks[chunks.length - 1] = chunk.slice(end);
    if (chunks.at(-1) === '') chunks.pop();
  } else if (current.length === 0) current.push(chunks.pop()!);
}
