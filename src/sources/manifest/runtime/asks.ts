/**
 * Requests that transformations make for a record: what the answer holds is added to it. A transformation is a plain
 * function; so a page's records are gone through once to learn what has to be asked for, and again when that is known.
 */
import { LIMITS } from '../../../base/bounds.js';
import { FatalError } from '../../../base/errors.js';
import type { JsonObject } from '../document/read.js';
import { decoder } from './decoders.js';
import { exchanger, type Exchanger, type RetrieverParts, type SendInput } from './exchange.js';
import type { Kit, Scope } from './kit.js';

/** What is asked for a record: stands for one transformation of one stream. */
export interface Ask {
  requester: JsonObject;
}

/** What templates see of an answer; an error that the requester ignores is an empty one. */
export type Answered = unknown;

interface Open {
  ask: Ask;
  record: number;
  scope: Scope;
}

const ASKS = Symbol('asks');

/** The requests of one page. */
export class Asks {
  private readonly known = new Map<Ask, Map<number, Answered>>();
  private open: Open[] = [];
  private record = 0;
  private isWaiting = false;

  /** The scope of templates, with what transformations may ask. */
  in(scope: Scope): Scope {
    return Object.assign({ ...scope }, { [ASKS]: this }) as Scope;
  }

  static of(scope: Scope): Asks | undefined {
    return (scope as { [ASKS]?: Asks })[ASKS];
  }

  /** A record's turn. */
  begin(record: number): void {
    this.record = record;
    this.isWaiting = false;
  }

  /** Whether the record waits for an answer: what comes after would not see it. */
  get waits(): boolean {
    return this.isWaiting;
  }

  /** The answer, or undefined where it has to be asked for first. */
  answer(ask: Ask, scope: Scope): { answer: Answered } | undefined {
    const answers = this.known.get(ask);
    if (answers?.has(this.record)) return { answer: answers.get(this.record) };
    this.open.push({ ask, record: this.record, scope });
    this.isWaiting = true;
    return undefined;
  }

  /** Goes through the records until nothing is left to ask. */
  async settle<T>(go: () => T, send: (ask: Ask, scope: Scope) => Promise<Answered>): Promise<T> {
    for (let round = 0; round < LIMITS.asksOfRecord; round++) {
      this.open = [];
      const found = go();
      if (this.open.length === 0) return found;
      await this.answered(this.open, send);
    }
    throw new FatalError('the transformations of a stream ask without end', {
      code: 'asks_without_end',
      expected: `at most ${LIMITS.asksOfRecord} requests for a record`,
      found: 'more',
    });
  }

  /** The gate decides when each leaves; no more wait for it at once than it would let go anyway. */
  private async answered(open: Open[], send: (ask: Ask, scope: Scope) => Promise<Answered>): Promise<void> {
    const waiting = [...open];
    const one = async () => {
      for (let next = waiting.shift(); next; next = waiting.shift()) {
        const answer = await send(next.ask, next.scope);
        const answers = this.known.get(next.ask) ?? new Map<number, Answered>();
        this.known.set(next.ask, answers.set(next.record, answer));
      }
    };
    await Promise.all(Array.from({ length: Math.min(LIMITS.asksAtOnce, waiting.length) }, one));
  }
}

/** Sends what transformations ask, each requester with its error handler and its credentials. */
export function asker(kit: Kit, stream: string, parts: RetrieverParts) {
  const exchangers = new Map<Ask, Exchanger>();
  const decode = decoder(kit, undefined);
  return async (ask: Ask, scope: Scope, input: Pick<SendInput, 'signal' | 'weight'>): Promise<Answered> => {
    let exchange = exchangers.get(ask);
    if (!exchange) exchangers.set(ask, (exchange = exchanger(kit, stream, ask.requester, decode, parts)));
    const { documents, isIgnored } = await exchange.send({
      signal: input.signal,
      weight: input.weight,
      scope,
      isFirst: true,
      fill: () => undefined,
    });
    return isIgnored ? {} : (documents[0] ?? {});
  };
}
