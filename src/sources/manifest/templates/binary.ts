/** Operators with two operands. What `and` and `or` need not look at is not evaluated. */
import { calculate } from './operations.js';
import type { Expr } from './scope.js';
import { compare, contains, equals, isTrue, TemplateError, textOf } from './values.js';

/** Throws TemplateError for an operator that templates do not have. */
export function binaryOf(operator: string, left: Expr, right: Expr): Expr {
  switch (operator) {
    case 'or':
      return (scope) => {
        const value = left(scope);
        return isTrue(value) ? value : right(scope);
      };
    case 'and':
      return (scope) => {
        const value = left(scope);
        return isTrue(value) ? right(scope) : value;
      };
    case '==':
      return (scope) => equals(left(scope), right(scope));
    case '!=':
      return (scope) => !equals(left(scope), right(scope));
    case 'in':
      return (scope) => {
        const item = left(scope);
        return contains(right(scope), item);
      };
    case 'not in':
      return (scope) => {
        const item = left(scope);
        return !contains(right(scope), item);
      };
    case '<':
      return (scope) => compare(left(scope), right(scope)) < 0;
    case '<=':
      return (scope) => compare(left(scope), right(scope)) <= 0;
    case '>':
      return (scope) => compare(left(scope), right(scope)) > 0;
    case '>=':
      return (scope) => compare(left(scope), right(scope)) >= 0;
    case '~':
      return (scope) => textOf(left(scope)) + textOf(right(scope));
    case '+':
    case '-':
    case '*':
    case '/':
    case '//':
    case '%':
    case '**':
      return (scope) => calculate(operator, left(scope), right(scope));
    default:
      throw new TemplateError(`templates have no operator ${operator}`);
  }
}
