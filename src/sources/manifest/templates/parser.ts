/** Statements of a template, by Jinja's grammar; extensions of it are not part of the language. */
import { ExpressionParser } from './expression-parser.js';
import { tokensOf } from './lexer.js';
import type { Expression, FilterCall, MacroParts, Statement, Target } from './syntax.js';
import { TemplateError } from './values.js';

/** Throws TemplateError where the text is no template that Jinja accepts. */
export function parseTemplate(source: string): Statement[] {
  return new Parser(tokensOf(source)).template();
}

const MOST_NESTED = 60;

class Parser extends ExpressionParser {
  private nested = 0;
  private readonly blocks = new Set<string>();

  template(): Statement[] {
    const body = this.statements([]);
    if (!this.is('end')) throw new TemplateError(`unexpected tag '${this.tokens[this.at + 1]?.text}'`);
    return body;
  }

  /** Up to a block whose tag is one of `ends`, which is left to the caller; its tag is the current token. */
  private statements(ends: string[]): Statement[] {
    if (++this.nested > MOST_NESTED) throw new TemplateError('a template nests too deeply');
    const found: Statement[] = [];
    for (;;) {
      if (this.is('data')) found.push({ type: 'text', text: this.expect('data') });
      else if (this.skip('variable_begin')) {
        found.push({ type: 'output', expressions: [this.tuple()] });
        this.expect('variable_end');
      } else if (this.skip('block_begin')) {
        if (this.token.kind === 'name' && ends.includes(this.token.text)) break;
        const statement = this.statement();
        this.expect('block_end');
        found.push(statement);
      } else if (ends.length > 0) throw new TemplateError(`unexpected end of template, expected ${ends.join(' or ')}`);
      else break;
    }
    this.nested--;
    return found;
  }

  /** A block's own statements, from the end of its tag to its closing one. */
  private body(...ends: string[]): Statement[] {
    this.skip('operator', ':');
    this.expect('block_end');
    return this.statements(ends);
  }

  private closed(end: string): Statement[] {
    const body = this.body(end);
    this.at++;
    return body;
  }

  private statement(): Statement {
    const tag = this.expect('name');
    switch (tag) {
      case 'if':
        return this.conditional_();
      case 'for':
        return this.loop();
      case 'set':
        return this.assignment();
      case 'print':
        return this.printed();
      case 'with':
        return this.scoped();
      case 'filter':
        return { type: 'filter-block', filters: this.filterChain(true), body: this.closed('endfilter') };
      case 'macro':
        return { type: 'macro', name: this.assigned(), ...this.signature(true), body: this.closed('endmacro') };
      case 'call':
        return this.callBlock();
      case 'block':
        return this.block();
      case 'include':
      case 'import':
      case 'from':
      case 'extends':
        return this.loaded();
      default:
        throw new TemplateError(`Encountered unknown tag '${tag}'.`);
    }
  }

  private conditional_(): Statement {
    const branches: [Expression, Statement[]][] = [];
    let otherwise: Statement[] = [];
    for (;;) {
      const test = this.tuple(false, [], false);
      branches.push([test, this.body('elif', 'else', 'endif')]);
      const tag = this.expect('name');
      if (tag === 'elif') continue;
      if (tag === 'else') otherwise = this.closed('endif');
      return { type: 'if', branches, otherwise };
    }
  }

  private loop(): Statement {
    const target = this.target(['in']);
    this.expect('name', 'in');
    const source = this.tuple(false, ['recursive'], false);
    const test = this.skip('name', 'if') ? this.expression() : undefined;
    const isRecursive = this.skip('name', 'recursive');
    const body = this.body('endfor', 'else');
    const otherwise = this.expect('name') === 'endfor' ? [] : this.closed('endfor');
    return { type: 'for', target, source, test, isRecursive, body, otherwise };
  }

  private assignment(): Statement {
    const target = this.target(['='], true);
    if (this.skip('operator', '=')) return { type: 'set', target, value: this.tuple() };
    return { type: 'set-block', target, filters: this.filterChain(false), body: this.closed('endset') };
  }

  /** Names, with commas between them or in parentheses; `ns.x` where a namespace may be written to. */
  private target(ends: string[], withNamespace = false): Target {
    if (withNamespace && this.tokens[this.at + 1]?.text === '.' && this.is('name')) {
      const name = this.expect('name');
      this.at++;
      return { type: 'namespace', name, attribute: this.expect('name') };
    }
    const items: Target[] = [];
    let isTuple = false;
    for (;;) {
      if (items.length > 0) this.expect('operator', ',');
      if (items.length > 0 && (ends.includes(this.token.text) || this.is('operator', ')') || this.is('block_end')))
        break;
      if (this.skip('operator', '(')) {
        items.push(this.target([')']));
        this.expect('operator', ')');
      } else items.push({ type: 'name', name: this.assigned() });
      if (!this.is('operator', ',')) break;
      isTuple = true;
    }
    return isTuple ? { type: 'tuple', items } : items[0]!;
  }

  private assigned(): string {
    const name = this.expect('name');
    if (['true', 'false', 'none', 'True', 'False', 'None'].includes(name))
      throw new TemplateError(`can't assign to '${name}'`);
    return name;
  }

  private printed(): Statement {
    const expressions: Expression[] = [];
    while (!this.is('block_end')) {
      if (expressions.length > 0) this.expect('operator', ',');
      expressions.push(this.expression());
    }
    return { type: 'output', expressions };
  }

  private scoped(): Statement {
    const targets: Target[] = [];
    const values: Expression[] = [];
    while (!this.is('block_end')) {
      if (targets.length > 0) this.expect('operator', ',');
      targets.push({ type: 'name', name: this.assigned() });
      this.expect('operator', '=');
      values.push(this.expression());
    }
    return { type: 'with', targets, values, body: this.closed('endwith') };
  }

  /** `{% filter a | b %}`, or what follows the name of `{% set x | a %}`. */
  private filterChain(isInline: boolean): FilterCall[] {
    const filters: FilterCall[] = [];
    while ((isInline && filters.length === 0) || this.skip('operator', '|')) filters.push(this.filterCall());
    return filters;
  }

  private signature(isNeeded: boolean): Omit<MacroParts, 'body'> {
    const parameters: string[] = [];
    const defaults: Expression[] = [];
    if (!isNeeded && !this.is('operator', '(')) return { parameters, defaults };
    this.expect('operator', '(');
    while (!this.is('operator', ')')) {
      if (parameters.length > 0) this.expect('operator', ',');
      parameters.push(this.assigned());
      if (this.skip('operator', '=')) defaults.push(this.expression());
      else if (defaults.length > 0) throw new TemplateError('non-default argument follows default argument');
    }
    this.expect('operator', ')');
    return { parameters, defaults };
  }

  private callBlock(): Statement {
    const signature = this.signature(false);
    const call = this.expression();
    if (call.type !== 'call') throw new TemplateError('expected call');
    return { type: 'call-block', call, ...signature, body: this.closed('endcall') };
  }

  private block(): Statement {
    const name = this.expect('name');
    if (this.blocks.has(name)) throw new TemplateError(`block '${name}' defined twice`);
    this.blocks.add(name);
    while (this.skip('name', 'scoped') || this.skip('name', 'required'));
    const body = this.body('endblock');
    this.at++;
    this.skip('name', name);
    return { type: 'block', name, body };
  }

  private loaded(): Statement {
    const template = this.expression();
    while (!this.is('block_end') && !this.is('end')) this.at++;
    return { type: 'loader', template };
  }
}
