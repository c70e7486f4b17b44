/** Expressions of a template, by Jinja's grammar. */
import type { Token, TokenKind } from './lexer.js';
import type { Arguments, Expression, FilterCall } from './syntax.js';
import { TemplateError } from './values.js';

const CONSTANTS: Record<string, boolean | null> = {
  true: true,
  True: true,
  false: false,
  False: false,
  none: null,
  None: null,
};
const COMPARISONS = new Set(['==', '!=', '<', '<=', '>', '>=']);
const MOST_DEPTH = 200;

export class ExpressionParser {
  protected at = 0;
  private depth = 0;

  constructor(protected readonly tokens: Token[]) {}

  protected get token(): Token {
    return this.tokens[this.at]!;
  }

  protected is(kind: TokenKind, text?: string): boolean {
    return this.token.kind === kind && (text === undefined || this.token.text === text);
  }

  protected skip(kind: TokenKind, text?: string): boolean {
    if (!this.is(kind, text)) return false;
    this.at++;
    return true;
  }

  protected expect(kind: TokenKind, text?: string): string {
    const { token } = this;
    if (!this.skip(kind, text))
      throw new TemplateError(`expected ${text ?? kind}, found ${token.text === '' ? token.kind : token.text}`);
    return token.text;
  }

  /** An expression with `x if y else z`. */
  expression(withCondition = true): Expression {
    if (++this.depth > MOST_DEPTH) throw new TemplateError('a template nests too deeply');
    try {
      return withCondition ? this.conditional() : this.or();
    } finally {
      this.depth--;
    }
  }

  private conditional(): Expression {
    let first = this.or();
    while (this.skip('name', 'if')) {
      const test = this.or();
      const no = this.skip('name', 'else') ? this.conditional() : undefined;
      first = { type: 'condition', test, yes: first, no };
    }
    return first;
  }

  private leftward(operators: string[], next: () => Expression, kind: TokenKind = 'operator'): Expression {
    let left = next();
    while (this.token.kind === kind && operators.includes(this.token.text)) {
      const operator = this.token.text;
      this.at++;
      left = { type: 'binary', operator, left, right: next() };
    }
    return left;
  }

  private or(): Expression {
    return this.leftward(['or'], () => this.leftward(['and'], () => this.not(), 'name'), 'name');
  }

  private not(): Expression {
    return this.skip('name', 'not') ? { type: 'not', operand: this.not() } : this.comparison();
  }

  private comparison(): Expression {
    const first = this.sum();
    const rest: [string, Expression][] = [];
    for (;;) {
      const next = this.tokens[this.at + 1];
      if (this.token.kind === 'operator' && COMPARISONS.has(this.token.text)) {
        const operator = this.token.text;
        this.at++;
        rest.push([operator, this.sum()]);
      } else if (this.skip('name', 'in')) rest.push(['in', this.sum()]);
      else if (this.is('name', 'not') && next?.kind === 'name' && next.text === 'in') {
        this.at += 2;
        rest.push(['not in', this.sum()]);
      } else return rest.length === 0 ? first : { type: 'compare', first, rest };
    }
  }

  private sum(): Expression {
    return this.leftward(['+', '-'], () => this.concatenation());
  }

  private concatenation(): Expression {
    const product = () => this.leftward(['*', '/', '//', '%'], () => this.leftward(['**'], () => this.unary()));
    const parts = [product()];
    while (this.skip('operator', '~')) parts.push(product());
    return parts.length === 1 ? parts[0]! : { type: 'concat', parts };
  }

  private unary(withFilters = true): Expression {
    if (++this.depth > MOST_DEPTH) throw new TemplateError('a template nests too deeply');
    let node: Expression;
    if (this.skip('operator', '-')) node = { type: 'negative', operand: this.unary(false) };
    else if (this.skip('operator', '+')) node = { type: 'positive', operand: this.unary(false) };
    else node = this.primary();
    node = this.postfix(node);
    if (withFilters) node = this.filtered(node);
    this.depth--;
    return node;
  }

  protected primary(): Expression {
    const { kind, text } = this.token;
    switch (kind) {
      case 'name':
        this.at++;
        return Object.hasOwn(CONSTANTS, text)
          ? { type: 'constant', value: CONSTANTS[text]! }
          : { type: 'name', name: text };
      case 'string': {
        let value = '';
        while (this.is('string')) value += this.expect('string');
        return { type: 'constant', value };
      }
      case 'integer': {
        this.at++;
        const exact = BigInt(text.replaceAll('_', ''));
        const number = Number(exact);
        return { type: 'constant', value: Number.isSafeInteger(number) ? number : exact };
      }
      case 'float':
        this.at++;
        return { type: 'float', value: Number(text.replaceAll('_', '')) };
      case 'operator':
        if (this.skip('operator', '(')) {
          const tuple = this.tuple(true, [')']);
          this.expect('operator', ')');
          return tuple;
        }
        if (this.skip('operator', '[')) return { type: 'list', items: this.separated(']', () => this.expression()) };
        if (this.skip('operator', '{'))
          return {
            type: 'dict',
            entries: this.separated('}', (): [Expression, Expression] => {
              const key = this.expression();
              this.expect('operator', ':');
              return [key, this.expression()];
            }),
          };
        break;
      default:
    }
    throw new TemplateError(`unexpected '${text === '' ? kind : text}'`);
  }

  private separated<T>(close: string, item: () => T): T[] {
    const items: T[] = [];
    while (!this.is('operator', close)) {
      if (items.length > 0) this.expect('operator', ',');
      if (this.is('operator', close)) break;
      items.push(item());
    }
    this.expect('operator', close);
    return items;
  }

