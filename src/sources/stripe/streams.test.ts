import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { expect, test } from 'vitest';
import { GROUP_OF_PATH, NOT_OFFERED, PARENTS, TELLS_OF_ACCOUNT, TOLD_BY, UNMAPPED } from './facts.js';
import * as facts from './facts.js';
import { EVENTS, EVENTS_V2, LISTS } from './generated/lists.js';
import { SCHEMAS } from './generated/schemas.js';
import { schemaOf } from './schemas.js';
import { FIELDS_2024 } from './schemas-2024.js';
import { nameOf, STREAMS } from './streams.js';
import { toldBy } from './changes.js';
import { FIRST_VERSION, NEWEST_VERSION } from './versions.js';

const root = path.join(import.meta.dirname, '../../..');

test('what is generated is what the types of the package say today', () => {
  const { stdout, status } = spawnSync(process.execPath, ['scripts/stripe-streams.mjs', '--check'], {
    cwd: root,
    encoding: 'utf8',
  });
  expect(stdout).toMatch(/^\d+ lists/);
  expect(status).toBe(0);
});

test('every list of the types is a stream, or is named with the reason why not', () => {
  const offered = new Set(STREAMS.map(({ list }) => list.path));
  const missing = LISTS.map((list) => list.path).filter((each) => !offered.has(each) && !NOT_OFFERED[each]);
  expect(missing).toEqual([]);
  expect({ lists: LISTS.length, streams: STREAMS.length, notOffered: Object.keys(NOT_OFFERED).length }).toEqual({
    lists: 138,
    streams: 131,
    notOffered: 8,
  });
  expect(new Set(STREAMS.map(({ name }) => name)).size).toBe(STREAMS.length);
});

test('the table beside the types names lists and objects that there are', () => {
  const paths = new Set(LISTS.map((list) => list.path));
  const named = [
    ...Object.keys(facts.NAMES),
    ...Object.keys(facts.POSITIONS),
    ...facts.NEWEST_FIRST,
    ...Object.keys(facts.QUERIES),
    ...Object.entries(PARENTS).flatMap(([list, { of }]) => [list, of]),
    ...facts.MORE_STREAMS.flatMap((more) => [more.path, more.of]),
    ...Object.keys(facts.PARENT_FIELDS),
    ...[...Object.keys(facts.KEYS), ...facts.CHANGED_WITH_PARENT].filter((each) => each.includes('/')),
    ...Object.keys(NOT_OFFERED),
    ...facts.READ_AGAIN,
    ...Object.keys(facts.LOOKBACKS),
    ...Object.values(TOLD_BY).flatMap((told) => told.map(({ of }) => of)),
  ];
  expect(named.filter((each) => !paths.has(each))).toEqual([]);
  const unused = Object.keys(GROUP_OF_PATH).filter((prefix) => !LISTS.some((list) => list.path.startsWith(prefix)));
  expect(unused).toEqual([]);
  for (const { parameter, of } of Object.values(PARENTS))
    expect(
      STREAMS.some(({ name }) => name === nameOf(of)),
      parameter,
    ).toBe(true);
});

test.each(LISTS.filter(({ required }) => required !== '').map((list) => [list.path, list] as const))(
  '%s gets the parameters that it wants',
  (at, list) => {
    const parent = PARENTS[at];
    expect(NOT_OFFERED[at] !== undefined || parent?.parameter === list.required).toBe(true);
  },
);

test.each(STREAMS.map((stream) => [stream.name, stream] as const))(
  '%s: its schema has the fields of the types, and no others',
  (_, definition) => {
    const body = SCHEMAS[definition.list.path]!;
    const lines = (body.startsWith('=') ? SCHEMAS[body.slice(1)]! : body).split('\n');
    const parent = typeof definition.shape === 'object' ? [definition.shape.field] : [];
    const { schema, isHint } = schemaOf(definition, NEWEST_VERSION, []);
    const wanted = new Set([...lines.map((line) => line.split('\t')[0]!), ...parent]);
    expect(Object.keys(schema.properties!).toSorted()).toEqual([...wanted].toSorted());
    expect(isHint).toBe(false);
    for (const field of definition.key) expect(schema.properties).toHaveProperty(field);
    if (definition.shape === 'range') expect(schema.properties).toHaveProperty(definition.position!);
  },
);

test('streams of before are at their version what they were', () => {
  const old = STREAMS.filter(({ name }) => FIELDS_2024[name] !== undefined);
  expect(old).toHaveLength(30);
  for (const definition of old) {
    const { schema, isHint } = schemaOf(definition, FIRST_VERSION, []);
    expect(isHint).toBe(false);
    const fields = FIELDS_2024[definition.name]!.trim()
      .split(/\s+/)
      .map((entry) => entry.split(':')[0]!);
    expect(Object.keys(schema.properties!).toSorted()).toEqual(fields.toSorted());
    expect(definition.byDefault).toBe(true);
    expect(definition.key).toEqual(['id']);
    expect(definition.follow.kind).toBe(
      { balance_transactions: 'cursor', events: 'cursor' }[definition.name] ?? 'events',
    );
  }
  // A stream that came later has no promised columns there.
  const accounts = STREAMS.find(({ name }) => name === 'accounts')!;
  expect(schemaOf(accounts, FIRST_VERSION, []).isHint).toBe(true);
  expect(schemaOf(accounts, '2031-01-01.tulip', []).isHint).toBe(true);
});

test.each([...EVENTS, ...EVENTS_V2])('event %s is mapped to a stream, or named as unmapped', (type, objects) => {
  const isThin = EVENTS_V2.some(([each]) => each === type);
  // A thin event whose object the types do not name carries it: what it is shows when it comes.
  if (objects === '') return expect(isThin).toBe(true);
  for (const object of objects.split(' ')) {
    const told = toldBy({
      type,
      account: 'acct_1',
      ...(isThin
        ? { related_object: { id: 'x_1', type: object } }
        : { data: { object: { id: 'x_1', object, customer: 'cus_1', subscription: 'sub_1' } } }),
    });
    const isNamed = UNMAPPED[object] !== undefined || TELLS_OF_ACCOUNT.test(type);
    expect(told.length > 0 || isNamed || (isThin && TOLD_BY[object] !== undefined), object).toBe(true);
  }
});

test('what is named as unmapped is told by some event, and by no stream', () => {
  const objects = new Set([...EVENTS, ...EVENTS_V2].flatMap(([, each]) => each.split(' ')));
  for (const object of Object.keys(UNMAPPED)) {
    expect(objects, object).toContain(object);
    expect(STREAMS.filter((stream) => stream.objects.includes(object))).toEqual([]);
  }
});
