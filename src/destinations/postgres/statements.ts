/** The tables of a connection as statements, as a first run makes them. */
import { fitIdentifier, quoteIdentifier } from '../../postgres/identifiers.js';
import type { StreamTarget } from '../contract.js';
import { QUARANTINE_TABLE } from './commit.js';
import { Table } from './table.js';

export function statementsFor(schema: string, streams: readonly StreamTarget[]): string[] {
  const taken = new Set<string>([QUARANTINE_TABLE]);
  const tables = streams.map((target) => {
    const name = fitIdentifier(target.name, taken);
    taken.add(name.toLowerCase());
    return new Table({ ...target, mode: target.mode === 'replace' ? 'upsert' : target.mode }, schema, name).declare();
  });
  return [`create schema if not exists ${quoteIdentifier(schema)}`, ...tables.flatMap((table) => table.creation())];
}
