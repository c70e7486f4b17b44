/** FileUploader: the file that a record points to, stored in a folder; the record tells where. */
import { createHash } from 'node:crypto';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { FatalError, messageOf } from '../../../base/errors.js';
import { stringifyJson } from '../../../base/json.js';
import type { DataRecord, JsonSchema } from '../../../base/catalog.js';
import type { JsonObject } from '../document/read.js';
import { placeOf } from '../document/manifest.js';
import type { Dict } from '../templates/values.js';
import { decoder } from './decoders.js';
import { fields, text, type Kit, type Scope } from './kit.js';
import { extractor } from './records.js';
import { exchanger, type RetrieverParts } from './exchange.js';

/** The field that tells where a record's file is, as in the Airbyte protocol. */
export const FILE_REFERENCE = 'file_reference';

export const FILE_REFERENCE_SCHEMA: JsonSchema = { type: ['object', 'null'] };

/** Names of files and folders are cut at this many bytes by most file systems. */
const NAME_BYTES = 200;

export interface FileReference {
  /** Where the file is. */
  staging_file_url: string;
  /** The same, in the folder of all files. */
  source_file_relative_path: string;
  file_size_bytes: number;
}

/** Records with their files, up to the first whose file did not come, and why it did not. */
export type FetchFiles = (
  records: DataRecord[],
  slice: Dict,
  signal: AbortSignal,
) => Promise<{ records: DataRecord[]; failure?: unknown }>;

export function fileFetcher(
  kit: Kit,
  stream: string,
  component: JsonObject,
  folder: string,
  parts: RetrieverParts,
): FetchFiles {
  const targetOf = extractor(kit, component['download_target_extractor'] as JsonObject, 'values');
  const content = fields(component, 'file_extractor');
  const contentOf = content && extractor(kit, content, 'values');
  const decode = decoder(kit, undefined);
  // What is shown of requests to a connector's author leaves out files.
  const { send } = exchanger(kit, stream, component['requester'] as JsonObject, (body) => [body], {
    ...parts,
    onExchange: undefined,
  });
  const nameOf =
    typeof component['filename_extractor'] === 'string'
      ? text(kit, component, component['filename_extractor'])
      : undefined;

  const fetchOne = async (record: DataRecord, slice: Dict, signal: AbortSignal): Promise<DataRecord> => {
    const [target] = targetOf(record, { stream_slice: slice }) as unknown[];
    if (target === undefined || target === null) return { ...record, [FILE_REFERENCE]: null };
    if (typeof target !== 'string')
      throw new FatalError('a record names no address of its file', {
        code: 'file_target',
        place: placeOf(kit.manifest, component),
        expected: 'a text at download_target_extractor',
        found: typeof target,
        next: 'correct the extractor',
      });
    const scope: Scope = {
      record: record as Dict,
      download_target: target,
      stream_slice: {
        ...slice,
        extra_fields: { ...(slice['extra_fields'] as Dict | undefined), download_target: target },
      },
    };
    const { documents } = await send({
      scope,
      fill: () => undefined,
      isFirst: true,
      signal,
      weight: () => Infinity,
      ticket: undefined,
    });
    let [body] = documents as [Buffer?];
    // An answer that the error handler ignores: the file is gone.
    if (!body) return { ...record, [FILE_REFERENCE]: null };
    if (contentOf) body = Buffer.from(String((contentOf(decode(body)[0], scope) as unknown[])[0] ?? ''));
    const relative = [safe(stream), ...segments(nameOf?.(scope) ?? '', target, record)].join('/');
    const file = path.join(folder, relative);
    await store(file, body);
    return {
      ...record,
      [FILE_REFERENCE]: {
        staging_file_url: file,
        source_file_relative_path: relative,
        file_size_bytes: body.length,
      } satisfies FileReference,
    };
  };
  return async (records, slice, signal) =>
    untilFailure(await Promise.allSettled(records.map((record) => fetchOne(record, slice, signal))));
}

function untilFailure(all: PromiseSettledResult<DataRecord>[]): { records: DataRecord[]; failure?: unknown } {
  const records: DataRecord[] = [];
  for (const each of all) {
    if (each.status === 'rejected') return { records, failure: each.reason };
    records.push(each.value);
  }
  return { records };
}

/**
 * The name that the manifest gives, kept within its folder; without one, of what identifies the file, so that it is
 * stored once.
 */
function segments(name: string, target: string, record: DataRecord): string[] {
  const named = name.split(/[/\\]/).map(safe).filter(Boolean);
  return named.length > 0
    ? named
    : [
        createHash('sha256')
          .update(
            typeof record['id'] === 'string' || typeof record['id'] === 'number'
              ? `${record['id']}`
              : stringifyJson([target.split('?')[0]]),
          )
          .digest('hex')
          .slice(0, 40),
      ];
}

function safe(segment: string): string {
  const text = segment.trim().replaceAll(/[\p{Cc}<>:"|?*]/gu, '_');
  if (/^\.*$/.test(text)) return '';
  return Buffer.byteLength(text) <= NAME_BYTES
    ? text
    : `${createHash('sha256').update(text).digest('hex').slice(0, 16)}-${text.slice(-40)}`;
}

/** The whole file or none. */
async function store(file: string, body: Buffer): Promise<void> {
  const half = `${file}.part`;
  try {
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(half, body);
    await rename(half, file);
  } catch (error) {
    await rm(half, { force: true }).catch(() => {});
    throw new FatalError('a file cannot be stored', {
      code: 'file_write',
      place: file,
      expected: 'room, and the right to write',
      found: messageOf(error),
      next: 'make room or choose another folder under files, then run again',
      cause: error,
    });
  }
}
