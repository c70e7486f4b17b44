/** Signatures of webhooks: an HMAC with its time. In which header it comes, a connector's descriptor says. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { LIMITS } from '../base/bounds.js';

export type SignatureVerdict = 'good' | 'missing' | 'malformed' | 'wrong' | 'too old';

/** `header`: `t=SECONDS,v1=HEX[,v1=HEX …]`; the signature is HMAC-SHA256 of `SECONDS.BODY`. */
export function verifySignature(
  header: string | undefined,
  body: Buffer,
  secret: string,
  nowMs: number,
): SignatureVerdict {
  if (header === undefined || header === '') return 'missing';
  let seconds: string | undefined;
  const candidates: Buffer[] = [];
  for (const part of header.slice(0, 4096).split(',')) {
    const at = part.indexOf('=');
    const [name, value] = [part.slice(0, at).trim(), part.slice(at + 1).trim()];
    if (name === 't' && /^\d{1,12}$/.test(value)) seconds ??= value;
    if (name === 'v1' && /^[0-9a-f]{64}$/i.test(value)) candidates.push(Buffer.from(value, 'hex'));
  }
  if (seconds === undefined || candidates.length === 0) return 'malformed';
  const expected = createHmac('sha256', secret).update(`${seconds}.`).update(body).digest();
  // Every candidate is compared: how long it takes shall tell nothing.
  let matches = false;
  for (const candidate of candidates) matches = timingSafeEqual(candidate, expected) || matches;
  if (!matches) return 'wrong';
  return Math.abs(nowMs - Number(seconds) * 1000) > LIMITS.webhookAgeMs ? 'too old' : 'good';
}