  /** One expression, or several with commas between them. */
  protected tuple(isExplicit = false, ends: string[] = [], withCondition = true): Expression {
    const items: Expression[] = [];
    let isTuple = false;
    for (;;) {
      if (items.length > 0) this.expect('operator', ',');
      if (this.endsTuple(ends)) break;
      items.push(this.expression(withCondition));
      if (!this.is('operator', ',')) break;
      isTuple = true;
    }
    if (!isTuple) {
      if (items.length > 0) return items[0]!;
      if (!isExplicit) throw new TemplateError('an expression is missing');
    }
    return { type: 'tuple', items };
  }

  private endsTuple(ends: string[]): boolean {
    const { kind, text } = this.token;
    return (
      kind === 'variable_end' ||
      kind === 'block_end' ||
      (kind === 'operator' && (text === ')' || ends.includes(text))) ||
      (kind === 'name' && ends.includes(text))
    );
  }

  protected postfix(from: Expression): Expression {
    let node = from;
    for (;;) {
      if (this.is('operator', '.') || this.is('operator', '[')) node = this.subscript(node);
      else if (this.is('operator', '(')) node = { type: 'call', callee: node, args: this.args() };
      else return node;
    }
  }

  private filtered(from: Expression): Expression {
    let node = from;
    for (;;) {
      if (this.is('operator', '|')) node = this.filters(node);
      else if (this.skip('name', 'is')) node = this.test(node);
      else if (this.is('operator', '(')) node = { type: 'call', callee: node, args: this.args() };
      else return node;
    }
  }

  private filters(operand: Expression): Expression {
    this.expect('operator', '|');
    const { name, args } = this.filterCall();
    return { type: 'filter', operand, name, args };
  }

  protected filterCall(): FilterCall {
    let name = this.expect('name');
    while (this.skip('operator', '.')) name += `.${this.expect('name')}`;
    return { name, args: this.is('operator', '(') ? this.args() : { positional: [], named: [] } };
  }

  private test(operand: Expression): Expression {
    const negated = this.skip('name', 'not');
    let name = this.expect('name');
    while (this.skip('operator', '.')) name += `.${this.expect('name')}`;
    let args: Arguments = { positional: [], named: [] };
    if (this.is('operator', '(')) args = this.args();
    else if (this.beginsArgument()) {
      if (this.is('name', 'is')) throw new TemplateError('You cannot chain multiple tests with is');
      args = { positional: [this.postfix(this.primary())], named: [] };
    }
    return { type: 'test', operand, name, args, negated };
  }

  private beginsArgument(): boolean {
    const { kind, text } = this.token;
    if (kind === 'operator') return text === '[' || text === '{';
    if (kind === 'name') return !['else', 'or', 'and'].includes(text);
    return kind === 'string' || kind === 'integer' || kind === 'float';
  }

  private subscript(object: Expression): Expression {
    if (this.skip('operator', '.')) {
      if (this.is('name')) return { type: 'attribute', object, name: this.expect('name') };
      const digits = this.expect('integer');
      return { type: 'item', object, key: { type: 'constant', value: Number(digits.replaceAll('_', '')) } };
    }
    this.expect('operator', '[');
    const parts: Expression[] = [];
    while (!this.is('operator', ']')) {
      if (parts.length > 0) this.expect('operator', ',');
      const part = this.subscribed(object);
      if (part.type === 'slice' && part.object === object && this.skip('operator', ']')) return part;
      parts.push(part);
    }
    this.expect('operator', ']');
    return { type: 'item', object, key: parts.length === 1 ? parts[0]! : { type: 'tuple', items: parts } };
  }

  private subscribed(object: Expression): Expression {
    const part = () =>
      this.is('operator', ':') || this.is('operator', ']') || this.is('operator', ',') ? undefined : this.expression();
    const start = part();
    if (!this.skip('operator', ':')) {
      if (start === undefined) throw new TemplateError("unexpected ']'");
      return start;
    }
    const stop = part();
    const step = this.skip('operator', ':') ? part() : undefined;
    return {
      type: 'slice',
      object,
      ...(start === undefined ? {} : { start }),
      ...(stop === undefined ? {} : { stop }),
      ...(step === undefined ? {} : { step }),
    };
  }

  protected args(): Arguments {
    this.expect('operator', '(');
    const args: Arguments = { positional: [], named: [] };
    let isFirst = true;
    while (!this.is('operator', ')')) {
      if (!isFirst) {
        this.expect('operator', ',');
        if (this.is('operator', ')')) break;
      }
      isFirst = false;
      this.argument(args);
    }
    this.expect('operator', ')');
    return args;
  }

  private argument(args: Arguments): void {
    const wrong = () => {
      throw new TemplateError('invalid syntax for function call expression');
    };
    const next = this.tokens[this.at + 1];
    if (this.skip('operator', '*')) {
      if (args.rest || args.namedRest) wrong();
      args.rest = this.expression();
    } else if (this.skip('operator', '**')) {
      if (args.namedRest) wrong();
      args.namedRest = this.expression();
    } else if (this.is('name') && next?.kind === 'operator' && next.text === '=') {
      if (args.namedRest) wrong();
      const name = this.expect('name');
      this.at++;
      args.named.push([name, this.expression()]);
    } else {
      if (args.rest || args.namedRest || args.named.length > 0) wrong();
      args.positional.push(this.expression());
    }
  }
}
