import { expect, test } from 'vitest';
import { seededRandom } from '../../base/random.js';
import { BinaryRows, textLines } from './copy-binary.js';

const roundTrip = (text: string) => {
  const rows = new BinaryRows();
  rows.begin(1, 0);
  rows.numeric(text);
  rows.end();
  return textLines(rows.take(), ['numeric'])[0]!.toString().trim();
};

test.each([
  ['0', '0'],
  ['-0', '0'],
  ['0.00', '0.00'],
  ['-0.5', '-0.5'],
  ['10000', '10000'],
  ['100000000', '100000000'],
  ['1e+21', `1${'0'.repeat(21)}`],
  ['1.5e+3', '1500'],
  ['1.2345e2', '123.45'],
  ['5e-7', '0.0000005'],
  ['-1.25e-10', '-0.000000000125'],
  ['1e400', `1${'0'.repeat(400)}`],
  ['12345678901234567890.00010', '12345678901234567890.00010'],
])('%s is %s', (text, wanted) => {
  expect(roundTrip(text)).toBe(wanted);
});

test('digits come back as they went in', () => {
  const random = seededRandom(5);
  const digits = (most: number) => Array.from({ length: random.integer(most) }, () => random.integer(10)).join('');
  for (let i = 0; i < 20_000; i++) {
    const whole = digits(14).replace(/^0+/, '') || '0';
    const fraction = digits(14);
    const text = fraction === '' ? whole : `${whole}.${fraction}`;
    if (roundTrip(text) !== text) expect.fail(`${text} became ${roundTrip(text)}`);
  }
});
