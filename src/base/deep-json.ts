/** JSON that is nested deeper than recursion reaches: slower, and without a bound on depth. */

/** A text, with the colon that tells a key; or a number. */
const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"(\s*:)?|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?/g;

/**
 * As `JSON.parse`, which does not recurse, but that `numberOf` says what digits are. Until then, values that are texts
 * begin with `s`, and numbers are texts that begin with `n`.
 */
export function parseDeep(text: string, numberOf: (digits: string) => unknown): unknown {
  const marked = text.replace(TOKENS, (token: string, colon: string | undefined) => {
    if (colon !== undefined) return token;
    return token.startsWith('"') ? `"s${token.slice(1)}` : `"n${token}"`;
  });
  const valueOf = (value: unknown) => {
    if (typeof value !== 'string') return value;
    return value.startsWith('s') ? value.slice(1) : numberOf(value.slice(1));
  };
  const root = [JSON.parse(marked) as unknown];
  const open: object[] = [root];
  for (let at = open.pop(); at !== undefined; at = open.pop())
    for (const [key, marks] of Object.entries(at)) {
      const value: unknown = valueOf(marks);
      // What is there already: also a key named __proto__ is set as it is.
      if (value !== marks) Object.defineProperty(at, key, { value });
      else if (value !== null && typeof value === 'object') open.push(value);
    }
  return root[0];
}

/** Text as it is, or a value that is yet to be written. */
type Part = string | { value: unknown };

/** As JSON.stringify. `leafText` writes what is no list and no plain object; undefined: it is left out, or null. */
export function stringifyDeep(root: unknown, leafText: (value: unknown) => string | undefined): string {
  const out: string[] = [];
  const todo: Part[] = [{ value: root }];
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    if (typeof next === 'string') {
      out.push(next);
      continue;
    }
    const { value } = next;
    const parts: Part[] = [];
    if (Array.isArray(value)) {
      value.forEach((inner: unknown, at) => parts.push(at === 0 ? '' : ',', { value: inner }));
      schedule(todo, '[', parts, ']');
    } else if (isPlain(value)) {
      for (const [key, inner] of Object.entries(value))
        if (isPlain(inner) || Array.isArray(inner) || leafText(inner) !== undefined)
          parts.push(`${parts.length === 0 ? '' : ','}${JSON.stringify(key)}:`, { value: inner });
      schedule(todo, '{', parts, '}');
    } else out.push(leafText(value) ?? 'null');
  }
  return out.join('');
}

/** What comes next stands last. */
function schedule(todo: Part[], open: string, parts: Part[], close: string): void {
  todo.push(close);
  for (const part of parts.toReversed()) todo.push(part);
  todo.push(open);
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
