/** The only place where a name becomes part of an SQL statement. */
import { createHash } from 'node:crypto';
import { ConfigError } from '../base/errors.js';
import { LIMITS } from '../base/bounds.js';

/**
 * Quotes one identifier. NUL cannot be in one; longer names must be fitted first, since PostgreSQL would cut them
 * silently.
 */
export function quoteIdentifier(name: string): string {
  if (name === '' || name.includes('\0') || Buffer.byteLength(name) > LIMITS.identifierBytes) {
    throw new ConfigError(`not a name for PostgreSQL: ${JSON.stringify(name.slice(0, 80))}`, {
      code: 'bad_identifier',
      expected: `1 to ${LIMITS.identifierBytes} bytes without NUL`,
      found: `${Buffer.byteLength(name)} bytes`,
    });
  }
  return `"${name.replaceAll('"', '""')}"`;
}

/** A text as a literal, for statements that take no parameters. NUL cannot be in one. */
export function quoteLiteral(text: string): string {
  const quoted = text.replaceAll('\0', '').replaceAll("'", "''");
  return quoted.includes('\\') ? `E'${quoted.replaceAll('\\', '\\\\')}'` : `'${quoted}'`;
}

export function qualified(schema: string, name: string): string {
  return `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`;
}

/**
 * Names for columns or tables: every input gets its own name of at most 63 bytes, also where inputs differ only in case
 * or after the 63rd byte. Names that fit and stand alone stay as they are; the choice depends on the name and on those
 * taken before.
 */
export function fitIdentifier(name: string, taken: ReadonlySet<string>): string {
  const clean = name.replaceAll('\0', '').toWellFormed() || '_';
  if (Buffer.byteLength(clean) <= LIMITS.identifierBytes && !taken.has(clean.toLowerCase())) return clean;
  const digest = createHash('sha256')
    .update(name.isWellFormed() ? name : JSON.stringify(name))
    .digest('hex');
  // What is taken may look like a name with a suffix.
  let fitted = clean;
  for (let digits = 8; digits < LIMITS.identifierBytes; digits += 8) {
    fitted = withSuffix(clean, `_${digest.slice(0, digits)}`);
    if (!taken.has(fitted.toLowerCase())) break;
  }
  return fitted;
}

function withSuffix(name: string, suffix: string): string {
  let stem = name.slice(0, LIMITS.identifierBytes);
  while (Buffer.byteLength(stem) + suffix.length > LIMITS.identifierBytes) stem = stem.slice(0, -1);
  return stem.toWellFormed().replaceAll('\ufffd', '') + suffix;
}
