/** What decides which rows a stream of a manifest brings: its retriever, and the configuration that this names. */
import { stringifyJson } from '../../../base/json.js';
import { isObject, type Json, type JsonObject } from '../document/read.js';
import { specificationOf, secretsIn } from './config.js';
import type { Kit } from './kit.js';

/** Parts that decide how rows are asked for, and not which. */
const HOW = new Set(['authenticator', 'schema_loader', 'error_handler', 'paginator', 'url_base']);
const NAMED = /\bconfig\s*(?:\.\s*(?!get\b)([A-Za-z_]\w*)|(?:\[|\.\s*get\()\s*\\?(["'])([^"'\\]+)\\?\2\s*[\],)])/g;
const CONFIG = /\bconfig\b/g;
/** What is asked for changes with the time. */
const MOVES = /\b(?:now_utc|today_utc|today_with_timezone|day_delta|now|today)\s*\(/;

/** `hasStart`: the engine knows where its time begins. */
export function askedBy(kit: Kit, stream: JsonObject, hasStart: boolean): string {
  const parts = { retriever: stream['retriever'] ?? null, ...(hasStart ? {} : timesOf(stream)) };
  const text = JSON.stringify(parts, (key, value: Json) => (HOW.has(key) ? undefined : value)) ?? '';
  const named = [...text.matchAll(NAMED)].map(([, name, , quoted]) => name ?? quoted!);
  const isKnown = named.length === (text.match(CONFIG) ?? []).length;
  const config = isKnown ? picked(kit.config, named) : kit.config;
  const secrets = new Set(secretsIn(kit.config, specificationOf(kit.manifest)).map(([, secret]) => secret));
  return stringifyJson([text, without(config, secrets), MOVES.test(text) ? kit.clock.now() : null]);
}

const timesOf = (stream: JsonObject): JsonObject => ({ times: stream['incremental_sync'] ?? null });

function picked(config: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(
    [...new Set(names)].toSorted().flatMap((name) => (config[name] === undefined ? [] : [[name, config[name]]])),
  );
}

/** A key that was renewed asks for the same rows. */
function without(value: Json, secrets: ReadonlySet<string>): Json {
  if (typeof value === 'string') return secrets.has(value) ? null : value;
  if (Array.isArray(value)) return value.map((each) => without(each, secrets));
  return isObject(value)
    ? Object.fromEntries(Object.entries(value).map(([key, each]) => [key, without(each, secrets)]))
    : value;
}
