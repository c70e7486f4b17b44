/** Jinja's own globals; Airbyte's are in macros.ts. */
import {
  Attributes,
  failed,
  iterate,
  isDict,
  entriesOf,
  dictOf,
  mismatch,
  reprOf,
  setKey,
  textOf,
  UndefinedUse,
  type Callable,
  type Dict,
  type Value,
} from './values.js';

export const GLOBALS: Record<string, Callable> = {
  dict: (args, named) => {
    if (args.length > 1) return mismatch('dict expected at most 1 argument');
    const [from] = args;
    const dict = dictOf(args.length === 0 ? [] : pairsOf(from));
    for (const [key, value] of Object.entries(named)) setKey(dict, key, value);
    return dict;
  },
  namespace: (args, named) => {
    const fields = new Map<string, Value>();
    for (const from of args) for (const [key, value] of pairsOf(from)) fields.set(textOf(key), value);
    for (const [key, value] of Object.entries(named)) fields.set(key, value);
    return new Attributes(
      () => `<Namespace ${reprOf(dictOf(fields))}>`,
      (name) => fields.get(name),
      undefined,
      (name, value) => fields.set(name, value),
    );
  },
  cycler: (args, named) => {
    if (Object.keys(named).length > 0) return mismatch('cycler takes no keyword arguments');
    if (args.length === 0) return failed('at least one item has to be provided');
    let at = 0;
    const next: Callable = () => {
      const value = args[at];
      at = (at + 1) % args.length;
      return value;
    };
    const reset: Callable = () => {
      at = 0;
      return null;
    };
    return new Attributes(
      () => '<jinja2.utils.Cycler object at 0x0>',
      (name) =>
        name === 'next'
          ? next
          : name === 'reset'
            ? reset
            : name === 'current'
              ? args[at]
              : name === 'pos'
                ? at
                : undefined,
    );
  },
  joiner: (args, named) => {
    const separator = args[0] ?? named['sep'] ?? ', ';
    let isUsed = false;
    return new Attributes(
      () => '<jinja2.utils.Joiner object at 0x0>',
      (name) => (name === 'sep' ? separator : name === 'used' ? isUsed : undefined),
      () => {
        if (isUsed) return separator;
        isUsed = true;
        return '';
      },
    );
  },
};

function pairsOf(from: Value): [Value, Value][] {
  if (from === undefined) throw new UndefinedUse('the items of an undefined value');
  if (isDict(from)) return entriesOf(from as Dict);
  return iterate(from).map((pair) => {
    const parts = iterate(pair);
    return parts.length === 2 ? [parts[0], parts[1]] : failed('dictionary update sequence element has a wrong length');
  });
}
