/** Where a value goes into a request: parameter, header, form or JSON body. */
import { ConfigError } from '../../../base/errors.js';
import { placeOf } from '../document/manifest.js';
import type { Json, JsonObject } from '../document/read.js';
import { define, setAt, text, type Kit } from './kit.js';

/** A request as the components fill it in. */
export interface RequestParts {
  params: Record<string, unknown>;
  headers: Record<string, string>;
  form: Record<string, unknown>;
  json: Record<string, unknown>;
}

export const emptyParts = (): RequestParts => ({ params: {}, headers: {}, form: {}, json: {} });

export type Inject = (parts: RequestParts, value: unknown) => void;

/**
 * A RequestOption; undefined where there is none. A field that is set twice is a fault of the manifest, as in Airbyte.
 */
export function injection(kit: Kit, option: JsonObject | undefined): Inject | undefined {
  if (!option || option['type'] === 'RequestPath') return undefined;
  const path = Array.isArray(option['field_path'])
    ? option['field_path'].map((part: Json) => text(kit, option, part))
    : undefined;
  const name = text(kit, option, option['field_name'] ?? '');
  const into = option['inject_into'];
  return (parts, value) => {
    if (value === undefined || value === null) return;
    const key = path ? undefined : name({});
    switch (into) {
      case 'request_parameter':
        return define(parts.params, key!, value);
      case 'header':
        return define(parts.headers, key!.toLowerCase(), String(value));
      case 'body_data':
        return define(parts.form, key!, value);
      case 'body_json':
        return setAt(parts.json, path ? path.map((part) => part({})) : [key!], value);
      default:
        throw new ConfigError('a request option names no part of a request', {
          code: 'manifest_invalid',
          place: placeOf(kit.manifest, option),
          expected: 'request_parameter, header, body_data or body_json',
          found: String(into),
        });
    }
  };
}
