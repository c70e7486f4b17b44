/**
 * Walks by cursors. Some servers move a cursor with each answer, a scroll: such a one is good for one answer, so where
 * one was lost, or another process had it, the walk begins anew. And a full page that claims the end may not be the
 * last: the page after it is asked for once, where a token for it can be told.
 */
import { CursorGoneError } from '../../../base/errors.js';
import type { Evidence } from '../../../base/evidence.js';
import { identityText, stringifyJson } from '../../../base/json.js';
import { hashString } from '../../../base/random.js';
import type { Json } from '../document/read.js';
import type { Paginator } from './paginator.js';
import type { PageOutput } from './retriever.js';

/** What such a walk keeps from page to page, in its cursor. */
export interface CursorMarks {
  /** Pages that came with this token, where the server moves it. */
  p?: number | undefined;
  /** The page past one that claimed the end is asked for, and that page began with this row. */
  x?: number | undefined;
}

interface Place {
  token: string;
  page: number;
  /** The first row of the walk. */
  first: number | undefined;
}

/** Where no size is declared: pages are round, and have at least so many rows. */
const ROUND = 10;

export class CursorWalks {
  private readonly places = new Map<string, Place>();
  /** Rows of the fullest page that more followed. */
  private fullest = 0;

  constructor(
    private readonly paginator: Paginator,
    /** Without a key, what comes twice would be there twice. */
    private readonly keyless: boolean,
    private readonly endpoint: string,
  ) {}

  /** A page will be asked for. Returns whether this process has the walk since the page before. */
  asks(at: string, { t, p }: CursorMarks & { t: Json }): boolean {
    if (t === this.paginator.first) {
      this.places.delete(at);
      return true;
    }
    const known = this.places.get(at);
    const isOurs = known?.token === stringifyJson(t) && known.page === (p ?? 0);
    if (!isOurs && this.isServers(p)) throw this.moved();
    // Whatever becomes of its answer, the server may have moved.
    if (known) known.page++;
    return isOurs;
  }

  /** Looks at a page, and says how the walk goes on. Changes `output`. */
  seen(at: string, walk: CursorMarks & { t: Json }, isOurs: boolean, output: PageOutput): CursorMarks {
    const { t, p, x } = walk;
    const isFirst = t === this.paginator.first;
    const stands = !isFirst && output.after !== undefined && stringifyJson(output.after) === stringifyJson(t);
    if (!isFirst && (stands || this.isServers(p)) && (!isOurs || output.wasLost === true)) throw this.moved();
    const [row] = output.received;
    const mark = row === undefined ? undefined : hashString(identityText(row));
    const first = isFirst ? mark : this.places.get(at)?.first;
    if (x !== undefined && (mark === undefined || mark === x || mark === first))
      this.end(output, this.endPast(output, x, first));
    const marks: CursorMarks = { p: undefined, x: undefined };
    if (this.looksPast(output, t, stands)) {
      output.next = output.after!;
      if (mark !== undefined) marks.x = mark;
    }
    if (output.next === null) this.places.delete(at);
    else {
      if (marks.x === undefined) this.fullest = Math.max(this.fullest, output.received.length);
      // An empty page is asked for again, and brings what comes next.
      if (stands || p !== undefined) marks.p = (p ?? 0) + (output.received.length > 0 ? 1 : 0);
      this.places.set(at, { token: stringifyJson(output.next), page: marks.p ?? 0, first });
    }
    return marks;
  }

  /**
   * What nothing new past a page that claimed the end tells. Where that page was the walk's first one, or may have
   * been, rows that come again may mean that the server does not look at the cursor.
   */
  private endPast({ end, received }: PageOutput, claimed: number, first: number | undefined): Evidence {
    if (end?.doubt !== undefined) return end;
    const isIgnored = received.length > 0 && (first === undefined || claimed === first);
    return isIgnored ? { kind: 'stated', doubt: 'again' } : { kind: 'confirmed' };
  }

  /** There is no page past one that claimed the end. */
  end(output: PageOutput, evidence: Evidence): void {
    output.records = [];
    output.received = [];
    output.next = null;
    output.after = undefined;
    output.end = evidence;
  }

  private isServers(p: number | undefined): boolean {
    return p !== undefined || this.paginator.isServers === true;
  }

  private looksPast({ next, after, received, end, claims }: PageOutput, t: Json, stands: boolean): boolean {
    if (next !== null || end !== undefined || after === undefined || after === null) return false;
    if (!this.paginator.claimsEnd || stands || this.keyless || stringifyJson(after) === stringifyJson(t)) return false;
    const { pageSize } = this.paginator;
    const rows = received.length;
    if (claims?.more && rows > 0) return true;
    if (pageSize !== undefined) return rows >= pageSize || (this.fullest > 0 && rows >= this.fullest);
    return rows >= ROUND && rows % ROUND === 0 && rows >= this.fullest;
  }

  private moved(): CursorGoneError {
    return new CursorGoneError('the server moved its cursor with an answer that was lost', {
      code: 'cursor_moved',
      place: this.endpoint,
      expected: 'a cursor that stands where the last page ended',
      found: 'one that was asked with before',
      next: 'the pages are read once more from the first',
    });
  }
}
