/** Which expressions need nothing but themselves. */
import { argumentsOf, children, type Expression } from './syntax.js';

/** Filters that see the context, or chance. */
const FROM_CONTEXT = new Set(['map', 'select', 'reject', 'selectattr', 'rejectattr', 'random']);

export function isConstant(node: Expression): boolean {
  switch (node.type) {
    case 'name':
    case 'call':
      return false;
    case 'filter':
      return !FROM_CONTEXT.has(node.name) && isConstant(node.operand) && argumentsOf(node.args).every(isConstant);
    case 'test':
      return isConstant(node.operand) && argumentsOf(node.args).every(isConstant);
    case 'condition':
      // Undefined is for the run to find.
      return node.no !== undefined && children(node).every(isConstant);
    default:
      return children(node).every(isConstant);
  }
}
