/** Text cut to columns as a terminal counts them: wide characters take two, colours and marks none. */
import stringWidth from 'string-width';

const graphemes = new Intl.Segmenter();

export { stringWidth as widthOf };

/** Plain text, without colours: cut at the end, and said so. */
export function cut(text: string, columns: number): string {
  if (stringWidth(text) <= columns) return text;
  let kept = '';
  let width = 0;
  for (const { segment } of graphemes.segment(text)) {
    width += stringWidth(segment);
    if (width > columns - 1) break;
    kept += segment;
  }
  return columns < 1 ? '' : `${kept}…`;
}

export function padEnd(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - stringWidth(text)));
}

export function padStart(text: string, columns: number): string {
  return ' '.repeat(Math.max(0, columns - stringWidth(text))) + text;
}

export interface Part {
  text: string;
  /** What does not fit is left out from the highest on; 0 stays, cut where it must be. */
  rank: number;
}

/** As many parts as fit, in their order. */
export function fit(parts: Part[], columns: number, between = '; '): string {
  const kept = parts.filter(({ text }) => text !== '');
  const width = () => stringWidth(kept.map(({ text }) => text).join(between));
  while (width() > columns) {
    const last = kept.reduce((worst, part, i) => (part.rank >= kept[worst]!.rank ? i : worst), 0);
    if (kept[last] === undefined || kept[last].rank === 0) break;
    kept.splice(last, 1);
  }
  return cut(kept.map(({ text }) => text).join(between), columns);
}

/** What is there to be copied: a line end inside it would end it. */
const COMMAND = /\b(?:headrace|npm|npx|export|openssl) \S/;

/**
 * Lines broken between words, each continued a little to the right of where it began. Longer words stay whole, and so
 * do lines with a command.
 */
export function wrap(text: string, columns: number): string {
  return text
    .split('\n')
    .map((line) => {
      if (stringWidth(line) <= columns || COMMAND.test(line)) return line;
      const indent = `${/^ */.exec(line)![0]}  `;
      const lines: string[] = [];
      let at = '';
      for (const word of line.split(/(?<=\S) /)) {
        const longer = at === '' ? word : `${at} ${word}`;
        if (at.trim() === '' || stringWidth(longer) <= columns) at = longer;
        else {
          lines.push(at);
          at = indent + word;
        }
      }
      return [...lines, at].join('\n');
    })
    .join('\n');
}
