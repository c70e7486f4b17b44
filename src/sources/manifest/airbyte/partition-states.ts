/**
 * What is known of each partition of a stream, told as Airbyte's states tell it. Past so many of them one cursor has to do
 * for all, as in Airbyte.
 */
import { newer } from '../../../ledger/ledger.js';
import { isObject, type JsonObject } from '../document/read.js';
import type { Interval } from '../runtime/interval.js';
import { keyOf, type PartitionCursor } from './partition-cursors.js';

const MOST_PARTITIONS = 10_000;

interface Part {
  partition: unknown;
  /** Its newest row, seconds. */
  newest: number | undefined;
  /** Read to its end, in this run or before. */
  isRead: boolean;
  /** In the state that was given, where it is not read to its end now. */
  before?: number | undefined;
}

export class PartitionStates {
  private readonly parts = new Map<string, Part>();
  private isGlobal = false;
  private hadRows = false;

  constructor(private readonly interval: Interval) {
    interval.noted = (fields, newest, isLast) => this.note(fields, newest, isLast);
  }

  /** `known`: cursors of the state's partitions; `cursor`: its cursor for all others. */
  goOn(state: JsonObject, known: PartitionCursor | undefined, cursor: number | undefined): void {
    this.hadRows = cursor !== undefined;
    if (state['use_global_cursor'] === true || (!known && !Array.isArray(state['states']))) {
      this.isGlobal = cursor !== undefined;
      return;
    }
    const { interval } = this;
    for (const part of Array.isArray(state['states']) ? state['states'] : []) {
      const at = isObject(part) && isObject(part['partition']) ? known?.(part['partition']) : undefined;
      if (at === undefined) continue;
      const { partition } = part as JsonObject;
      this.parts.set(keyOf(partition), { partition, newest: at, isRead: true, before: at });
    }
    // Who has neither a cursor of its own nor one for all begins at the start.
    interval.known = (fields) => known?.(fields) ?? (cursor === undefined ? interval.start() : undefined);
  }

  private note(partition: Record<string, unknown>, newest: number | undefined, isLast: boolean): void {
    if (this.isGlobal) return;
    const key = keyOf(partition);
    const part = this.parts.get(key) ?? { partition, newest: undefined, isRead: false };
    part.newest = newer(part.newest, newest);
    part.isRead ||= isLast;
    this.hadRows ||= newest !== undefined;
    this.parts.set(key, part);
    if (this.parts.size <= MOST_PARTITIONS) return;
    this.isGlobal = true;
    this.parts.clear();
  }

  /** Undefined where one cursor counts for all. `isComplete`: everything that was noted is committed. */
  states(isComplete: boolean): { states: unknown[]; hasRows: boolean } | undefined {
    if (this.isGlobal) return undefined;
    const { interval } = this;
    const states = [...this.parts.values()].flatMap(({ partition, newest, isRead, before }) => {
      const at = isComplete && isRead ? (newest ?? interval.start()) : before;
      return at === undefined ? [] : [{ partition, cursor: { [interval.field]: interval.format(at) } }];
    });
    return { states, hasRows: this.hadRows };
  }
}
