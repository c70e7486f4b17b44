/**
 * Which fields of rows are shown: what looks like it belongs to a person, or opens something, is masked until asked
 * for.
 */
import { stringifyJson } from '../base/json.js';

/** Parts of names, as they stand between underscores, dots or capitals. */
const PERSONAL =
  /(?:^|[_.-])(?:e?mail|name|first|last|phone|mobile|fax|address|street|line[12]|city|zip|postal|postcode|birth\w*|dob|gender|ssn|iban|bic|tax|vat|passport|ip|card|cvc|last4|fingerprint|password|secret|token|key|credential|signature|note|notes|comment|message|body|description|shipping|billing|owner|contact|avatar|photo|location|latitude|longitude)s?(?:$|[_.-])/i;

export function looksPersonal(field: string): boolean {
  return PERSONAL.test(field.replaceAll(/([a-z\d])([A-Z])/g, '$1_$2'));
}

const SHOWN = 200;
export const MASKED = '•••';

/** A value as text, cut where it is long. */
export function shownValue(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  const text = typeof value === 'object' ? stringifyJson(value) : String(value);
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
}
