/** Turns expressions of a template into closures. Nothing is looked up that was not put into the context. */
import { compare, contains, equals } from './comparison.js';
import type { Filter, FilterEnvironment, Test } from './filter.js';
import { FILTERS } from './filters.js';
import { attributeOf, calculate, itemOf, nativeAttribute, signed, sliceOf } from './operations.js';
import { isConstant } from './constants.js';
import { Frame, type Expr, type Scope } from './scope.js';
import { signature, type Bound } from './signature.js';
import type { Arguments, Expression, FilterCall } from './syntax.js';
import { TESTS } from './tests.js';
import {
  Attributes,
  dictOf,
  entriesOf,
  floatOf,
  isDict,
  isFloat,
  isTrue,
  iterate,
  mismatch,
  TemplateError,
  textOf,
  tupleOf,
  TypeMismatch,
  typeName,
  UndefinedUse,
  type Dict,
  type Value,
} from './values.js';

const NONE: Dict = Object.freeze({});
const bindings = new WeakMap<Filter | Test, Bound>();

function bound(entry: Filter | Test): Bound {
  let found = bindings.get(entry);
  if (!found) bindings.set(entry, (found = signature(entry[0])));
  return found;
}

function filterNamed(name: string): (value: Value, args: Value[], named: Dict) => Value {
  const filter = Object.hasOwn(FILTERS, name) ? FILTERS[name] : undefined;
  if (!filter) throw new TemplateError(`No filter named '${name}'.`);
  const take = bound(filter);
  return (value, args, named) => filter[1](value, ENVIRONMENT, ...take(args, named));
}

function testNamed(name: string): (value: Value, args: Value[], named: Dict) => boolean {
  const test = Object.hasOwn(TESTS, name) ? TESTS[name] : undefined;
  if (!test) throw new TemplateError(`No test named '${name}'.`);
  const take = bound(test);
  return (value, args, named) => test[1](value, ENVIRONMENT, ...take(args, named));
}

const ENVIRONMENT: FilterEnvironment = {
  member: (object, key, call) => {
    const found = itemOf(object, key);
    return call ? invoke(found, textOf(key), call, NONE) : found;
  },
  native: (object, name) => {
    if (object === undefined) throw new UndefinedUse(`'${name}' of an undefined value`);
    return nativeAttribute(object, name);
  },
  filter: (name) => filterNamed(textOf(name)),
  test: (name) => testNamed(textOf(name)),
};

export function invoke(callable: Value, name: string, args: Value[], named: Dict): Value {
  if (callable === undefined) throw new UndefinedUse(`'${name}' is undefined`);
  if (typeof callable === 'function') return callable(args, named);
  if (callable instanceof Attributes && callable.call) return callable.call(args, named);
  throw new TypeMismatch(`'${typeName(callable)}' object is not callable`);
}

export interface Mode {
  /** A part that may never be reached, where an unknown filter is an error once it is. */
  isSoft: boolean;
  /** What is known while compiling, where a slice of what has none is undefined, and no error. */
  isFolding?: boolean;
}

/** Jinja evaluates what is constant while it compiles, and keeps what can be written down again. */
export function compileExpression(node: Expression, mode: Mode = { isSoft: false }): Expr {
  if (!mode.isFolding && !LEAVES.has(node.type) && isConstant(node)) {
    try {
      const folded = compileNode(node, { isSoft: false, isFolding: true });
      if (isWritable(folded(NOWHERE))) return folded;
    } catch (error) {
      if (!isOurs(error)) throw error;
    }
  }
  return compileNode(node, mode);
}

/** What a template puts out: where it is constant, it is evaluated as such, whatever it comes to. */
export function compileOutput(node: Expression): Expr {
  if (!LEAVES.has(node.type) && isConstant(node)) {
    try {
      const folded = compileNode(node, { isSoft: false, isFolding: true });
      folded(NOWHERE);
      return folded;
    } catch (error) {
      if (!isOurs(error)) throw error;
    }
  }
  return compileExpression(node);
}

