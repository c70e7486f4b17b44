/** Credentials that end and are renewed. */
import type { Authenticator } from './credential.js';
import type { Kit } from './kit.js';
import type { RequestParts } from './options.js';

/** A token is renewed this long before it ends, */
const EARLY_MS = 30_000;
/** or where it is short, when this share of its life is left. */
const EARLY_SHARE = 0.1;

/** A token that is fetched once for all requests that wait for it. */
export abstract class Renewed implements Authenticator {
  private dueMs = -Infinity;
  private renewing: Promise<void> | undefined;
  private renewals = 0;
  private worked = -1;

  constructor(protected readonly kit: Kit) {}

  abstract apply(parts: RequestParts): Promise<void>;
  protected abstract renew(): Promise<void>;

  version(): number {
    return this.renewals;
  }

  accepted(version: number): void {
    this.worked = Math.max(this.worked, version);
  }

  hasWorked(version: number): boolean {
    return this.worked >= version;
  }

  refresh(version: number): boolean {
    // Others that were sent with the same token have had it renewed already.
    if (version === this.renewals) this.dueMs = -Infinity;
    return true;
  }

  /** When the token that there is ends; Infinity: never, as far as is known. */
  protected endsAt(endsMs: number): void {
    const lifeMs = endsMs - this.kit.clock.now();
    this.dueMs = endsMs === Infinity ? Infinity : endsMs - Math.min(EARLY_MS, Math.max(0, lifeMs) * EARLY_SHARE);
  }

  protected async ready(): Promise<void> {
    if (this.kit.clock.now() < this.dueMs) return;
    this.renewing ??= this.renew()
      .then(() => void this.renewals++)
      .finally(() => {
        this.renewing = undefined;
      });
    await this.renewing;
  }
}
