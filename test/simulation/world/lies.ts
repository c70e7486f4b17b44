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
}

export class Lies {
  isHealed = false;
  private readonly places = new Set<string>();

  constructor(
    private readonly agenda: Agenda,
    private readonly shares: LieShares,
  ) {}

  size(asked: number): number {
    return Math.min(asked, this.shares.cappedRows ?? Infinity);
  }

  losesCursor(cursor: string): boolean {
    return this.happens(this.shares.lostCursor, cursor);
  }

  told(answer: ListAnswer, size: number): ListAnswer {
    const place = String(answer.data[0]?.['id']);
    if (answer.has_more && answer.data.length === size && this.happens(this.shares.falseEnd, `end ${place}`))
      return { ...answer, has_more: false };
    if (answer.has_more && this.happens(this.shares.emptyAmid, `empty ${place}`)) return { ...answer, data: [] };
    return answer;
  }

  /** A lie is not told twice of one place: who asks again may learn the truth. */
  private happens(share: number | undefined, place: string): boolean {
    if (share === undefined || this.isHealed || !this.agenda.chance(share) || this.places.has(place)) return false;
    this.places.add(place);
    return true;
  }
}
