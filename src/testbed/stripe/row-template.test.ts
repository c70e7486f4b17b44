import { expect, test } from 'vitest';
import { seededRandom } from '../../base/random.js';
import { FaultDice } from '../faults.js';
import { StripeApi } from './api.js';
import { RowTemplate } from './row-template.js';

const KEY = 'sk_test_rows';
const make = (withMalformed = false) =>
  new StripeApi(
    {
      seed: 5,
      rows: 5000,
      shape: 'growth',
      collections: {},
      now: 1_790_000_000,
      keys: { [KEY]: [] },
      second: () => 1_790_000_000,
    },
    withMalformed,
  );

test.each([...make().rows.keys()])(
  '%s: bytes are those of the text, changed, malformed and beyond ASCII too',
  (path) => {
    const rows = make(true).rows.get(path)!;
    const random = seededRandom(1);
    const target = Buffer.alloc(10_000);
    const indexes = [
      0,
      3,
      1000,
      1001,
      rows.size - 1,
      rows.malformed,
      ...Array.from({ length: 300 }, () => random.integer(rows.size)),
    ].filter((index) => index >= 0 && index < rows.size);
    for (const index of indexes) {
      if (index % 5 === 0) rows.change(index, false);
      const text = rows.render(index);
      const end = rows.write(target, 7, index);
      expect(target.toString('utf8', 7, end)).toBe(text);
      expect(() => JSON.parse(text)).not.toThrow();
    }
  },
);

test('a row that finds no room writes nothing, and says so', () => {
  const template = new RowTemplate(
    '{"id":"«id»","n":"«#n»","name":"«name»"}',
    (name) => (i) => (name === 'name' && i === 2 ? 'Łódź' : name + i),
  );
  const whole = Buffer.byteLength(template.render(1));
  expect(template.write(Buffer.alloc(whole), 0, 1)).toBe(whole);
  expect(template.write(Buffer.alloc(whole - 1), 0, 1)).toBe(-1);
  expect(template.write(Buffer.alloc(12), 0, 2)).toBe(-1);
  expect(template.render(1)).toBe('{"id":"id1","n":n1,"name":"name1"}');
  expect(template.render(2)).toContain('Łódź');
});

test('answers do not share memory until they were sent', () => {
  const api = make();
  const dice = new FaultDice({}, seededRandom(1));
  const ask = (limit: number) =>
    api.answer(
      {
        method: 'GET',
        url: new URL(`http://x/v1/customers?limit=${limit}`),
        headers: { authorization: `Bearer ${KEY}` },
      },
      dice,
    );
  const first = ask(100);
  const before = String(first.body);
  const second = ask(99);
  expect(String(first.body)).toBe(before);
  expect(JSON.parse(String(second.body)).data).toHaveLength(99);
  first.release!();
  expect(ask(1).body.length).toBeLessThan(3000);
});
