/** Reads streams of a vendor's manifest through its twins, from a server that answers as the vendor documents it. */
import { expect } from 'vitest';
import { api, connection } from './manifest-reading.js';
import { manifestOf, type Answer, type Row } from './manifest-support.js';

export const custom = (kind: string, name: string, fields = '') =>
  `{type: Custom${kind}, class_name: source_x.components.${name}${fields && `, ${fields}`}}`;

export interface Vendor {
  /** Of the connector, where its twins go by it. */
  name?: string;
  streams: string;
  config?: Row;
  answer: Answer;
  described?: string;
  spec?: string;
  /** The server is asked whatever address the manifest names. */
  standsIn?: boolean;
}

/** The rows that came, without a problem, and what was asked for. */
export async function rowsOf({
  answer,
  streams,
  spec,
  standsIn,
  ...input
}: Vendor): Promise<{ rows: Record<string, Row[]>; asked: string[] }> {
  const server = await api(answer);
  const manifest = manifestOf(streams, spec).replaceAll('https://api.test', server.url);
  const { sync } = connection({ manifest, ...(standsIn ? { url: server.url } : {}), ...input });
  const { rows, summary } = await sync();
  expect(summary.problems).toEqual([]);
  return { rows, asked: server.asked };
}

export const replaceExtractor = (stream: string, extractor: string) =>
  stream.replace('extractor: {field_path: [data]}', `extractor: ${extractor}`);

/** A parent stream in one line: its records are what the answer is. */
export const parentNamed = (name: string, path: string, field = 'id') =>
  `{type: ParentStreamConfig, parent_key: id, partition_field: ${field}, stream: {type: DeclarativeStream, name: ${name}, primary_key: id, schema_loader: {type: InlineSchemaLoader, schema: {type: object, properties: {}}}, retriever: {type: SimpleRetriever, record_selector: {extractor: {field_path: []}}, requester: {url_base: https://api.test, path: ${path}}}}}`;
