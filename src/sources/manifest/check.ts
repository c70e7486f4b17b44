/**
 * The check of a manifest's source: one page of one stream, which proves the credential and tells the server's clock.
 */
import { ConfigError, HeadraceError, messageOf, SkippableError } from '../../base/errors.js';
import type { Account, Stream } from '../contract.js';
import { isObject, type JsonObject } from './document/read.js';
import { list, type Kit } from './runtime/kit.js';
import { nameOf, partsOf } from './streams.js';

/** The stream that a check reads, and its name in the manifest. */
export interface Checked {
  name: string;
  stream: Stream;
  /** Its first page makes the server work on a job. */
  makesJob: boolean;
}

/** The stream that the manifest names for its check, or what that stream's parents begin with. */
export function checkedDefinition(kit: Kit, definitions: JsonObject[]): JsonObject {
  const { root } = kit.manifest;
  const checked =
    isObject(root['check']) && Array.isArray(root['check']['stream_names'])
      ? root['check']['stream_names'].map(String)
      : [];
  const names = checked.length > 0 ? checked : definitions.map(nameOf);
  // There is a first one, since a source without a stream is not built; and a stream has a part.
  let json = partsOf(definitions.find((each) => names.includes(nameOf(each))) ?? definitions[0]!)[0]!;
  for (let parent = firstParent(json); parent; parent = firstParent(json)) json = parent;
  return json;
}

function firstParent(json: JsonObject): JsonObject | undefined {
  const config = list((json['retriever'] ?? {}) as JsonObject, 'partition_router').flatMap((each) =>
    list(each, 'parent_stream_configs'),
  )[0];
  return config && isObject(config['stream']) ? partsOf(config['stream'])[0] : undefined;
}

/** Reads one page. */
export async function check(kit: Kit, { name, stream }: Checked, signal: AbortSignal): Promise<Account> {
  let slice: string | undefined;
  if (stream.division.kind === 'slices' && 'list' in stream.division.of) [slice] = await stream.division.of.list();
  let serverTimeMs: number | undefined;
  try {
    ({ serverTimeMs } = await stream.page({
      gte: null,
      lt: null,
      cursor: null,
      ...(slice === undefined ? {} : { slice }),
      ...(stream.division.kind === 'numbered' ? { number: 0 } : {}),
      signal,
      weight: () => Infinity,
    }));
  } catch (error) {
    if (!(error instanceof SkippableError)) throw error;
    throw new ConfigError(`the check of ${kit.manifest.name} failed on stream ${name}: ${messageOf(error)}`, {
      code: error.code,
      place: error.place,
      expected: error.expected ?? 'an answer',
      found: error.found,
      next: error.next ?? 'check the configuration',
      cause: error,
    });
  }
  return { id: kit.manifest.name, createdMs: undefined, serverTimeMs: serverTimeMs ?? kit.clock.now() };
}

/**
 * The same for a sync, which needs the server's clock and nothing else of it: a stream that the check names and the
 * credential may not read keeps no other from being read, and no job is made for it.
 */
export async function account(
  kit: Kit,
  checked: Checked,
  client: { serverTimeMs: number | undefined },
  signal: AbortSignal,
): Promise<Account> {
  if (!checked.makesJob) {
    try {
      return await check(kit, checked, signal);
    } catch (error) {
      const isRefused = error instanceof HeadraceError && ['api_refused', 'error_envelope'].includes(error.code);
      if (!isRefused) throw error;
    }
  }
  const { clock, manifest } = kit;
  return { id: manifest.name, createdMs: undefined, serverTimeMs: client.serverTimeMs ?? clock.now() };
}
