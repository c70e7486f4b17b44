/** The URL of a database that listens at a socket in a folder. */
import type { PostgresTarget } from '../../src/postgres/connect.js';

export function urlOf({ options }: PostgresTarget): string {
  const password = encodeURIComponent(String(options.password));
  return `postgres://${options.user}:${password}@localhost/${options.database}?host=${encodeURIComponent(options.host!)}`;
}
