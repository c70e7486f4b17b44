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
  told_ = 0;

  constructor(
    private readonly agenda: Agenda,
    private readonly shares: LieShares,
  ) {}

  size(asked: number): number {
    return Math.min(asked, this.shares.cappedRows ?? Infinity);
  }

  losesCursor(): boolean {
    return this.happens(this.shares.lostCursor);
  }

  told(answer: ListAnswer, size: number): ListAnswer {
    if (answer.has_more && answer.data.length === size && this.happens(this.shares.falseEnd))
      return { ...answer, has_more: false };
    if (answer.has_more && this.happens(this.shares.emptyAmid)) return { ...answer, data: [] };
    return answer;
  }

  private happens(share: number | undefined): boolean {
    if (share === undefined || this.isHealed || !this.agenda.chance(share)) return false;
    this.told_++;
    return true;
  }
}
