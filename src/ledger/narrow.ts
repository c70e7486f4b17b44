/** A ledger whose stream begins later, or ends earlier, than what was begun of it. */
import type { Ledger, Range, Span } from './ledger.js';

/**
 * The part of a ledger within `span`; undefined where nothing of it is. What lies outside is not asked for any more,
 * and must not count as read: it is no part of the new span, so that it is opened when the span reaches there again.
 */
export function narrowed(ledger: Ledger, span: Span, unit: number): Ledger | undefined {
  const within = { gte: Math.max(span.gte, ledger.span.gte), lt: Math.min(span.lt, ledger.span.lt) };
  if (within.gte >= within.lt) return undefined;
  const ranges = new Map<number, Range>();
  for (const range of ledger.ranges.values()) {
    const part = partOf(range, within, unit);
    if (part) ranges.set(range.id, part);
  }
  const [first] = ranges.values();
  const { nextId } = ledger;
  if (!first || ranges.has(nextId - 1)) return { ...ledger, span: within, ranges };
  // The highest id stays taken: slices are named by the range that opened them.
  ranges.delete(first.id);
  ranges.set(nextId, { ...first, id: nextId });
  return { span: within, nextId: nextId + 1, ranges };
}

function partOf(range: Range, { gte, lt }: Span, unit: number): Range | undefined {
  if (range.lt <= gte || range.gte >= lt) return undefined;
  if (range.gte >= gte && range.lt <= lt) return range;
  const part = { ...range, gte: Math.max(range.gte, gte), lt: Math.min(range.lt, lt) };
  if (!range.open) return part;
  // Every row above its top is committed.
  if (part.top < part.gte) return { ...part, open: false, top: part.gte, cursor: null };
  if (part.top < part.lt) return part;
  return { ...part, top: part.lt - unit, cursor: null, filter: { ...range.filter, lt: part.lt } };
}
