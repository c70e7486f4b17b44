/** Names that somebody may have meant. */

/** Letters that were changed, left out, put in, or exchanged with their neighbour. */
function distance(a: string, b: string): number {
  let [before, last] = [[] as number[], Array.from({ length: b.length + 1 }, (_, i) => i)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let k = 1; k <= b.length; k++) {
      const changed = last[k - 1]! + (a[i - 1] === b[k - 1] ? 0 : 1);
      row[k] = Math.min(changed, last[k]! + 1, row[k - 1]! + 1);
      if (i > 1 && k > 1 && a[i - 1] === b[k - 2] && a[i - 2] === b[k - 1])
        row[k] = Math.min(row[k]!, before[k - 2]! + 1);
    }
    [before, last] = [last, row];
  }
  return last[b.length]!;
}

/** More names than this tell a reader nothing: the one that was meant is proposed beside them. */
const MOST_LISTED = 20;

/** Names as an error lists them: all of a few, else the first, and how many more there are. */
export function listed(names: Iterable<string>): string {
  const all = [...names];
  if (all.length <= MOST_LISTED) return all.join(', ');
  return `${all.slice(0, MOST_LISTED).join(', ')} and ${all.length - MOST_LISTED} more`;
}

/** A name of more letters than this is not one that somebody typed. */
const MOST_LETTERS = 100;

/** The name that is nearest, where at most a third of its letters differ. */
export function nearest(name: string, candidates: Iterable<string>): string | undefined {
  if (name.length > MOST_LETTERS) return undefined;
  const wanted = name.toLowerCase().replaceAll('-', '_');
  let best: { candidate: string; away: number } | undefined;
  for (const candidate of candidates) {
    if (candidate === name) continue;
    const most = Math.max(1, Math.floor(Math.max(wanted.length, candidate.length) / 3));
    if (Math.abs(wanted.length - candidate.length) > most) continue;
    const away = distance(wanted, candidate.toLowerCase().replaceAll('-', '_'));
    if (away <= most && away < (best?.away ?? Infinity)) best = { candidate, away };
  }
  return best?.candidate;
}
