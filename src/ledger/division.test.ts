import { describe, expect, test } from 'vitest';
import { DensityModel } from './density.js';
import { shareKept } from './division.js';
import { seededRandom } from '../base/random.js';

describe('where a range is divided', () => {
  test('large parts are halved', () => {
    expect([9, 40, 1e6].map(shareKept)).toEqual([0.5, 0.5, 0.5]);
  });

  test('small parts take fewer requests than halves do, and stay parts', () => {
    const random = seededRandom(7);
    const gauss = () => Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
    const requests = (pages: number) =>
      Math.max(1, Math.ceil(Math.round(100 * pages + 10 * Math.sqrt(pages) * gauss()) / 100));
    let aligned = 0;
    let halved = 0;
    for (let pages = 1.2; pages <= 8; pages += 0.1) {
      const share = shareKept(pages);
      expect(share).toBeGreaterThan(0);
      expect(share).toBeLessThan(1);
      for (let i = 0; i < 200; i++) {
        aligned += requests(share * pages) + requests((1 - share) * pages);
        halved += 2 * requests(pages / 2);
      }
    }
    expect(aligned).toBeLessThan(0.97 * halved);
  });
});

describe('what is expected of unread parts', () => {
  test('below the lowest page a history is taken to thin out; between pages it is not', () => {
    const density = new DensityModel(1000);
    density.add(1000, 100, 10);
    const upper = density.rowsIn(500, 1000);
    expect(density.rowsIn(0, 500)).toBeLessThan(upper / 2);
    expect(density.pointBelow(0.5, 0, 1000)).toBeGreaterThan(700);
    density.add(0, 100, 10);
    expect(density.rowsIn(0, 500)).toBeCloseTo(density.rowsIn(500, 1000));
    expect(density.pointBelow(0.25, 0, 1000)).toBeCloseTo(750);
  });
});
