/** What a connection remembers between runs: its version, and what the account does not have. */
import { SkippableError } from '../../base/errors.js';
import type { SourceMemory } from '../contract.js';
import type { Connected } from './connected-accounts.js';
import { FIRST_VERSION, NEWEST_VERSION } from './versions.js';

const DAY_MS = 86_400_000;
/** After so long, what could not be read is asked for again: a permission is given sooner than a product is bought. */
const ASK_AGAIN_MS: Record<string, number> = { stripe_permission: DAY_MS, stripe_product: 7 * DAY_MS };
/** The API may say more than a state should keep. */
const MOST_REASON = 200;

interface Left {
  reason: string;
  /** Milliseconds: it is asked for again then. */
  until: number;
}

interface Stored {
  version: string;
  /** Tells the key that could not read them from another. */
  key: string;
  left: Record<string, Left>;
  /** Connected accounts that were read, and when they were found to be gone. */
  accounts: Record<string, { goneAt?: number }>;
}

export class StripeMemory implements SourceMemory {
  version: string;
  readonly notes: string[] = [];
  private left: Record<string, Left> = {};
  private accounts: Record<string, { goneAt?: number }> = {};

  /** `asked`: the version that the configuration names; `key`: a fingerprint. */
  constructor(
    private readonly asked: string | undefined,
    private readonly key: string,
    private readonly now: () => number,
    /** Connected accounts that there are now; undefined: none are read. `isList`: they were asked for by name. */
    private readonly connected: (Connected & { isList: boolean }) | undefined,
  ) {
    this.version = asked ?? NEWEST_VERSION;
  }

  recall(value: unknown, hasRows: boolean): void {
    const stored = value as Stored | undefined;
    const before = stored?.version ?? (hasRows ? FIRST_VERSION : undefined);
    if (before !== undefined && before !== this.version) {
      if (this.asked === undefined) {
        this.version = before;
        this.notes.push(
          `rows are read at version ${before}, as they were begun; to read at ${NEWEST_VERSION}, set api_version: ${NEWEST_VERSION}`,
        );
      } else
        this.notes.push(
          `rows are read at version ${this.version} from now on, ${before} before: columns are added, none is taken away; what is stored stays as it is, until it changes or its stream is read again (headrace state reset)`,
        );
    }
    if (stored?.key === this.key) this.left = { ...stored.left };
    this.recallAccounts(stored?.accounts ?? {});
  }

  remember(): Stored {
    return { version: this.version, key: this.key, left: this.left, accounts: this.accounts };
  }

  /** Why a stream is left out without asking; undefined: it is asked for. */
  leftOut(stream: string): string | undefined {
    const left = this.left[stream];
    return left && this.now() < left.until ? left.reason : undefined;
  }

  /** Notes an error that asking again at once would not mend. `isProduct`: the account lacks what it is of. */
  leave(stream: string, error: unknown, isProduct: boolean): void {
    if (!(error instanceof SkippableError)) return;
    const againMs = ASK_AGAIN_MS[isProduct ? 'stripe_product' : error.code];
    if (againMs === undefined) return;
    const reason = shortened(`${error.message}: ${error.found ?? ''}`);
    this.left[stream] = { reason, until: this.now() + againMs };
  }

  /** It can be read. */
  found(stream: string): void {
    delete this.left[stream];
  }

  private recallAccounts(before: Stored['accounts']): void {
    if (!this.connected) {
      this.accounts = before;
      return;
    }
    const { ids, absent, isList } = this.connected;
    const isNew = (id: string) => before[id] === undefined || before[id].goneAt !== undefined;
    const added = Object.keys(before).length > 0 ? ids.filter(isNew) : [];
    this.note(isList ? 'read from this run on' : 'connected since the last run', added);
    const gone = Object.keys(before).filter((id) => !ids.includes(id));
    const fresh = gone.filter((id) => before[id]!.goneAt === undefined);
    const isDropped = (id: string) => isList && !absent.includes(id);
    this.note(
      'no longer connected, their rows are kept',
      fresh.filter((id) => !isDropped(id)),
    );
    this.note('no longer named under accounts, their rows are kept', fresh.filter(isDropped));
    this.note(
      'named under accounts, but not connected',
      absent.filter((id) => !fresh.includes(id)),
    );
    this.accounts = Object.fromEntries([
      ...ids.map((id) => [id, {}] as const),
      ...gone.map((id) => [id, { goneAt: before[id]!.goneAt ?? this.now() }] as const),
    ]);
  }

  private note(what: string, ids: readonly string[]): void {
    if (ids.length > 0) this.notes.push(`${what}: ${some(ids)}`);
  }
}

const NAMED = 5;

function some(names: readonly string[]): string {
  return names.slice(0, NAMED).join(', ') + (names.length > NAMED ? ` and ${names.length - NAMED} more` : '');
}

/** At most so long, cut between words. */
const shortened = (text: string): string =>
  text.length <= MOST_REASON ? text : `${text.slice(0, MOST_REASON).replace(/\s+\S*$/, '')} …`;
