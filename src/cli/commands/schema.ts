/** headrace schema */
import { DESTINATIONS, openSource, resolveConnection, type ConnectionFlags } from '../../wiring/compose.js';
import { ConfigError, EXIT } from '../../base/errors.js';
import { targetsOf } from '../../engine/read/context.js';
import { dbtSources, mermaidDiagram } from '../../engine/report/schema-texts.js';
import { out } from '../terminal/output.js';

export async function command(
  [name]: (string | undefined)[],
  flags: ConnectionFlags & { format: 'sql' | 'dbt' | 'mermaid' },
): Promise<number> {
  const connection = await resolveConnection(name, flags, process.env, 'streams');
  const { destination } = connection;
  const kind = await DESTINATIONS.get(destination.type, connection.destinationModule);
  if (flags.format === 'sql' && !kind.ddl)
    throw new ConfigError(`there are no statements for ${kind.title}`, {
      code: 'no_tables',
      place: '--format',
      expected: 'dbt or mermaid, or a PostgreSQL as destination',
      found: 'sql',
    });
  const { source } = await openSource(connection);
  try {
    const streams = source.streams.filter(({ stored }) => stored);
    if (flags.format === 'mermaid') out(mermaidDiagram(streams).trimEnd());
    else if (flags.format === 'dbt')
      out(dbtSources(connection.name, destination.schema ?? connection.name, streams).trimEnd());
    else {
      const statements = await kind.ddl!(destination, connection.name, targetsOf(streams, destination.mode));
      out(statements.map((statement) => `${statement};`).join('\n'));
    }
  } finally {
    await source.close();
  }
  return EXIT.complete;
}
