/** The rows of one collection: a pure function of the seed, overlaid with what changed while the server ran. */
import { hash32, hashString } from '../../base/random.js';
import type { Timeline } from '../shapes.js';
import { FIRST_VERSION, type Collection } from './collection.js';
import { RowTemplate, writeText, type Value } from './row-template.js';

const INDEX_DIGITS = 6;
const HASH_DIGITS = 8;
const HISTORY_AMOUNT = 100_000;

interface Change {
  revision: number;
  deleted: boolean;
}

export class Rows {
  private readonly changes = new Map<number, Change>();
  /** Seconds of rows that came while the server ran. */
  private readonly added: number[] = [];
  private readonly first: RowTemplate;
  private readonly newest: RowTemplate;
  private readonly salt: number;
  /** The row whose `created` is spoilt, or -1. */
  malformed = -1;

  constructor(
    readonly collection: Collection,
    readonly timeline: Timeline,
    seed: number,
    related: (path: string) => Rows,
  ) {
    this.salt = hashString(collection.path, seed);
    const compile = (template: Record<string, unknown>) =>
      new RowTemplate(JSON.stringify(template), (name) => this.valueOf(name, related));
    this.first = compile(collection.template);
    this.newest = collection.newest ? compile(collection.newest) : this.first;
  }

  /** Rows that ever were, deleted ones included. */
  get size(): number {
    return this.timeline.rows + this.added.length;
  }

  secondOf(index: number): number {
    return index < this.timeline.rows ? this.timeline.secondOf(index) : this.added[index - this.timeline.rows]!;
  }

  /** How many rows lie before a unix second. */
  countBefore(second: number): number {
    const base = this.timeline.countBefore(second);
    if (base < this.timeline.rows) return base;
    let count = base;
    while (count < this.size && this.added[count - this.timeline.rows]! < second) count++;
    return count;
  }

  idOf(index: number): string {
    return `${this.collection.prefix}_${index.toString(36).padStart(INDEX_DIGITS, '0')}${this.hashOf(index)}`;
  }

  /** The index that an id names, or -1. */
  indexOf(id: string): number {
    const start = this.collection.prefix.length + 1;
    if (!id.startsWith(`${this.collection.prefix}_`) || id.length !== start + INDEX_DIGITS + HASH_DIGITS) return -1;
    const index = Number.parseInt(id.slice(start, start + INDEX_DIGITS), 36);
    return index >= 0 && index < this.size && this.idOf(index) === id ? index : -1;
  }

  isDeleted(index: number): boolean {
    return this.changes.get(index)?.deleted ?? false;
  }

  /** How often a row was changed. */
  revisionOf(index: number): number {
    return this.changes.get(index)?.revision ?? 0;
  }

  add(second: number): number {
    this.added.push(second);
    return this.size - 1;
  }

  change(index: number, deleted: boolean): void {
    const before = this.changes.get(index) ?? { revision: 0, deleted: false };
    this.changes.set(index, { revision: before.revision + 1, deleted: before.deleted || deleted });
  }

  private templateOf(version: string): RowTemplate {
    return version === FIRST_VERSION ? this.first : this.newest;
  }

  /** The row's JSON text at a version of the API: any but the first is the newest. */
  render(index: number, version = FIRST_VERSION): string {
    const json = this.templateOf(version).render(index);
    return index === this.malformed ? json.replace(/"(created|date)":\d+/, '"$1":"yesterday"') : json;
  }

  /** The same as bytes; returns where they end, or -1 where there is no room for them. */
  write(target: Buffer, at: number, index: number, version = FIRST_VERSION): number {
    return index === this.malformed
      ? writeText(target, at, this.render(index, version))
      : this.templateOf(version).write(target, at, index);
  }

  private hashOf(index: number): string {
    return (hash32(index, this.salt) >>> 0).toString(16).padStart(HASH_DIGITS, '0');
  }

  private valueOf(name: string, related: (path: string) => Rows): Value {
    switch (name) {
      case 'id':
        return (i) => this.idOf(i);
      case 'i':
        return (i) => i;
      case 'created':
        return (i) => this.secondOf(i);
      case 'iso':
        return (i) => new Date(this.secondOf(i) * 1000).toISOString();
      case 'hash':
        return (i) => this.hashOf(i);
      case 'amount':
        return (i) => hash32(i, this.salt ^ 7) % HISTORY_AMOUNT;
      // Most names are plain; now and then one needs more than ASCII, a quote and a line break.
      case 'name':
        return (i) =>
          i % 997 === 3
            ? `Société ${this.hashOf(i)} \\"Łódź\\" 日本\\n& Fils`
            : `Company ${this.hashOf(i)} Ltd and Partners`;
      case 'rev':
        return (i) => this.revisionOf(i);
      default: {
        const path = name.slice('other:'.length);
        return (i) => {
          const other = related(path);
          return other.size === 0 ? '' : other.idOf(hash32(i, this.salt ^ 11) % other.size);
        };
      }
    }
  }
}
