import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LIMITS } from '../base/bounds.js';
import { eventOf } from './webhook-event.js';

const nested = (depth: number, open = '[', close = ']') => `{"id":"e","x":${open.repeat(depth)}${close.repeat(depth)}}`;

test('whatever JSON comes, what is kept is text that a database stores, or nothing', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string({ unit: 'binary', maxLength: 8 }), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 4 }),
      fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('evt_1', '\u0000', 'e\ud800', '\udc00')),
      fc.array(fc.constantFrom('\\u0000', '\\ud800', '\\udfff', 'a', '\\ud83d\\ude00')),
      (body, id, escapes) => {
        const text = JSON.stringify({ ...body, id }).replace(/\}$/, `,"e":"${escapes.join('')}"}`);
        const event = eventOf(Buffer.from(text));
        if (!event) return;
        const kept = JSON.stringify(event);
        expect(kept.isWellFormed()).toBe(true);
        expect(kept).not.toMatch(/\\u0000|\\ud[89a-f]/i);
        expect(event.body['id']).toBe(event.id);
      },
    ),
  );
});

test('an ordinary event is kept as it is', () => {
  const body = { id: 'evt_1', type: 'x', data: { object: { id: 'cus_1', name: 'Zoë 💧', list: [1, null, true] } } };
  expect(eventOf(Buffer.from(JSON.stringify(body)))).toEqual({ id: 'evt_1', body });
});

test.each([
  ['no JSON', '{'],
  ['no object', '[]'],
  ['no object', 'null'],
  ['no id', '{}'],
  ['an id that nothing can store', '{"id":"a\\u0000"}'],
  ['an id that nothing can store', '{"id":"a\\ud800"}'],
  ['lists in lists', nested(LIMITS.webhookDepth)],
  ['lists in lists, as many as fit', nested(LIMITS.webhookBytes / 2 - 20)],
  ['objects in objects', nested(100_000, '{"a":', '}').replace('{"a":}', '{"a":1}')],
])('%s: refused', (_, text) => {
  expect(eventOf(Buffer.from(text))).toBeUndefined();
});

test('what is nested as deeply as the bound allows is kept', () => {
  expect(eventOf(Buffer.from(nested(LIMITS.webhookDepth - 1)))).toBeDefined();
});
