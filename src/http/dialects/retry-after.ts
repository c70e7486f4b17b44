/**
 * Retry-After in milliseconds: delta seconds (fractions too) or an HTTP date, which is read against the server's own
 * clock. Undefined where it is absent or makes no sense (RFC 9110, section 10.2.3).
 */
export function parseRetryAfter(value: string | undefined, serverTimeMs: number | undefined): number | undefined {
  if (value === undefined) return undefined;
  const text = value.trim();
  if (/^\d{1,15}(\.\d+)?$/.test(text)) return Math.ceil(Number(text) * 1000);
  if (serverTimeMs === undefined || !/[a-z]/i.test(text)) return undefined;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, at - serverTimeMs);
}
