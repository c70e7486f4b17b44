/**
 * Runs the functions of a connector of one's own. What they throw, what they give that is no such thing, and where they
 * never end becomes an error that says which function it was, what was expected and what came.
 */
import { LIMITS } from '../base/bounds.js';
import type { Clock } from '../base/clock.js';
import { ConfigError, HeadraceError, messageOf, SkippableError } from '../base/errors.js';
import type { Account, Page, PageRequest, Stream } from './contract.js';

/** A stream as its author writes it. */
type OwnStream = Pick<Stream, 'name' | 'page' | 'division'>;

/** What is needed to tell a function that waits for the API from one that hangs. */
export interface Watch {
  clock: Clock;
  /** Requests of the source that were asked for and have not ended, those that wait for the limit among them. */
  activity: { requests: number };
}

/** What `open` gives. Throws ConfigError. */
export async function guardedOpen<Body extends { streams: unknown[] }>(
  name: string,
  open: () => Body | Promise<Body>,
  watch: Watch,
): Promise<Body> {
  const body = await ended<Partial<Body> | undefined>(
    async () => open(),
    watch,
    (found, cause) => brokenSource(name, 'open', 'streams', found, cause),
  );
  if (Array.isArray(body?.streams)) return body as Body;
  throw brokenSource(name, 'open', '{ streams: [ … ] }', typeof body);
}

/** What `check` gives. Throws ConfigError. */
export function guardedCheck(name: string, check: () => Promise<Account>, watch: Watch): Promise<Account> {
  return ended(check, watch, (found, cause) => brokenSource(name, 'check', 'an account', found, cause));
}

function brokenSource(name: string, what: string, expected: string, found: string, cause?: unknown): ConfigError {
  return new ConfigError(`the connector ${name} failed: ${found}`, {
    code: 'connector_broken',
    place: `${what} of ${name}`,
    expected: `${expected} from ${what}`,
    found,
    next: `correct its function ${what}; --debug shows where it threw`,
    cause,
  });
}

/** A page that does not keep the contract, or code that fails, ends its stream with the reason, and no other. */
export async function guardedPage(stream: OwnStream, request: PageRequest, watch: Watch): Promise<Page> {
  const page = await ended(
    () => stream.page(request),
    watch,
    (found, cause) => broken(stream, 'a page', found, cause),
  );
  let fault;
  try {
    fault = faultOf(page, request, stream);
  } catch (error) {
    throw broken(stream, 'a position of every record', messageOf(error), error);
  }
  if (fault) throw broken(stream, fault.expected, fault.found);
  return page;
}

/** The result of a function, unless it hangs: it asks the API for nothing, and does not return either. */
async function ended<T>(
  work: () => Promise<T>,
  { clock, activity }: Watch,
  fault: (found: string, cause?: unknown) => HeadraceError,
): Promise<T> {
  const over = new AbortController();
  const hangs = async (): Promise<never> => {
    for (;;) {
      await clock.sleep(LIMITS.ownCodeMs, over.signal);
      if (over.signal.aborted) return new Promise<never>(() => {});
      if (activity.requests === 0) throw fault(`nothing for ${LIMITS.ownCodeMs / 1000} s, without a request`);
    }
  };
  try {
    return await Promise.race([work(), hangs()]);
  } catch (error) {
    if (error instanceof HeadraceError) throw error;
    throw fault(messageOf(error), error);
  } finally {
    over.abort();
  }
}

function broken(stream: OwnStream, expected: string, found: string, cause?: unknown): SkippableError {
  return new SkippableError(`the connector gave no page of ${stream.name}: ${found}, expected ${expected}`, {
    code: 'connector_broken',
    place: `stream ${stream.name}`,
    expected,
    found,
    next: 'correct the page function of this stream, or leave the stream out with exclude',
    cause,
  });
}

function faultOf(
  page: Page,
  request: PageRequest,
  { division }: OwnStream,
): { expected: string; found: string } | undefined {
  if (typeof page !== 'object' || page === null) return { expected: 'a page, as an object', found: String(page) };
  if (!Array.isArray(page.records)) return { expected: 'records: a list', found: typeof page.records };
  if (page.next !== null && typeof page.next !== 'string')
    return { expected: 'next: a text, or null', found: typeof page.next };
  if (typeof page.hasMore !== 'boolean') return { expected: 'hasMore: true or false', found: typeof page.hasMore };
  if (page.hasMore && page.next !== null && page.next === request.cursor)
    return { expected: 'next: the place after this page', found: 'the place of this page again' };
  if (division.kind !== 'range') return undefined;
  const odd = page.records.find((record) => typeof division.position(record) !== 'number');
  if (odd === undefined) return undefined;
  return {
    expected: 'position: a number, or NaN where a record has none',
    found: `${typeof division.position(odd)}, of the record ${JSON.stringify(odd).slice(0, 200)}`,
  };
}