const LEAVES = new Set(['constant', 'float', 'name', 'call']);
const NOWHERE: Scope = { context: {}, frame: new Frame(), globals: {} };
const isOurs = (error: unknown) =>
  error instanceof TemplateError || error instanceof TypeMismatch || error instanceof UndefinedUse;

function isWritable(value: Value): boolean {
  if (value === null || ['boolean', 'string', 'number', 'bigint'].includes(typeof value)) return true;
  if (Array.isArray(value)) return value.every(isWritable);
  if (isDict(value)) return entriesOf(value).every((entry) => entry.every(isWritable));
  return isFloat(value);
}

/** Long because it has a case for each kind of expression. */
function compileNode(node: Expression, mode: Mode): Expr {
  const compiled = (each: Expression) => compileExpression(each, mode);
  switch (node.type) {
    case 'constant': {
      const { value } = node;
      return () => value;
    }
    case 'float': {
      const value = floatOf(node.value);
      return () => value;
    }
    case 'name':
      return nameOf(node.name);
    case 'list': {
      const items = node.items.map(compiled);
      return (scope) => items.map((item) => item(scope));
    }
    case 'tuple': {
      const items = node.items.map(compiled);
      return (scope) => tupleOf(items.map((item) => item(scope)));
    }
    case 'dict': {
      const entries = node.entries.map(([key, value]) => [compiled(key), compiled(value)] as const);
      return (scope) => dictOf(entries.map(([key, value]) => [key(scope), value(scope)]));
    }
    case 'attribute': {
      const object = compiled(node.object);
      const { name } = node;
      return (scope) => attributeOf(object(scope), name);
    }
    case 'item': {
      const [object, key] = [compiled(node.object), compiled(node.key)];
      return (scope) => itemOf(object(scope), key(scope));
    }
    case 'slice': {
      const object = compiled(node.object);
      const parts = [node.start, node.stop, node.step].map((each) => (each ? compiled(each) : undefined));
      return (scope) => {
        const self = object(scope);
        const [start, stop, step] = parts.map((part) => (part ? part(scope) : null));
        if (!mode.isFolding || self === undefined || typeof self === 'string' || Array.isArray(self))
          return sliceOf(self, start, stop, step);
        return undefined;
      };
    }
    case 'call': {
      const [callee, args] = [compiled(node.callee), compileArguments(node.args, mode)];
      const name = node.callee.type === 'name' || node.callee.type === 'attribute' ? node.callee.name : 'value';
      return (scope) => invoke(callee(scope), name, ...args(scope));
    }
    case 'filter': {
      const [operand, filter] = [compiled(node.operand), compileFilter(node, mode)];
      return (scope) => filter(operand(scope), scope);
    }
    case 'test':
      return compileTest(node, mode);
    case 'not': {
      const operand = compiled(node.operand);
      return (scope) => !isTrue(operand(scope));
    }
    case 'negative':
    case 'positive': {
      const operand = compiled(node.operand);
      const sign = node.type === 'negative' ? -1 : 1;
      return (scope) => signed(operand(scope), sign);
    }
    case 'binary':
      if (decides(node.operator, node.left)) return compiled(node.left);
      return binary(node.operator, compiled(node.left), compiled(node.right));
    case 'compare':
      return comparison(
        compiled(node.first),
        node.rest.map(([operator, operand]) => [operator, compiled(operand)]),
      );
    case 'concat': {
      const parts = node.parts.map(compiled);
      return (scope) => parts.map((part) => textOf(part(scope))).join('');
    }
    case 'condition': {
      const soft = { ...mode, isSoft: true };
      const test = compileExpression(node.test, soft);
      const yes = compileExpression(node.yes, soft);
      const no = node.no ? compileExpression(node.no, soft) : undefined;
      return (scope) => (isTrue(test(scope)) ? yes(scope) : no?.(scope));
    }
    default:
      return node satisfies never;
  }
}

function nameOf(name: string): Expr {
  return (scope) => {
    const frame = scope.frame.holding(name);
    if (frame) return frame.get(name);
    if (Object.hasOwn(scope.context, name)) return scope.context[name];
    return Object.hasOwn(scope.globals, name) ? scope.globals[name] : undefined;
  };
}

