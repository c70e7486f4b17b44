/** Transformations: what they make of a record, as Airbyte's CDK does, and that the response itself stays as it was. */
import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../document/read.js';
import { parseManifest } from '../document/manifest.js';
import { Templates } from '../templates/template.js';
import { systemClock } from '../../../base/clock.js';
import type { Kit } from './kit.js';
import { transformation } from './transformations.js';

const manifest = parseManifest(
  'version: 1.0.0\ntype: DeclarativeSource\ncheck: {type: CheckStream, stream_names: []}\nstreams: []\n',
  'm.yaml',
);
const kit: Kit = {
  manifest,
  config: {},
  templates: new Templates(),
  clock: systemClock,
  baseUrl: undefined,
  twins: {},
  onConfigChange: () => {},
  notes: new Set(),
  propertyLists: new Map(),
  proves: true,
};

function run(component: JsonObject, record: JsonObject): unknown {
  const given = structuredClone(record);
  const made = transformation(kit, component)({ ...given }, {});
  expect(given).toEqual(record);
  return made;
}

test.each<[string, JsonObject, JsonObject, unknown]>([
  [
    'FlattenFields',
    { type: 'FlattenFields' },
    { a: 1, b: { c: 2, d: { a: 3 } }, l: [{ x: 1 }, { x: 2 }] },
    { 'l.1.x': 2, 'l.0.x': 1, 'b.d.a': 3, 'b.c': 2, a: 1 },
  ],
  [
    'FlattenFields, lists kept',
    { type: 'FlattenFields', flatten_lists: false },
    { a: 1, b: { c: 2, a: 4 }, l: [1, 2] },
    { l: [1, 2], a: 1, c: 2 },
  ],
  [
    'DpathFlattenFields',
    { type: 'DpathFlattenFields', field_path: ['f'], delete_origin_value: true },
    { id: 1, f: { x: 1, y: 2 } },
    { id: 1, x: 1, y: 2 },
  ],
  [
    'DpathFlattenFields onto what is there',
    { type: 'DpathFlattenFields', field_path: ['f'] },
    { id: 1, f: { id: 9, y: 2 } },
    { id: 1, f: { id: 9, y: 2 } },
  ],
  [
    'DpathFlattenFields, renamed, in the place of all',
    {
      type: 'DpathFlattenFields',
      field_path: ['f'],
      replace_record: true,
      key_transformation: { type: 'KeyTransformation', prefix: 'p_', suffix: '_s' },
    },
    { id: 1, f: { x: 1 } },
    { p_x_s: 1 },
  ],
  [
    'KeysReplace',
    { type: 'KeysReplace', old: ' ', new: '_' },
    { 'created time': 1, 'a b': { 'c d': 2 } },
    { created_time: 1, a_b: { c_d: 2 } },
  ],
  ['KeysToLower', { type: 'KeysToLower' }, { AbC: { De: 1 } }, { abc: { De: 1 } }],
  [
    'RemoveFields, by patterns',
    {
      type: 'RemoveFields',
      field_pointers: [
        ['a', 'b'],
        ['l', '*', 'x'],
        ['**', 'z'],
      ],
    },
    { a: { b: 1, c: 2, z: 3 }, l: [{ x: 1, y: 2 }], z: 1 },
    { a: { c: 2 }, l: [{ y: 2 }] },
  ],
  [
    'RemoveFields, some',
    { type: 'RemoveFields', field_pointers: [['a'], ['b']], condition: '{{ property is none }}' },
    { a: null, b: 1 },
    { b: 1 },
  ],
  [
    'AddFields, where a condition holds',
    {
      type: 'AddFields',
      condition: '{{ value > 1 }}',
      fields: [
        { type: 'AddedFieldDefinition', path: ['n', 'm'], value: '{{ record.a + 1 }}' },
        { type: 'AddedFieldDefinition', path: ['o'], value: '{{ record.a }}' },
      ],
    },
    { a: 1, n: { k: 0 } },
    { a: 1, n: { k: 0, m: 2 } },
  ],
])('%s', (_, component, record, expected) => expect(run(component, record)).toEqual(expected));

describe('KeysToSnakeCase', () => {
  test.each([
    ['createdAt', 'created_at'],
    ['HTTPServer', 'httpserver'],
    ['user ID', 'user_id'],
    ['a-b_c', 'a_b_c'],
    ['1st', '_1_st'],
    ['Ünïcode', 'unicode'],
    ['x__y', 'x_y'],
    ['ABC', 'abc'],
    ['a1b2', 'a_1_b_2'],
  ])('%s is %s', (from, to) => expect(run({ type: 'KeysToSnakeCase' }, { [from]: 1 })).toEqual({ [to]: 1 }));
});
