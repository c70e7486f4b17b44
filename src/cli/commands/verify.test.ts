import { expect, test } from 'vitest';
import { partText } from './verify.js';

test('samples of one stream are told apart by the part that each compared', () => {
  expect(partText(1_700_000_000, 1_700_003_600)).toBe('2023-11-14T22:13:20Z to 2023-11-14T23:13:20Z');
  expect(partText(0, 1_700_000_000)).toBe('the beginning to 2023-11-14T22:13:20Z');
  expect(partText(3, 4)).toBe('3 to 4');
});
