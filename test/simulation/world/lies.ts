/** What an API tells that is not so. Each kind has a share of answers that it spoils, until it heals. */
import type { Agenda } from './agenda.js';
import type { ListAnswer } from './api.js';

export interface LieShares {
  /** `has_more: false` on a full page that rows follow. */
  falseEnd?: number;
  /** An empty page that claims more, amid pages. */
  emptyAmid?: number;
  /** The object of a cursor is said to be gone. */
  lostCursor?: number;
  /** No page has more rows than this, whatever was asked for. */
  cappedRows?: number;
  /** Pages shorter than asked for, as of an API that counts bytes. */
  shortPage?: number;
  /** Every page of this collection is its first one. */
  circle?: string | undefined;
  /** An answer of HTTP that is none of the API's: of each kind this share. */
  wrongAnswer?: number;
}

/** An answer in the place of the API's. */
export interface WrongAnswer {
  status: number;
  body: string;
  headers?: Record<string, string>;
}

export const LOGIN = '/login';
const HTML = { 'content-type': 'text/html; charset=utf-8' };
const PAGE = '<!doctype html><html><head><title>Log in</title></head><body>Log in</body></html>';
const WRONG_ANSWERS: WrongAnswer[] = [
  { status: 200, body: '{"error":{"code":503,"message":"maintenance"},"data":null}' },
  { status: 200, body: '{"success":false,"message":"try again later","data":[]}' },
  { status: 200, body: '{"status":"error","data":[]}' },
  { status: 200, body: '{"errors":[{"message":"throttled"}],"data":[]}' },
  { status: 200, body: '{"message":"the service is being updated"}' },
  { status: 200, body: '' },
  { status: 200, body: PAGE, headers: HTML },
  { status: 200, body: '{"data":[{"id":"' },
  { status: 204, body: '' },
  { status: 302, body: '', headers: { location: LOGIN } },
  { status: 403, body: '{"message":"forbidden"}' },
];

export class Lies {
  isHealed = false;
  private readonly places = new Set<string>();
  /** Of these no row can be told from which the page past the last is asked for. */
  readonly withoutDoubt = new Set<string>();

  /** Of these nobody reads whether more follows: an empty first page is all that there is. */
  readonly countedLists = new Set<string>();

  /** Pages by number: where one is shorter than asked, the next begins where it would without. */
  readonly steadyPages = new Set<string>();

  constructor(
    private readonly agenda: Agenda,
    private readonly shares: LieShares,
  ) {}

  size(asked: number, collection?: string): number {
    const { cappedRows = Infinity, shortPage } = this.shares;
    const most = Math.min(asked, cappedRows);
    if (collection === undefined || shortPage === undefined || this.isHealed) return most;
    if (this.steadyPages.has(collection)) return most;
    return this.agenda.chance(shortPage) ? Math.max(2, Math.floor(most * this.agenda.random.next())) : most;
  }

  losesCursor(cursor: string): boolean {
    return this.happens(this.shares.lostCursor, cursor);
  }

  goesInCircles(collection: string): boolean {
    return this.shares.circle === collection && !this.isHealed;
  }

  /** `asked`: rows that a full page has; of a shorter one nobody can tell that it is none. */
  told(answer: ListAnswer, asked: number, collection: string, isFirst: boolean): ListAnswer {
    const place = String(answer.data[0]?.['id']);
    const mayDoubt = !this.withoutDoubt.has(collection);
    if (
      answer.has_more &&
      mayDoubt &&
      answer.data.length === asked &&
      this.happens(this.shares.falseEnd, `end ${place}`)
    )
      return { ...answer, has_more: false };
    const mayBeEmpty = answer.has_more && !(isFirst && this.countedLists.has(collection));
    if (mayBeEmpty && this.happens(this.shares.emptyAmid, `empty ${place}`)) return { ...answer, data: [] };
    return answer;
  }

  /** What comes instead of the API's answer. */
  wrongAnswer(path: string): WrongAnswer | undefined {
    if (path === LOGIN) return { status: 200, body: PAGE, headers: HTML };
    const { wrongAnswer } = this.shares;
    if (wrongAnswer === undefined || this.isHealed || !this.agenda.chance(wrongAnswer)) return undefined;
    return this.agenda.pick(WRONG_ANSWERS);
  }

  /** A lie is not told twice of one place: who asks again may learn the truth. */
  private happens(share: number | undefined, place: string): boolean {
    if (share === undefined || this.isHealed || !this.agenda.chance(share) || this.places.has(place)) return false;
    this.places.add(place);
    return true;
  }
}
