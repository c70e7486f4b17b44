/** Python's `json.dumps`. */
import { entriesOf, failed, isDict, keysOf, mismatch, numberOf, reprOf, typeName, type Value } from './values.js';
import { compare } from './comparison.js';

export interface DumpOptions {
  indent?: string | undefined;
  sortKeys?: boolean;
}

/** Throws TypeMismatch for what JSON has no form for. */
export function dumps(value: Value, options: DumpOptions = {}, depth = 0): string {
  if (depth > 900) return failed('Circular reference detected');
  if (typeof value === 'string')
    return JSON.stringify(value)
      .replaceAll(/[\u007f-\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .replaceAll('\\u007f', '\u007f');
  if (value === null || typeof value === 'boolean') return JSON.stringify(value);
  if (numberOf(value) !== undefined) return numberText(value);
  const { indent } = options;
  const line = (at: number) => (indent === undefined ? '' : `\n${indent.repeat(at)}`);
  const between = indent === undefined ? ', ' : `,${line(depth + 1)}`;
  if (Array.isArray(value)) {
    if (value.length === 0) return '[]';
    return `[${line(depth + 1)}${value.map((item) => dumps(item, options, depth + 1)).join(between)}${line(depth)}]`;
  }
  if (isDict(value)) {
    if (keysOf(value).length === 0) return '{}';
    const entries = entriesOf(value);
    if (options.sortKeys) entries.sort(([a], [b]) => compare(a, b));
    const items = entries.map(([key, item]) => `${keyText(key)}: ${dumps(item, options, depth + 1)}`);
    return `{${line(depth + 1)}${items.join(between)}${line(depth)}}`;
  }
  return mismatch(`Object of type ${typeName(value)} is not JSON serializable`);
}

const numberText = (value: Value) => {
  const text = reprOf(value);
  return { nan: 'NaN', inf: 'Infinity', '-inf': '-Infinity' }[text] ?? text;
};

function keyText(key: Value): string {
  if (typeof key === 'string') return dumps(key);
  if (key === null || typeof key === 'boolean') return `"${JSON.stringify(key)}"`;
  if (numberOf(key) !== undefined) return `"${numberText(key)}"`;
  return mismatch(`keys must be str, int, float, bool or None, not ${typeName(key)}`);
}
