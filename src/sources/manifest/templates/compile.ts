/** Turns the syntax tree of a Jinja template into closures. Nothing is looked up that was not put into the context. */
import { parse, tokenize } from '@huggingface/jinja';
import { binaryOf } from './binary.js';
import { PyDelta } from './datetime.js';
import { FILTERS, TESTS, type Filter, type Test } from './filters.js';
import { methodOf, MOST_TEXT } from './methods.js';
import { arithmetic, attributeOf, itemOf, sliceOf } from './operations.js';
import type { Expr, Scope } from './scope.js';
import { normalised } from './source-text.js';
import {
  floatOf,
  isDict,
  isFloat,
  isTrue,
  iterate,
  TemplateError,
  textOf,
  Tuple,
  TypeMismatch,
  typeName,
  UndefinedUse,
  type Callable,
  type Dict,
  type Value,
} from './values.js';

interface Node {
  type: string;
  [field: string]: unknown;
}

export interface CompiledTemplate {
  /** Names that the context must have. */
  free: string[];
  /** The only expression, where there is nothing beside it. */
  single: Expr | undefined;
  render(scope: Scope): string;
}

/** Throws TemplateError where the text is no template that Jinja accepts. */
export function compileTemplate(text: string, globals: Record<string, Callable>): CompiledTemplate {
  let body: Node[];
  try {
    body = (
      parse(tokenize(normalised(text.replace(/\n$/, '')), { lstrip_blocks: false, trim_blocks: false })) as unknown as {
        body: Node[];
      }
    ).body;
  } catch (error) {
    throw new TemplateError((error as Error).message);
  }
  return new Compiler(globals).compile(body);
}

class Compiler {
  private readonly free = new Set<string>();
  /** Names set by the template, innermost scope last. */
  private readonly declared: Set<string>[] = [new Set()];

  constructor(private readonly globals: Record<string, Callable>) {}

  compile(body: Node[]): CompiledTemplate {
    const nodes = body.filter((node) => node.type !== 'Comment');
    const single =
      nodes.length === 1 && !STATEMENTS.has(nodes[0]!.type) && nodes[0]!.type !== 'StringLiteral'
        ? this.expression(nodes[0]!)
        : undefined;
    const block = single ? undefined : this.block(nodes);
    return { free: [...this.free], single, render: single ? (scope) => textOf(single(scope)) : block! };
  }

  private block(nodes: Node[]): (scope: Scope) => string {
    const parts = nodes.map((node) => this.statement(node));
    return (scope) => {
      let out = '';
      for (const part of parts) out += part(scope);
      if (out.length > MOST_TEXT) throw new TemplateError('a template renders to more than it may');
      return out;
    };
  }

  private statement(node: Node): (scope: Scope) => string {
    switch (node.type) {
      case 'Comment':
        return () => '';
      case 'If': {
        const test = this.expression(node['test'] as Node);
        const yes = this.block(node['body'] as Node[]);
        const no = this.block(node['alternate'] as Node[]);
        return (scope) => (isTrue(test(scope)) ? yes(scope) : no(scope));
      }
      case 'For':
        return this.loop(node);
      case 'Set':
        return this.assignment(node);
      case 'FilterStatement': {
        const body = this.block(node['body'] as Node[]);
        const filter = this.filter(node['filter'] as Node);
        return (scope) => textOf(filter(body(scope), scope));
      }
      case 'Break':
      case 'Continue':
      case 'Macro':
      case 'CallStatement':
        throw new TemplateError(`templates have no ${node.type.toLowerCase()}`);
      default: {
        const expression = this.expression(node);
        return (scope) => textOf(expression(scope));
      }
    }
  }

  private loop(node: Node): (scope: Scope) => string {
    const { loopvar, iterable } = node as unknown as { loopvar: Node; iterable: Node };
    const selected = iterable.type === 'SelectExpression' ? iterable : undefined;
    const source = this.expression((selected ? selected['lhs'] : iterable) as Node);
    const names =
      loopvar.type === 'Identifier'
        ? [loopvar['value'] as string]
        : (loopvar['value'] as Node[]).map((each) => each['value'] as string);
    this.declared.push(new Set([...names, 'loop']));
    const condition = selected ? this.expression(selected['test'] as Node) : undefined;
    const body = this.block(node['body'] as Node[]);
    this.declared.pop();
    const otherwise = this.block(node['defaultBlock'] as Node[]);
    const bind = (own: Dict, item: Value): Dict => {
      if (loopvar.type === 'Identifier') return { ...own, [names[0]!]: item };
      const parts = iterate(item);
      return { ...own, ...Object.fromEntries(names.map((name, i) => [name, parts[i]])) };
    };
    return (scope) => {
      let items = iterate(source(scope));
      if (condition) items = items.filter((item) => isTrue(condition({ ...scope, own: bind(scope.own, item) })));
      if (items.length === 0) return otherwise(scope);
      let out = '';
      for (const [index, item] of items.entries()) {
        const own = bind(scope.own, item);
        own['loop'] = {
          index: index + 1,
          index0: index,
          first: index === 0,
          last: index === items.length - 1,
          length: items.length,
          revindex: items.length - index,
          revindex0: items.length - index - 1,
        };
        out += body({ ...scope, own });
        if (out.length > MOST_TEXT) throw new TemplateError('a template renders to more than it may');
      }
      return out;
    };
  }

