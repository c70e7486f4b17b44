/**
 * Pages of which a part was read before something failed: a row that cannot be transformed, a next page whose template
 * cannot be evaluated, a file that does not come. What was read is stored; then the failure is thrown.
 */
import type { DataRecord } from '../../../base/catalog.js';
import { stringifyJson } from '../../../base/json.js';
import { hashString } from '../../../base/random.js';
import type { PageRequest } from '../../contract.js';
import type { PageOutput } from './retriever.js';

/** Where a walk stands: at a page of which so many rows were stored, which were these. */
interface HalfWalk {
  f?: readonly [rows: number, hash: number] | undefined;
}

type Place = Pick<PageRequest, 'slice' | 'cursor'>;

export class HalfPages {
  private readonly failures = new Map<string, unknown>();

  /** Throws what the page failed with, where it was asked for before. A process that goes on later asks again. */
  rethrow(place: Place): void {
    const key = keyOf(place);
    if (!this.failures.has(key)) return;
    const failure = this.failures.get(key);
    this.failures.delete(key);
    throw failure;
  }

  /** Where a walk stands after half a page. Throws where nothing came that had not come before. */
  standing<W extends HalfWalk>({ records, failure }: PageOutput, walk: W, { slice }: Place): string {
    if (isStored(records, walk, records.length)) throw failure;
    const cursor = stringifyJson({ ...walk, f: [records.length, markOf(records)] });
    this.failures.set(keyOf({ slice, cursor } as Place), failure);
    return cursor;
  }

  /** The page without the rows that were stored when it failed before, where it begins with the same ones. */
  unstored<O extends PageOutput>(output: O, walk: HalfWalk): O {
    const rows = walk.f?.[0] ?? 0;
    if (rows === 0 || !isStored(output.records, walk, rows)) return output;
    return { ...output, records: output.records.slice(rows) };
  }
}

const isStored = (records: DataRecord[], { f }: HalfWalk, rows: number): boolean =>
  f !== undefined && f[0] === rows && f[1] === markOf(records.slice(0, rows));

const markOf = (records: DataRecord[]): number => hashString(stringifyJson(records));

const keyOf = ({ slice, cursor }: Place): string => `${slice ?? ''}\u0001${cursor ?? ''}`;
