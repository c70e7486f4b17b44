/** Redaction: whatever leaves the process as text passes here. */
const secrets = new Set<string>();

/** Names of settings and variables that hold secrets. */
export const SECRET_NAME = /key|secret|token|password|passwd|url|dsn|credential/i;

/** Shorter values would redact ordinary words. */
const MIN_SECRET_LENGTH = 6;

/** From now on, `redact` replaces this value wherever it appears, also percent-encoded. */
export function registerSecret(value: string | undefined): void {
  if (value === undefined || value.length < MIN_SECRET_LENGTH) return;
  secrets.add(value);
  const encoded = encodeURIComponent(value);
  if (encoded !== value) secrets.add(encoded);
}

/** Replaces registered secrets, credentials in URLs, and anything that looks like a Stripe key. */
export function redact(text: string): string {
  let out = text;
  for (const secret of secrets) out = out.replaceAll(secret, '***');
  return out
    .replace(/\b((?:sk|rk|pk|whsec)_(?:live_|test_)?)[A-Za-z0-9]{6,}/g, '$1***')
    .replace(/([a-z][a-z0-9+.-]*:\/\/[^\s:/@]*):[^\s@/]+@/gi, '$1:***@')
    .replace(/(\bBearer\s+)[^\s"',]{6,}/gi, '$1***');
}
