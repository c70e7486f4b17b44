/**
 * What Airbyte's own interpolation made of generated templates, written down by
 * `npm run bench -- templates --count N --record FILE`, which needs Python; this does not.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { parseJson } from '../../../base/json.js';
import { Templates } from './template.js';
import { entriesOf, isDict, isFloat, reprOf, TemplateError, Tuple, typeName, type Dict, type Value } from './values.js';

const [head, ...lines] = readFileSync(
  path.join(import.meta.dirname, '../../../../test/manifests/templates-by-cdk.jsonl'),
  'utf8',
)
  .trim()
  .split('\n');
const { now, contexts } = JSON.parse(head!) as { now: string; contexts: string[] };

function tagged(value: Value): unknown {
  if (value === undefined || value === null) return null;
  if (typeof value === 'boolean' || typeof value === 'string') return value;
  if (typeName(value) === 'int') return ['i', reprOf(value)];
  if (isFloat(value)) return ['f', reprOf(value)];
  if (Array.isArray(value)) return [value instanceof Tuple ? 't' : 'l', value.map(tagged)];
  return isDict(value)
    ? ['d', entriesOf(value).map(([key, item]) => [tagged(key), tagged(item)])]
    : ['?', typeName(value)];
}

test('every template comes to what the CDK makes of it', () => {
  const templates = new Templates(() => Date.parse(now));
  expect(lines.length).toBeGreaterThan(1000);
  for (const line of lines) {
    const { t, c, v, e } = JSON.parse(line) as { t: string; c: number; v?: unknown; e?: 1 };
    const evaluated = () => tagged(templates.evaluate(t, parseJson(contexts[c]!) as Dict));
    if (e) expect(evaluated, t).toThrow(TemplateError);
    else expect({ t, v: plain(evaluated()) }).toEqual({ t, v: plain(v) });
  }
});

/** Without addresses of objects. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value).replaceAll(/0x[0-9a-f]{6,}/gi, '0x0')) as unknown;
}
