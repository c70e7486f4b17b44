/**
 * Rows of JSON from a template, written as bytes: rows whose values have the same lengths differ only in the values'
 * places, so that one is a copy of an image with its holes filled. A page takes a tenth of what joining strings takes.
 */
import { isAscii } from 'node:buffer';

export type Value = (index: number) => string | number;

/** Lengths of values are told apart up to this. */
const MOST_LENGTH = 64;
/** More different combinations of lengths are not worth keeping an image each. */
const MOST_IMAGES = 512;

interface Image {
  bytes: Buffer;
  /** Pairs: a place in the bytes, and the value that belongs there. */
  holes: Int32Array;
}

export class RowTemplate {
  private readonly texts: string[] = [];
  /** Which value follows each text; the last text has none. */
  private readonly order: number[] = [];
  private readonly values: Value[] = [];
  private readonly images = new Map<number, Image>();

  /** `«name»` stands for a value within a string, `"«#name»"` for a number: it loses its quotes. */
  constructor(json: string, valueOf: (name: string) => Value) {
    const names: string[] = [];
    let at = 0;
    for (const match of json.matchAll(/"«#([a-z:_]+)»"|«([a-z:_]+)»/g)) {
      const name = (match[1] ?? match[2])!;
      let value = names.indexOf(name);
      if (value < 0) {
        value = names.push(name) - 1;
        this.values.push(valueOf(name));
      }
      this.texts.push(json.slice(at, match.index));
      this.order.push(value);
      at = match.index + match[0].length;
    }
    this.texts.push(json.slice(at));
  }

  render(index: number): string {
    return this.join(this.valuesOf(index));
  }

  /** Writes a row's bytes where there is room for them; returns where they end, or -1 where there is none. */
  write(target: Buffer, at: number, index: number): number {
    const values = this.valuesOf(index);
    const image = this.imageOf(values);
    if (!image) return writeText(target, at, this.join(values));
    const { bytes, holes } = image;
    if (at + bytes.length > target.length) return -1;
    target.set(bytes, at);
    for (let i = 0; i < holes.length; i += 2) {
      const value = values[holes[i + 1]!]!;
      const place = at + holes[i]!;
      for (let k = 0; k < value.length; k++) target[place + k] = value.charCodeAt(k);
    }
    return at + bytes.length;
  }

  private valuesOf(index: number): string[] {
    return this.values.map((value) => String(value(index)));
  }

  private join(values: string[]): string {
    let json = this.texts[0]!;
    for (let i = 0; i < this.order.length; i++) json += values[this.order[i]!]! + this.texts[i + 1]!;
    return json;
  }

  /** Undefined where a value needs more than ASCII, or is too long. */
  private imageOf(values: string[]): Image | undefined {
    let key = 0;
    for (const value of values) {
      if (value.length >= MOST_LENGTH) return undefined;
      key = key * MOST_LENGTH + value.length;
    }
    const known = this.images.get(key);
    if (known) return values.every((value) => isAsciiText(value)) ? known : undefined;
    const json = this.join(values);
    const bytes = Buffer.from(json, 'utf8');
    if (!isAscii(bytes) || this.images.size >= MOST_IMAGES || !Number.isSafeInteger(key)) return undefined;
    const holes = new Int32Array(2 * this.order.length);
    let at = 0;
    for (const [i, value] of this.order.entries()) {
      at += this.texts[i]!.length;
      holes.set([at, value], 2 * i);
      at += values[value]!.length;
    }
    const image = { bytes, holes };
    this.images.set(key, image);
    return image;
  }
}

/** The same for any text. */
export function writeText(target: Buffer, at: number, text: string): number {
  return at + 3 * text.length > target.length && at + Buffer.byteLength(text) > target.length
    ? -1
    : at + target.write(text, at, 'utf8');
}

function isAsciiText(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return false;
  return true;
}