  private assignment(node: Node): (scope: Scope) => string {
    const { assignee } = node as unknown as { assignee: Node };
    const body = node['value'] ? undefined : this.block(node['body'] as Node[]);
    const value: Expr = body ?? this.expression(node['value'] as Node);
    if (assignee.type === 'MemberExpression') {
      const object = this.expression(assignee['object'] as Node);
      const key = (assignee['property'] as Node)['value'] as string;
      return (scope) => {
        const target = object(scope);
        // Only what the template made itself, by namespace(), may be written to.
        if (!isDict(target) || Object.values(scope.context).includes(target))
          throw new TemplateError('only attributes of a namespace can be set');
        Object.defineProperty(target, key, {
          value: value(scope),
          enumerable: true,
          writable: true,
          configurable: true,
        });
        return '';
      };
    }
    const names =
      assignee.type === 'Identifier'
        ? [assignee['value'] as string]
        : (assignee['value'] as Node[]).map((each) => each['value'] as string);
    for (const name of names) this.declared.at(-1)!.add(name);
    return (scope) => {
      const found = value(scope);
      if (assignee.type === 'Identifier') scope.own[names[0]!] = found;
      else for (const [i, name] of names.entries()) scope.own[name] = iterate(found)[i];
      return '';
    };
  }

  private expression(node: Node): Expr {
    switch (node.type) {
      case 'StringLiteral':
      case 'IntegerLiteral': {
        const value = node['value'] as Value;
        return () => value;
      }
      case 'FloatLiteral': {
        const value = floatOf(node['value'] as number);
        return () => value;
      }
      case 'ArrayLiteral': {
        const items = (node['value'] as Node[]).map((item) => this.expression(item));
        return (scope) => items.map((item) => item(scope));
      }
      case 'TupleLiteral': {
        const items = (node['value'] as Node[]).map((item) => this.expression(item));
        return (scope) => Tuple.from(items.map((item) => item(scope)));
      }
      case 'ObjectLiteral': {
        const entries = [...(node['value'] as Map<Node, Node>)].map(
          ([key, value]) => [this.expression(key), this.expression(value)] as const,
        );
        return (scope) => {
          const dict: Dict = {};
          for (const [key, value] of entries)
            Object.defineProperty(dict, textOf(key(scope)), {
              value: value(scope),
              enumerable: true,
              writable: true,
              configurable: true,
            });
          return dict;
        };
      }
      case 'Identifier':
        return this.name(node['value'] as string);
      case 'MemberExpression':
        return this.member(node);
      case 'CallExpression':
        return this.call(node);
      case 'FilterExpression': {
        const operand = this.expression(node['operand'] as Node);
        const filter = this.filter(node['filter'] as Node);
        return (scope) => filter(operand(scope), scope);
      }
      case 'TestExpression':
        return this.test(node);
      case 'UnaryExpression':
        return this.unary(node);
      case 'BinaryExpression':
        return this.binary(node);
      case 'Ternary': {
        const [condition, yes, no] = [node['condition'], node['trueExpr'], node['falseExpr']].map((each) =>
          this.expression(each as Node),
        ) as [Expr, Expr, Expr];
        return (scope) => (isTrue(condition(scope)) ? yes(scope) : no(scope));
      }
      case 'SelectExpression': {
        const [value, condition] = [node['lhs'], node['test']].map((each) => this.expression(each as Node)) as [
          Expr,
          Expr,
        ];
        return (scope) => (isTrue(condition(scope)) ? value(scope) : undefined);
      }
      default:
        throw new TemplateError(`templates have no ${node.type}`);
    }
  }

  private name(name: string): Expr {
    switch (name) {
      case 'true':
      case 'True':
        return () => true;
      case 'false':
      case 'False':
        return () => false;
      case 'none':
      case 'None':
        return () => null;
      // The template itself, of which nothing is known.
      case 'self':
        return () => ({});
      default:
    }
    if (this.declared.some((names) => names.has(name))) {
      return (scope) =>
        Object.hasOwn(scope.own, name)
          ? scope.own[name]
          : Object.hasOwn(scope.context, name)
            ? scope.context[name]
            : undefined;
    }
    if (Object.hasOwn(this.globals, name))
      return (scope) => (Object.hasOwn(scope.context, name) ? scope.context[name] : scope.globals[name]);
    this.free.add(name);
    return (scope) => scope.context[name];
  }

