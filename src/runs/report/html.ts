/** Pieces of a report: escaped text, tables, curves and spans as SVG. No script, no address of elsewhere. */

/** Markup that was made here; all else is text. */
export class Html {
  constructor(readonly text: string) {}
}

type Piece = string | number | Html | readonly Piece[] | undefined | false;

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

export const escaped = (text: string): string => text.replaceAll(/[&<>"']/g, (letter) => ENTITIES[letter]!);

/** What is put in is text, but for markup made the same way. */
export function html(strings: TemplateStringsArray, ...pieces: Piece[]): Html {
  return new Html(strings.map((part, i) => part + (i < pieces.length ? textOf(pieces[i]) : '')).join(''));
}

function textOf(piece: Piece): string {
  if (piece === undefined || piece === false) return '';
  if (piece instanceof Html) return piece.text;
  if (Array.isArray(piece)) return piece.map((each: Piece) => textOf(each)).join('');
  return escaped(String(piece));
}

export function htmlTable(head: string[], rows: Piece[][]): Html {
  if (rows.length === 0) return html``;
  return html`<div class="scroll" tabindex="0" role="group">
    <table>
      <thead>
        <tr>
          ${head.map((title) => html`<th scope="col">${title}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (cells) =>
            html`<tr>
              ${cells.map((cell) => html`<td>${cell}</td>`)}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

const WIDTH = 600;
const HEIGHT = 120;

export interface Curve {
  label: string;
  values: (number | null)[];
  isLimit?: boolean;
}

/** `x`: any unit, rising. `format` tells a value. */
export function htmlChart(
  title: string,
  x: number[],
  curves: Curve[],
  format: (value: number) => string,
  end: string,
): Html {
  const known = curves.flatMap(({ values }) => values.filter((value) => value !== null));
  const most = Math.max(0, ...known);
  const from = x[0] ?? 0;
  const span = Math.max(1, (x.at(-1) ?? 0) - from);
  const xOf = (i: number) => (((x[i]! - from) / span) * WIDTH).toFixed(1);
  const yOf = (value: number) => (HEIGHT - 2 - (most > 0 ? value / (most * 1.05) : 0) * (HEIGHT - 4)).toFixed(1);
  const path = ({ values }: Curve) => {
    let isOpen = false;
    return values
      .map((value, i) => {
        if (value === null) return ((isOpen = false), '');
        const step = `${isOpen ? 'L' : 'M'}${xOf(i)} ${yOf(value)}`;
        isOpen = true;
        return step;
      })
      .join('');
  };
  const mostOf = ({ values }: Curve) => Math.max(0, ...values.map((value) => value ?? 0));
  const told = curves.map(
    (curve, i) =>
      html`<span class="key k${curve.isLimit ? 'l' : i}">${curve.label}: at most ${format(mostOf(curve))}</span>`,
  );
  return html`<figure>
    <figcaption><b>${title}</b> ${told}</figcaption>
    <svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label="${title}">
      ${curves.map((curve, i) => html`<path class="c${curve.isLimit ? 'l' : i}" d="${path(curve)}" />`)}
    </svg>
    <div class="ends"><span>0</span><span>${end}</span></div>
  </figure>`;
}

/** The committed parts of a span, oldest to the left. */
export function htmlSpan(done: { from: number; to: number }[], label: string): Html {
  const part = done.reduce((sum, { from, to }) => sum + to - from, 0);
  const bars = done.map(
    ({ from, to }) =>
      html`<rect x="${(from * 1000).toFixed(1)}" width="${Math.max(1, (to - from) * 1000).toFixed(1)}" height="10" />`,
  );
  return html`<svg class="span" viewBox="0 0 1000 10" preserveAspectRatio="none" role="img" aria-label="${label}">
      ${bars}
    </svg>
    ${Math.min(100, Math.floor(100 * part + 0.0001))}%`;
}
