/** Whether a pattern takes whatever another took, judged by samples of what the other takes. */

/** Samples of one pattern. */
const MOST_SAMPLES = 4000;
/** Repetitions beyond what is asked for at least. */
const MORE = 2;

/** False also where that cannot be told. */
export function isLooser(old: string, next: string): boolean {
  if (old === next) return true;
  let expression: RegExp;
  let own: RegExp;
  try {
    expression = new RegExp(next, 'u');
    own = new RegExp(old, 'u');
  } catch {
    return false;
  }
  const samples = new Samples(old).all();
  // What the samples are made from is a reading of the pattern: one that it does not match itself proves nothing.
  const sound = samples?.filter((sample) => own.test(sample)) ?? [];
  return sound.length > 0 && sound.length === samples!.length && sound.every((sample) => expression.test(sample));
}

class Unknown extends Error {}

/** Texts that a pattern takes: each alternative, the ends of each class, the least and most of each repetition. */
class Samples {
  private at = 0;

  constructor(private readonly text: string) {}

  /** Undefined where the pattern has something that is not read here. */
  all(): string[] | undefined {
    try {
      const found = this.alternatives();
      if (this.at < this.text.length) return undefined;
      // A pattern without anchors takes more around what it names.
      const before = this.text.startsWith('^') ? [''] : ['', 'x '];
      const after = this.text.endsWith('$') ? [''] : ['', ' x'];
      return found.flatMap((each) => before.flatMap((b) => after.map((a) => b + each + a)));
    } catch (error) {
      if (error instanceof Unknown) return undefined;
      throw error;
    }
  }

  private alternatives(): string[] {
    const found = [...this.sequence()];
    while (this.text[this.at] === '|') {
      this.at++;
      found.push(...this.sequence());
    }
    return limited(found);
  }

  private sequence(): string[] {
    let found = [''];
    while (this.at < this.text.length && this.text[this.at] !== '|' && this.text[this.at] !== ')') {
      const atom = this.atom();
      if (atom === undefined) continue;
      const [least, most] = this.repetition();
      found = joined(found, repeated(atom, least, most));
    }
    return found;
  }

  /** Undefined for an anchor. */
  private atom(): string[] | undefined {
    const letter = this.text[this.at++]!;
    if (letter === '^' || letter === '$') return undefined;
    if (letter === '.') return ['a', '0', '~', ' '];
    if (letter === '[') return this.characters();
    if (letter === '\\') return this.escaped();
    if (letter !== '(') return [letter];
    if (this.text.startsWith('?:', this.at)) this.at += 2;
    else if (this.text[this.at] === '?') throw new Unknown();
    const found = this.alternatives();
    if (this.text[this.at++] !== ')') throw new Unknown();
    return found;
  }

  private repetition(): [number, number] {
    const rest = this.text.slice(this.at);
    const [whole, from, comma, to] = /^\{(\d+)(,?)(\d*)\}/.exec(rest) ?? [];
    const bounds: [number, number] | undefined =
      rest[0] === '*'
        ? [0, Infinity]
        : rest[0] === '+'
          ? [1, Infinity]
          : rest[0] === '?'
            ? [0, 1]
            : whole === undefined
              ? undefined
              : [Number(from), to ? Number(to) : comma ? Infinity : Number(from)];
    if (!bounds) return [1, 1];
    this.at += whole?.length ?? 1;
    if (this.text[this.at] === '?') this.at++;
    return bounds;
  }

  private escaped(): string[] {
    const letter = this.text[this.at++];
    const known = letter === undefined ? undefined : CLASSES[letter];
    if (known) return known;
    if (letter === undefined || /[a-zA-Z0-9]/.test(letter)) throw new Unknown();
    return [letter];
  }

  private characters(): string[] {
    const end = this.text.indexOf(']', this.at + 1);
    if (end < 0) throw new Unknown();
    const inside = this.text.slice(this.at, end);
    this.at = end + 1;
    const own = new RegExp(`^[${inside}]$`, 'u');
    // The ends of each range, and whatever else of the usual letters it takes.
    const ends = [...inside.matchAll(/([^\\])-([^\\\]])/g)].flatMap(([, from, to]) => [from!, to!]);
    const found = [...new Set([...ends, ...inside, ...USUAL])].filter((letter) => own.test(letter));
    if (found.length === 0) throw new Unknown();
    return found;
  }
}

const CLASSES: Record<string, string[]> = {
  d: ['0', '5', '9'],
  w: ['a', 'Z', '0', '_'],
  s: [' ', '\t'],
  S: ['a', '0', '~', '-'],
  D: ['a', '-'],
  W: ['-', ' '],
};
const USUAL = 'azAZ09_-. /:@~';

function repeated(atom: string[], least: number, most: number): string[] {
  const counts = new Set([least, Math.min(most, least + 1), Math.min(most, least + MORE + 8)]);
  const few = [atom[0]!, atom.at(-1)!];
  return limited(
    // Each letter where one stands, the first and the last where many do.
    [...counts].flatMap((count) =>
      count === 1 ? atom : count > 64 ? unknown() : few.map((each) => each.repeat(count)),
    ),
  );
}

function unknown(): never {
  throw new Unknown();
}

function joined(heads: string[], tails: string[]): string[] {
  if (heads.length * tails.length <= MOST_SAMPLES) return heads.flatMap((head) => tails.map((tail) => head + tail));
  // Too many together: each tail with some head, each head with some tail.
  return limited([
    ...tails.map((tail, i) => heads[i % heads.length]! + tail),
    ...heads.map((head, i) => head + tails[i % tails.length]!),
  ]);
}

const limited = (found: string[]): string[] => found.slice(0, MOST_SAMPLES);
