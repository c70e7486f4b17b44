/** The streams of a connection as other tools read them: a sources file of dbt, and a diagram of Mermaid. */
import { stringify } from 'yaml';
import type { JsonSchema, JsonType } from '../../base/catalog.js';
import type { Stream } from '../../sources/contract.js';
import { parentOf } from '../read/context.js';

/** Of what a schema says, dbt's tests follow: keys are unique and there. */
export function dbtSources(connection: string, schema: string, streams: readonly Stream[]): string {
  return stringify(
    {
      version: 2,
      sources: [
        {
          name: connection,
          schema,
          loaded_at_field: '_headrace_extracted_at',
          tables: streams.map((stream) => ({
            name: stream.name,
            ...describedAs(stream.schema),
            columns: columnsOf(stream),
          })),
        },
      ],
    },
    { lineWidth: 0 },
  );
}

function columnsOf({ schema, primaryKey }: Stream): Record<string, unknown>[] {
  const names = [...new Set([...primaryKey, ...Object.keys(schema.properties ?? {})])];
  return names.map((name) => ({
    name,
    ...describedAs(schema.properties?.[name] ?? {}),
    ...(primaryKey.includes(name)
      ? { data_tests: primaryKey.length === 1 ? ['unique', 'not_null'] : ['not_null'] }
      : {}),
  }));
}

function describedAs({ title, description }: JsonSchema): { description?: string } {
  const text = [title, description].filter((part) => part !== undefined && part.trim() !== '').join(': ');
  return text === '' ? {} : { description: text };
}

/** Streams with their columns and keys, and which is read for each row of which. */
export function mermaidDiagram(streams: readonly Stream[]): string {
  const lines = ['erDiagram'];
  for (const stream of streams) {
    lines.push(`  ${entity(stream.name)} {`);
    for (const name of new Set([...stream.primaryKey, ...Object.keys(stream.schema.properties ?? {})]))
      lines.push(
        `    ${typeWord(stream.schema.properties?.[name] ?? {})} ${word(name)}${stream.primaryKey.includes(name) ? ' PK' : ''}`,
      );
    lines.push('  }');
  }
  const names = new Set(streams.map(({ name }) => name));
  for (const stream of streams) {
    const parent = parentOf(stream);
    if (parent !== undefined && names.has(parent))
      lines.push(`  ${entity(parent)} ||--o{ ${entity(stream.name)} : has`);
  }
  return `${lines.join('\n')}\n`;
}

/** Names of Mermaid: anything in quotes but quotes; of attributes, words alone. */
const entity = (name: string) => `"${name.replaceAll(/["\n]/g, '_')}"`;
const word = (name: string) => name.replaceAll(/[^\p{L}\p{N}_-]/gu, '_').replace(/^(?![\p{L}_])/u, '_');

function typeWord({ type, format }: JsonSchema): string {
  const types = ([] as JsonType[]).concat(type ?? []).filter((each) => each !== 'null');
  if (types.length !== 1) return 'json';
  if (types[0] === 'string' && (format === 'date-time' || format === 'date'))
    return format === 'date' ? 'date' : 'timestamp';
  return types[0] === 'object' || types[0] === 'array' ? 'json' : types[0]!;
}
