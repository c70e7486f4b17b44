/** Names of fields in the bytes of rows, numbered: rows of a list name the same fields in the same order. */

const QUOTE = 0x22;

/** More names than a table has columns are no names, but data: what came first is forgotten then. */
const MOST_NAMES = 5_000;

export class FieldNames {
  readonly names: string[] = [];
  private readonly numbers = new Map<string, number>();
  private readonly bytes: Uint8Array[] = [];
  /** By number + 1 of a field: the one that came after it last; of 0, the one that came first. */
  private readonly after: number[] = [];

  /** The numbers of a page are of one table of names: a new one is begun between pages. */
  get isFull(): boolean {
    return this.names.length >= MOST_NAMES;
  }

  numberOf(name: string): number {
    let number = this.numbers.get(name);
    if (number === undefined) {
      number = this.names.length;
      this.numbers.set(name, number);
      this.names.push(name);
      this.bytes.push(Buffer.from(name));
    }
    return number;
  }

  /**
   * The field that comes after `before` (-1: first) as a rule, if it is the one whose quote is at `at`; else -1. Its
   * name has no escapes then, and is `lengthOf` bytes long.
   */
  expectedAfter(before: number, bytes: Uint8Array, at: number): number {
    const number = this.after[before + 1];
    if (number === undefined) return -1;
    const name = this.bytes[number]!;
    const { length } = name;
    if (bytes[at + length + 1] !== QUOTE || bytes[at] !== QUOTE) return -1;
    for (let i = 0; i < length; i++) if (bytes[at + 1 + i] !== name[i]) return -1;
    return number;
  }

  /** Bytes of a name, without quotes. */
  lengthOf(number: number): number {
    return this.bytes[number]!.length;
  }

  expect(before: number, number: number): void {
    this.after[before + 1] = number;
  }
}
