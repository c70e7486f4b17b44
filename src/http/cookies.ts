/** Cookies that an API sets and wants to see again, as a session of Python's requests keeps them. */
import { CookieJar } from 'tough-cookie';

export class Cookies {
  private readonly jar = new CookieJar(undefined, { looseMode: true });
  private isEmpty = true;

  /** Takes what an answer from this address sets; what is malformed or another site's is left out. */
  take(url: string, header: string | string[] | undefined): void {
    if (header === undefined) return;
    for (const each of Array.isArray(header) ? header : [header]) {
      const kept = this.jar.setCookieSync(each, url, { ignoreError: true });
      if (kept !== undefined) this.isEmpty = false;
    }
  }

  /** The header for a request to this address; undefined where no cookie is for it. */
  headerFor(url: string): string | undefined {
    return this.isEmpty ? undefined : this.jar.getCookieStringSync(url) || undefined;
  }
}
