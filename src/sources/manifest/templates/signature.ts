/** Python's rules for arguments: what a function takes by place, by name, and what it does without. */
import { literalOf } from './literal.js';
import { TypeMismatch, type Dict, type Value } from './values.js';

/** Argument values in the order of the parameters. */
export type Bound = (args: Value[], named: Dict) => Value[];

interface Parameter {
  name: string;
  hasDefault: boolean;
  otherwise: Value;
}

/**
 * `'old new count=-1 /'`: parameters by place, a default after `=` (a literal of Python), `/` where none can be named.
 * `*rest` takes what is left by place as a list, `**rest` by name as a dict. Throws TypeMismatch, as Python does.
 */
export function signature(spec: string): Bound {
  const words = spec.split(' ').filter(Boolean);
  const isPositional = words.includes('/');
  const rest = words.some((word) => /^\*\w/.test(word));
  const namedRest = words.some((word) => word.startsWith('**'));
  const parameters = words
    .filter((word) => word !== '/' && !word.startsWith('*'))
    .map((word): Parameter => {
      const [name, ...otherwise] = word.split('=') as [string, ...string[]];
      return {
        name,
        hasDefault: otherwise.length > 0,
        otherwise: otherwise.length > 0 ? literalOf(otherwise.join('=')) : undefined,
      };
    });
  return (args, named) => {
    if (args.length > parameters.length && !rest)
      throw new TypeMismatch(`takes ${parameters.length} arguments but ${args.length} were given`);
    const names = Object.keys(named);
    if (names.length > 0 && isPositional) throw new TypeMismatch('takes no keyword arguments');
    const bound = parameters.map(({ name, hasDefault, otherwise }, at): Value => {
      if (at < args.length) {
        if (Object.hasOwn(named, name)) throw new TypeMismatch(`got multiple values for argument '${name}'`);
        return args[at];
      }
      if (Object.hasOwn(named, name)) return named[name];
      if (!hasDefault) throw new TypeMismatch(`missing 1 required argument: '${name}'`);
      return otherwise;
    });
    const others = names.filter((name) => !parameters.some((each) => each.name === name));
    if (others.length > 0 && !namedRest) throw new TypeMismatch(`got an unexpected keyword argument '${others[0]}'`);
    if (rest) bound.push(args.slice(parameters.length));
    if (namedRest) bound.push(Object.fromEntries(others.map((name) => [name, named[name]])));
    return bound;
  };
}
