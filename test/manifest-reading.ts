/** Manifests read over real HTTP; what a test starts is closed after it. */
import { onTestFinished } from 'vitest';
import {
  type Answer,
  type ManifestInput,
  type ManifestRun,
  manifestConnection,
  manifestOf,
  type Row,
  type Scripted,
  scripted,
} from './manifest-support.js';

/** A server that is closed after the test. */
export async function api(answer: Answer): Promise<Scripted> {
  const started = await scripted(answer);
  onTestFinished(() => started.close());
  return started;
}

/** A connection that is dropped after the test. */
export function connection(input: ManifestInput) {
  const made = manifestConnection(input);
  onTestFinished(made.drop);
  return made;
}

/** Reads these streams of a server that answers so. */
export async function read(
  answer: Answer,
  streams: string,
  input: Partial<ManifestInput> = {},
  more = '',
): Promise<ManifestRun & { asked: string[] }> {
  const server = await api(answer);
  const run = await connection({ manifest: manifestOf(streams, more), url: server.url, ...input }).sync();
  return { ...run, asked: server.asked };
}

/** The ids of rows, in order. */
export const ids = (rows: Row[] | undefined) =>
  (rows ?? []).map((row) => row['id'] as number).toSorted((a, b) => a - b);
/** Whole numbers, the end excluded. */
export const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
/** The body of a page with these ids. */
export const data = (list: number[], more: Row = {}) => ({ data: list.map((id) => ({ id })), ...more });
