/** `for`: its scope, its `loop`, and loops that call themselves. */
import { equals } from './comparison.js';
import { compileExpression } from './expressions.js';
import { bounded } from './limits.js';
import { within, type Render, type Scope } from './scope.js';
import type { Statement, Target } from './syntax.js';
import { Attributes, failed, isTrue, iterate, mismatch, type Callable, type Value } from './values.js';

interface Parts {
  assign(target: Target, value: Value, scope: Scope): void;
  compileBody(nodes: Statement[], isSoft: boolean): Render;
  isSoft: boolean;
}

export function compileLoop(node: Statement & { type: 'for' }, { assign, compileBody, isSoft }: Parts): Render {
  const source = compileExpression(node.source, { isSoft });
  const test = node.test && compileExpression(node.test, { isSoft });
  const body = compileBody(node.body, isSoft);
  const otherwise = compileBody(node.otherwise, isSoft);
  const run = (given: Value, scope: Scope, depth: number): string => {
    if (depth > 200) return failed('maximum recursion depth exceeded');
    const items = iterate(given).filter((item) => {
      if (!test) return true;
      const inner = within(scope);
      assign(node.target, item, inner);
      return isTrue(test(inner));
    });
    if (items.length === 0) return otherwise(within(scope));
    let out = '';
    const seen: { last?: Value[] } = {};
    for (const index of items.keys()) {
      const inner = within(scope);
      assign(node.target, items[index], inner);
      const again: Callable | undefined = node.isRecursive
        ? ([next]) => run(next, scope, depth + 1)
        : () => mismatch("The loop must have the 'recursive' marker to be called recursively.");
      inner.frame.set('loop', loopOf(items, index, depth, again, seen));
      out += body(inner);
      bounded(out.length);
    }
    return out;
  };
  return (scope) => run(source(scope), scope, 0);
}

function loopOf(items: Value[], index: number, depth: number, call: Callable, seen: { last?: Value[] }): Attributes {
  const { length } = items;
  return new Attributes(
    () => `<LoopContext ${index + 1}/${length}>`,
    (name) => {
      switch (name) {
        case 'index':
          return index + 1;
        case 'index0':
          return index;
        case 'revindex':
          return length - index;
        case 'revindex0':
          return length - index - 1;
        case 'first':
          return index === 0;
        case 'last':
          return index === length - 1;
        case 'length':
          return length;
        case 'depth':
          return depth + 1;
        case 'depth0':
          return depth;
        case 'previtem':
          return items[index - 1];
        case 'nextitem':
          return items[index + 1];
        case 'cycle':
          return (args: Value[]) =>
            args.length === 0 ? mismatch('no items for cycling given') : args[index % args.length];
        case 'changed':
          return (args: Value[]) => {
            const isSame = seen.last !== undefined && equals(seen.last, args);
            seen.last = args;
            return !isSame;
          };
        default:
          return undefined;
      }
    },
    call,
  );
}
