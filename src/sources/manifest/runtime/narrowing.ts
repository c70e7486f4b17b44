/** What is asked for at once, where an API says that it was too much: smaller pages, shorter windows. */
import type { Clock } from '../../../base/clock.js';
import { ConfigError, SkippableError, type ErrorDetail } from '../../../base/errors.js';
import { stringifyJson } from '../../../base/json.js';
import { placeOf } from '../document/manifest.js';
import { isObject, type JsonObject } from '../document/read.js';
import type { Dict } from '../templates/values.js';
import { fields, unsupported, type Kit } from './kit.js';

/** An answer that asks for less. */
export class TooMuchError extends SkippableError {
  constructor(
    readonly less: 'page' | 'window',
    message: string,
    detail: ErrorDetail,
  ) {
    super(message, detail);
  }
}

interface Standing {
  /** Rows of a page from now on; undefined: as declared. */
  size: number | undefined;
  /** Reductions, and tries at the least size, since a page came. */
  attempts: number;
  triesAtLeast: number;
}

/** Partitions whose sizes are kept; a walk that goes on without begins with the declared one again. */
const MOST_KEPT = 10_000;

/** The page size of each partition, which is lowered where its API refuses a page. */
export class PageSizes {
  private readonly standing = new Map<string, Standing>();
  private readonly factor: number;
  private readonly least: number;
  private readonly attempts: number;
  private readonly backoffMs: number;
  private readonly triesAtLeast: number;
  private readonly restores: boolean;
  private readonly advice: string | undefined;

  constructor(
    component: JsonObject,
    private readonly declared: number | undefined,
    private readonly clock: Clock,
  ) {
    const number = (name: string, otherwise: number) =>
      typeof component[name] === 'number' ? component[name] : otherwise;
    this.factor = Math.max(1 + Number.EPSILON, number('reduction_factor', 2));
    this.least = Math.max(1, number('minimum_page_size', 1));
    this.attempts = number('max_attempts', 5);
    this.backoffMs = Math.max(0, number('backoff_seconds', 0.5)) * 1000;
    this.triesAtLeast = number('retries_at_minimum_page_size', 0);
    this.restores = component['reset_policy'] === 'AFTER_SUCCESSFUL_PAGE';
    this.advice = typeof component['failure_message'] === 'string' ? component['failure_message'].trim() : undefined;
  }

  /** Undefined: the declared one. */
  of(slice: Dict): number | undefined {
    return this.standing.get(stringifyJson(slice))?.size;
  }

  /** Waits, and lowers the size; throws `error` where there is nothing left to lower. */
  async lower(slice: Dict, error: TooMuchError, signal: AbortSignal): Promise<void> {
    const key = stringifyJson(slice);
    const { size, attempts, triesAtLeast } = this.standing.get(key) ?? {
      size: undefined,
      attempts: 0,
      triesAtLeast: 0,
    };
    const current = size ?? this.declared;
    if (current === undefined) throw error;
    const smaller = Math.max(this.least, Math.floor(current / this.factor));
    const isLeast = smaller >= current;
    if (isLeast ? triesAtLeast >= this.triesAtLeast : attempts >= this.attempts)
      throw new SkippableError('the API refuses pages of any size that may be asked for', {
        code: 'page_refused',
        place: error.place,
        expected: `a page of ${current} rows or less`,
        found: error.found ?? error.message,
        next: this.advice || 'run again later; lower minimum_page_size in the manifest if it stays',
      });
    if (this.standing.size >= MOST_KEPT) this.standing.clear();
    this.standing.set(
      key,
      isLeast
        ? { size, attempts, triesAtLeast: triesAtLeast + 1 }
        : { size: smaller, attempts: attempts + 1, triesAtLeast },
    );
    await this.clock.sleep(this.backoffMs * (isLeast ? triesAtLeast + 1 : attempts + 1), signal);
  }

  /** A page came; `isLast`: none of this partition follows. */
  came(slice: Dict, isLast: boolean): void {
    const key = stringifyJson(slice);
    const known = this.standing.get(key);
    if (!known) return;
    if (isLast || this.restores) this.standing.delete(key);
    else this.standing.set(key, { ...known, attempts: 0, triesAtLeast: 0 });
  }
}

/** A requester that may ask for less needs a retriever that knows how; where pages end early, rows would be missing. */
export function assertNarrows(kit: Kit, retriever: JsonObject, requester: JsonObject): void {
  const reset = fields(retriever, 'pagination_reset');
  if (reset && isObject(reset['limits']) && reset['limits']['number_of_records'] !== undefined)
    throw unsupported(
      kit,
      reset,
      'PaginationResetLimits: pages that begin anew after a number of records',
      'read shorter windows (step), so that none has as many records, and leave limits out',
    );
  const said = JSON.stringify(requester['error_handler'] ?? null);
  for (const [action, name] of [
    ['REDUCE_PAGE_SIZE', 'page_size_reduction'],
    ['SPLIT_REQUEST_WINDOW', 'request_window_splitting'],
  ] as const)
    if (said.includes(`"${action}"`) && !fields(retriever, name))
      throw new ConfigError(`the action ${action} needs ${name}`, {
        code: 'manifest_invalid',
        place: placeOf(kit.manifest, retriever),
        expected: `${name} in the retriever`,
        found: 'nothing',
        next: 'declare it, or choose another action',
      });
}

export function pageSizes(retriever: JsonObject, declared: number | undefined, clock: Clock): PageSizes | undefined {
  const component = fields(retriever, 'page_size_reduction');
  return component && new PageSizes(component, declared, clock);
}
