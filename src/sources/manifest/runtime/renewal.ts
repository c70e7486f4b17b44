/** Credentials of one request: which of its parts they are, and that they are renewed once where they are refused. */
import { ConfigError } from '../../../base/errors.js';
import { stringifyJson } from '../../../base/json.js';
import type { ApiResponse, Verdict } from '../../../http/request.js';
import type { Authenticator } from './credential.js';
import type { Resolution } from './error-handler.js';
import type { RequestParts } from './options.js';
import type { BuiltRequest } from './requester.js';

/** Tells afterwards which parts of a request were added since. */
export function credentialed(
  before: RequestParts,
): (after: RequestParts) => Pick<BuiltRequest, 'credentials' | 'secretBody'> {
  const headers = new Map(Object.entries(before.headers));
  const body = stringifyJson([before.form, before.json]);
  return (after) => ({
    credentials: Object.keys(after.headers).filter((name) => after.headers[name] !== headers.get(name)),
    secretBody: stringifyJson([after.form, after.json]) !== body,
  });
}

/**
 * A token that worked and is refused now has ended before its time: it is renewed once, and the request goes out again.
 * One that is refused from the start is wrong, and so is one that is refused after that.
 */
export class Renewal {
  private version = 0;
  private isRenewed = false;

  constructor(private readonly auth: Authenticator) {}

  /** The request leaves with the token that there is now. */
  sent(): void {
    this.version = this.auth.version?.() ?? 0;
  }

  /** Undefined: the answer says nothing of the token. */
  verdictOn({ action, message }: Resolution, answer: ApiResponse, place: string): Verdict | undefined {
    if (answer.status < 400) this.auth.accepted?.(this.version);
    const isAsked = action === 'REFRESH_TOKEN_THEN_RETRY';
    if (!isAsked && !(answer.status === 401 && action === 'FAIL' && this.auth.hasWorked?.(this.version) === true))
      return undefined;
    if (!this.isRenewed) {
      this.isRenewed = true;
      if (this.auth.refresh(this.version)) return { kind: 'retry', reason: 'the token is refreshed' };
      return isAsked ? { kind: 'retry', reason: message ?? `status ${answer.status}` } : undefined;
    }
    if (!isAsked || this.auth.version === undefined) return undefined;
    return {
      kind: 'error',
      error: new ConfigError(message ?? 'the API refuses a token that was just renewed', {
        code: 'credential_rejected',
        place,
        expected: 'a renewed token to be accepted',
        found: `status ${answer.status} again`,
        next: 'authenticate again, and check what the credential may read',
      }),
    };
  }
}