  private member(node: Node): Expr {
    const object = this.expression(node['object'] as Node);
    const property = node['property'] as Node;
    if (!node['computed']) {
      const name = property['value'] as string;
      return (scope) => attributeOf(object(scope), name);
    }
    if (property.type === 'SliceExpression') {
      const [start, stop, step] = [property['start'], property['stop'], property['step']].map((each) =>
        each ? this.expression(each as Node) : undefined,
      );
      return (scope) => sliceOf(object(scope), start?.(scope), stop?.(scope), step?.(scope));
    }
    const key = this.expression(property);
    return (scope) => itemOf(object(scope), key(scope));
  }

  private call(node: Node): Expr {
    const callee = node['callee'] as Node;
    const args = this.args(node['args'] as Node[]);
    if (callee.type === 'MemberExpression' && !callee['computed']) {
      const object = this.expression(callee['object'] as Node);
      const name = (callee['property'] as Node)['value'] as string;
      return (scope) => {
        const self = object(scope);
        if (self === undefined) throw new UndefinedUse(`'${name}' of an undefined value`);
        const method = methodOf(self, name) ?? attributeOf(self, name);
        return invoke(method, name, ...args(scope));
      };
    }
    const found = this.expression(callee);
    return (scope) => invoke(found(scope), String(callee['value'] ?? 'value'), ...args(scope));
  }

  private args(nodes: Node[]): (scope: Scope) => [Value[], Dict] {
    if (nodes.some((node) => /Spread/.test(node.type))) throw new TemplateError('templates have no * or ** in calls');
    const positional = nodes
      .filter((node) => node.type !== 'KeywordArgumentExpression')
      .map((node) => this.expression(node));
    const named = nodes
      .filter((node) => node.type === 'KeywordArgumentExpression')
      .map((node) => [(node['key'] as Node)['value'] as string, this.expression(node['value'] as Node)] as const);
    return (scope) => [
      positional.map((arg) => arg(scope)),
      named.length === 0 ? NONE : Object.fromEntries(named.map(([key, value]) => [key, value(scope)])),
    ];
  }

  private filter(node: Node): (value: Value, scope: Scope) => Value {
    const isCall = node.type === 'CallExpression';
    const name = (isCall ? (node['callee'] as Node) : node)['value'] as string;
    const filter: Filter | undefined = Object.hasOwn(FILTERS, name) ? FILTERS[name] : undefined;
    if (!filter) throw new TemplateError(`No filter named '${name}'.`);
    const args = this.args(isCall ? (node['args'] as Node[]) : []);
    return (value, scope) => filter(value, ...args(scope), itemOf);
  }

  private test(node: Node): Expr {
    const operand = this.expression(node['operand'] as Node);
    const test = node['test'] as Node;
    const isCall = test.type === 'CallExpression';
    const name = String((isCall ? (test['callee'] as Node) : test)['value']);
    const found: Test | undefined = Object.hasOwn(TESTS, name) ? TESTS[name] : undefined;
    if (!found) throw new TemplateError(`No test named '${name}'.`);
    const args = this.args(isCall ? (test['args'] as Node[]) : []);
    const negate = node['negate'] === true;
    return (scope) => found(operand(scope), args(scope)[0]) !== negate;
  }

  private unary(node: Node): Expr {
    const argument = this.expression(node['argument'] as Node);
    const operator = (node['operator'] as { value: string }).value;
    if (operator === 'not') return (scope) => !isTrue(argument(scope));
    const sign = operator === '-' ? -1 : 1;
    return (scope) => {
      const value = argument(scope);
      if (value instanceof PyDelta) return new PyDelta(sign * value.micros, sign * value.months);
      const number = arithmetic(value);
      return isFloat(value) ? floatOf(sign * number) : sign * number + 0;
    };
  }

  private binary(node: Node): Expr {
    const left = this.expression(node['left'] as Node);
    const right = this.expression(node['right'] as Node);
    const operator = (node['operator'] as { value: string }).value;
    return binaryOf(operator, left, right);
  }
}

const NONE: Dict = Object.freeze({});
const STATEMENTS = new Set(['If', 'For', 'Set', 'FilterStatement', 'Break', 'Continue', 'Macro', 'CallStatement']);

function invoke(callable: Value, name: string, args: Value[], named: Dict): Value {
  if (callable === undefined) throw new UndefinedUse(`'${name}' is undefined`);
  if (typeof callable !== 'function') throw new TypeMismatch(`'${typeName(callable)}' object is not callable`);
  return callable(args, named);
}
