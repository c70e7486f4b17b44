/**
 * A Singer target as strict as any: a record must follow its schema and fit it, what the schema does not name is
 * dropped, and a new version takes the place of older ones.
 */
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { SingerState } from '../src/destinations/singer/messages.js';

type Row = Record<string, unknown>;

interface Table {
  fits: (record: unknown) => boolean;
  why: () => string;
  properties: Record<string, unknown>;
  keys: string[];
  rows: Map<string, { record: Row; version: number }>;
}

const ajv = new Ajv2020({ strict: false, validateFormats: false });

export class SingerTarget {
  readonly tables = new Map<string, Table>();
  state: SingerState | undefined;
  states = 0;
  activated: string[] = [];

  /** Takes the lines of a run; a torn last line is what a kill leaves. */
  take(text: string): void {
    const lines = text.split('\n');
    for (const [at, line] of lines.entries()) {
      if (line === '' || (at === lines.length - 1 && !text.endsWith('\n'))) continue;
      this.message(JSON.parse(line) as Row);
    }
  }

  rowsOf(stream: string): Row[] {
    return [...(this.tables.get(stream)?.rows.values() ?? [])].map(({ record }) => record);
  }

  private message(message: Row): void {
    const stream = message['stream'] as string;
    switch (message['type']) {
      case 'SCHEMA':
        return this.schema(stream, message);
      case 'RECORD':
        return this.record(stream, message['record'] as Row, message['version'] as number);
      case 'ACTIVATE_VERSION': {
        const { rows } = this.tables.get(stream)!;
        for (const [key, { version }] of rows) if (version !== message['version']) rows.delete(key);
        this.activated.push(stream);
        return;
      }
      case 'STATE':
        this.state = message['value'] as SingerState;
        this.states++;
        return;
      default:
        throw new Error(`no message of Singer: ${JSON.stringify(message).slice(0, 200)}`);
    }
  }

  private schema(stream: string, message: Row): void {
    const schema = message['schema'] as { properties: Record<string, unknown> };
    const fits = ajv.compile(schema);
    this.tables.set(stream, {
      fits: (record) => fits(record),
      why: () => ajv.errorsText(fits.errors),
      properties: schema.properties,
      keys: message['key_properties'] as string[],
      rows: this.tables.get(stream)?.rows ?? new Map(),
    });
  }

  private record(stream: string, record: Row, version: number): void {
    const table = this.tables.get(stream);
    if (!table) throw new Error(`a record of ${stream} before its schema`);
    if (!table.fits(record)) throw new Error(`a record of ${stream} does not fit its schema: ${table.why()}`);
    const unnamed = Object.keys(record).filter((name) => !Object.hasOwn(table.properties, name));
    if (unnamed.length > 0) throw new Error(`${stream}: a target would drop ${unnamed.join(', ')}`);
    const key = table.keys.length > 0 ? JSON.stringify(table.keys.map((name) => record[name])) : `${table.rows.size}`;
    table.rows.set(key, { record, version });
  }
}
