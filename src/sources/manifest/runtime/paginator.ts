/** Which page comes next, and how it is asked for. Pure: a page token is all that is kept. */
import type { DataRecord } from '../../../base/catalog.js';
import { HeadraceError } from '../../../base/errors.js';
import type { Json, JsonObject } from '../document/read.js';
import { storedOf } from '../templates/template.js';
import { isTrue, numberOf, TemplateError, type Dict, type Value } from '../templates/values.js';
import { condition, fields, now, template, unsupported, type Kit, type Scope } from './kit.js';
import { injection, type RequestParts } from './options.js';
import { replaced } from './twins.js';

/** What the last page tells of the next. */
export interface PageSeen {
  document: unknown;
  headers: Record<string, unknown>;
  /** Records that the server sent. */
  size: number;
  lastRecord: DataRecord | undefined;
  /** The token that this page was asked for with. */
  token: Json;
  slice: Dict;
  /** Rows that were asked for, where they are not as many as declared. */
  pageSize?: number | undefined;
}

export interface Paginator {
  /** Undefined: all is answered at once. */
  isPaged?: true;
  /** The first page's token; null: it is asked for without. */
  first: Json;
  /** Rows of a full page, where the manifest tells. */
  pageSize: number | undefined;
  /** Pages follow by number: any can be asked for. The token of page `n`, from 0. */
  tokenOf: ((page: number) => Json) | undefined;
  /**
   * Rows may move between two pages: `offset` lists can be asked for a row that came already, `page` numbers cannot.
   */
  moves?: 'offset' | 'page' | undefined;
  /** The token past a page of so many rows, whether or not it claims to be the last. */
  past?: ((token: Json, rows: number) => Json) | undefined;
  /** The next token; null at the end. */
  next(seen: PageSeen): Json;
  /** The token past a page, whether or not it claims to be the last; null where none can be told. */
  after?: ((seen: PageSeen) => Json) | undefined;
  /** The end is what the API claims: the page past it may be asked for. */
  claimsEnd?: boolean | undefined;
  /** The server keeps where a walk stands, and moves it with each answer. */
  isServers?: boolean | undefined;
  /** Puts page size and token into a request; a path, where the token is one. */
  apply(parts: RequestParts, token: Json, pageSize?: number): string | undefined;
}

type Steps = Omit<Paginator, 'apply'>;

/** What such a cursor is called. */
const SCROLL = /scroll/i;

/** A stop condition that asks the answer whether more follows, and not the rows whether they are still wanted. */
const CLAIM = /^(?!.*(?:last_record|stream_slice|config|page_size)).*response.*(?:more|has_?next|last)/is;

const NONE: Paginator = {
  first: null,
  pageSize: undefined,
  tokenOf: undefined,
  next: () => null,
  apply: () => undefined,
};

export function paginator(kit: Kit, component: JsonObject | undefined): Paginator {
  if (!component || component['type'] === 'NoPagination') return NONE;
  const own = replaced(kit, component);
  const raw = fields(own, 'pagination_strategy');
  if (!raw) return NONE;
  const strategy = replaced(kit, raw);
  const told = strategyOf(kit, strategy);
  const steps = kit.proves ? told : followed(told);
  const sizeOption = injection(kit, fields(own, 'page_size_option'));
  const tokenOption = fields(own, 'page_token_option');
  const isPath = tokenOption?.['type'] === 'RequestPath';
  const injectToken = injection(kit, tokenOption);
  return {
    ...steps,
    isPaged: true,
    ...(steps.after && SCROLL.test(JSON.stringify([tokenOption ?? null, strategy['cursor_value'] ?? null]))
      ? { isServers: true }
      : {}),
    apply(parts, token, pageSize = steps.pageSize) {
      if (pageSize) sizeOption?.(parts, pageSize);
      if (token === null) return undefined;
      if (isPath) return String(token) || undefined;
      injectToken?.(parts, token);
      return undefined;
    },
  };
}

/** Page after page, each asked for once, to where the answers say that the end is. */
function followed(steps: Steps): Steps {
  const moves = steps.moves && 'page';
  return { ...steps, moves, tokenOf: undefined, past: undefined, claimsEnd: undefined };
}

function strategyOf(kit: Kit, strategy: JsonObject): Steps {
  const size =
    strategy['page_size'] === undefined || strategy['page_size'] === null
      ? undefined
      : numberOf(now(kit, strategy, strategy['page_size']) as Value);
  switch (strategy['type']) {
    case 'PageIncrement': {
      const start = numberOf(now(kit, strategy, strategy['start_from_page'] ?? 0) as Value) ?? 0;
      const inject = strategy['inject_on_first_request'] === true;
      return {
        first: inject ? start : null,
        pageSize: size,
        tokenOf: (page) => (page === 0 && !inject ? null : start + page),
        moves: 'page',
        past: (token) => (typeof token === 'number' ? token : start) + 1,
        next: ({ size: got, token }) =>
          (size !== undefined && got < size) || got === 0 ? null : (typeof token === 'number' ? token : start) + 1,
      };
    }
    case 'OffsetIncrement': {
      const inject = strategy['inject_on_first_request'] === true;
      return {
        first: inject ? 0 : null,
        pageSize: size,
        tokenOf: undefined,
        moves: 'offset',
        past: (token, rows) => (typeof token === 'number' ? token : 0) + rows,
        next: ({ size: got, token, pageSize = size }) =>
          (pageSize !== undefined && got < pageSize) || got === 0
            ? null
            : (typeof token === 'number' ? token : 0) + got,
      };
    }
    case 'CursorPagination':
      return byCursor(kit, strategy, size);
    default:
      throw unsupported(
        kit,
        strategy,
        `the pagination strategy ${String(strategy['type'])}`,
        'use CursorPagination, PageIncrement or OffsetIncrement',
      );
  }
}

/** Where the answer itself tells what comes next. */
function byCursor(kit: Kit, strategy: JsonObject, size: number | undefined): Steps {
  const value = template(kit, strategy, strategy['cursor_value']);
  const stop = condition(kit, strategy, strategy['stop_condition']);
  const scopeOf = ({ document, headers, size: got, lastRecord, slice, pageSize = size }: PageSeen): Scope => ({
    response: document as Value,
    headers: headers as Dict,
    last_record: (lastRecord ?? null) as Value,
    last_page_size: got,
    page_size: pageSize ?? null,
    stream_slice: slice,
  });
  const tokenIn = (scope: Scope): Json => {
    const token = value(scope);
    return isTrue(token) ? (storedOf(token) as Json) : null;
  };
  return {
    first: null,
    pageSize: size,
    tokenOf: undefined,
    next: (seen) => {
      const scope = scopeOf(seen);
      return stop?.(scope) ? null : tokenIn(scope);
    },
    after: (seen) => {
      try {
        return tokenIn(scopeOf(seen));
      } catch (error) {
        // A template may lean on its stop condition.
        if (error instanceof HeadraceError || error instanceof TemplateError) return null;
        throw error;
      }
    },
    claimsEnd: CLAIM.test(String(strategy['stop_condition'] ?? '')),
  };
}