/** Whether a constant on the left makes the right side of `and` and `or` needless, which is not looked at then. */
function decides(operator: string, left: Expression): boolean {
  if ((operator !== 'and' && operator !== 'or') || !isConstant(left)) return false;
  try {
    const value = compileNode(left, { isSoft: false, isFolding: true })(NOWHERE);
    return isWritable(value) && isTrue(value) === (operator === 'or');
  } catch (error) {
    if (!isOurs(error)) throw error;
    return false;
  }
}

/** What `and` and `or` need not look at is not evaluated. */
function binary(operator: string, left: Expr, right: Expr): Expr {
  if (operator === 'or')
    return (scope) => {
      const value = left(scope);
      return isTrue(value) ? value : right(scope);
    };
  if (operator === 'and')
    return (scope) => {
      const value = left(scope);
      return isTrue(value) ? right(scope) : value;
    };
  return (scope) => calculate(operator, left(scope), right(scope));
}

const COMPARISONS: Record<string, (a: Value, b: Value) => boolean> = {
  '==': equals,
  '!=': (a, b) => !equals(a, b),
  '<': (a, b) => compare(a, b) < 0,
  '<=': (a, b) => compare(a, b) <= 0,
  '>': (a, b) => compare(a, b) > 0,
  '>=': (a, b) => compare(a, b) >= 0,
  in: (a, b) => contains(b, a),
  'not in': (a, b) => !contains(b, a),
};

/** `a < b < c` holds where each of its parts does. */
function comparison(first: Expr, rest: [string, Expr][]): Expr {
  const steps = rest.map(([operator, operand]) => [COMPARISONS[operator]!, operand] as const);
  return (scope) => {
    let left = first(scope);
    for (const [holds, operand] of steps) {
      const right = operand(scope);
      if (!holds(left, right)) return false;
      left = right;
    }
    return true;
  };
}

export function compileArguments(args: Arguments, mode: Mode): (scope: Scope) => [Value[], Dict] {
  const positional = args.positional.map((each) => compileExpression(each, mode));
  const named = args.named.map(([name, each]) => [name, compileExpression(each, mode)] as const);
  const rest = args.rest && compileExpression(args.rest, mode);
  const namedRest = args.namedRest && compileExpression(args.namedRest, mode);
  return (scope) => {
    const values = positional.map((each) => each(scope));
    if (rest) values.push(...iterate(rest(scope)));
    if (named.length === 0 && !namedRest) return [values, NONE];
    const keywords: Dict = Object.fromEntries(named.map(([name, each]) => [name, each(scope)]));
    const more = namedRest?.(scope);
    if (namedRest && more === undefined) throw new UndefinedUse('the items of an undefined value');
    if (namedRest && !isDict(more)) return mismatch('argument after ** must be a mapping');
    if (isDict(more))
      for (const [name, value] of entriesOf(more)) {
        if (typeof name !== 'string' || Object.hasOwn(keywords, name))
          return mismatch('keywords must be strings, once');
        Object.defineProperty(keywords, name, { value, enumerable: true, writable: true, configurable: true });
      }
    return [values, keywords];
  };
}

/** Throws TemplateError where there is no such filter; where it may never be reached, once it is used. */
export function compileFilter({ name, args }: FilterCall, mode: Mode): (value: Value, scope: Scope) => Value {
  const given = compileArguments(args, mode);
  if (mode.isSoft && !Object.hasOwn(FILTERS, name))
    return (_value, scope) => {
      given(scope);
      return filterNamed(name) as never; // throws
    };
  const filter = filterNamed(name);
  return (value, scope) => filter(value, ...given(scope));
}

function compileTest(node: Expression & { type: 'test' }, mode: Mode): Expr {
  const operand = compileExpression(node.operand, mode);
  const args = compileArguments(node.args, mode);
  if (mode.isSoft && !Object.hasOwn(TESTS, node.name))
    return (scope) => {
      operand(scope);
      args(scope);
      return testNamed(node.name) as never; // throws
    };
  const test = testNamed(node.name);
  const { negated } = node;
  return (scope) => test(operand(scope), ...args(scope)) !== negated;
}
