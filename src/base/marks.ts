/** Many keys in little memory: a number of 53 bits stands for each, and 12 to 24 bytes hold it. */
import { hashString } from './random.js';

/** A number for a text; two texts of a million share one about once in twenty thousand lists. */
export function markOf(text: string): number {
  return hashString(text) * 2 ** 21 + (hashString(`\u0001${text}`) >>> 11) + 1;
}

/** A set of marks by open addressing; 0 is an empty place. */
export class MarkSet {
  private places = new Float64Array(16);
  size = 0;

  has(mark: number): boolean {
    return this.places[this.placeOf(mark)] === mark;
  }

  add(mark: number): void {
    const place = this.placeOf(mark);
    if (this.places[place] === mark) return;
    this.places[place] = mark;
    if (++this.size * 3 > this.places.length * 2) this.grow();
  }

  private placeOf(mark: number): number {
    const { places } = this;
    let place = mark % places.length;
    while (places[place] !== 0 && places[place] !== mark) place = place + 1 === places.length ? 0 : place + 1;
    return place;
  }

  private grow(): void {
    const { places } = this;
    this.places = new Float64Array(places.length * 2);
    for (const mark of places) if (mark !== 0) this.places[this.placeOf(mark)] = mark;
  }
}
