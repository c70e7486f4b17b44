/** The event of a webhook, as it can be stored whatever its sender wrote; what cannot be is refused for good. */
import { LIMITS } from '../base/bounds.js';

export interface WebhookEvent {
  id: string;
  body: Record<string, unknown>;
}

/** What PostgreSQL stores in no text: NUL, and half a pair of surrogates. */
const isStorable = (text: string) => text.isWellFormed() && !text.includes('\u0000');
const storable = (text: string) => text.toWellFormed().replaceAll('\u0000', '\ufffd');

/** Undefined: no JSON object with an id, or one that is nested too deeply. */
export function eventOf(body: Buffer): WebhookEvent | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return undefined;
  const { id } = parsed as { id?: unknown };
  if (typeof id !== 'string' || id === '' || id.length > 255 || !isStorable(id)) return undefined;
  const cleaned = clean(parsed, 0);
  return cleaned === undefined ? undefined : { id, body: cleaned as Record<string, unknown> };
}

/** Characters that nothing can store become U+FFFD: what an event brings is read from the API again. */
function clean(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return storable(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= LIMITS.webhookDepth) return undefined;
  const inner = Array.isArray(value) ? value : Object.values(value);
  const cleaned = inner.map((each) => clean(each, depth + 1));
  if (cleaned.includes(undefined)) return undefined;
  return Array.isArray(value)
    ? cleaned
    : Object.fromEntries(Object.keys(value).map((key, i) => [storable(key), cleaned[i]]));
}
