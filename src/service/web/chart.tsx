/** Curves over time, drawn by uPlot on a canvas; their last and highest values stand beside them as text. */
import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { duration } from './text';

export interface Line {
  label: string;
  values: (number | null)[];
  /** A bound, not what happened. */
  isLimit?: boolean;
}

interface Props {
  title: string;
  /** Seconds since the run began, or unix seconds where `clock`. */
  x: number[];
  lines: Line[];
  /** How a value is told, such as `25/s`. */
  format: (value: number) => string;
  clock?: boolean;
}

const HEIGHT = 150;
/** Names of the style sheet's colours, in the order of the lines. */
const COLOURS = ['--strong', '--warm', '--good', '--bad'];

export function Chart({ title, x, lines, format, clock = false }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const [at, setAt] = useState<number>();
  const theme = useTheme();
  const shape = JSON.stringify([title, lines.map(({ label, isLimit }) => [label, isLimit]), theme, clock]);
  useEffect(() => {
    const element = place.current!;
    const own = new uPlot(
      optionsOf(lines, element, format, clock, setAt),
      [x, ...lines.map(({ values }) => values)],
      element,
    );
    plot.current = own;
    const watch = new ResizeObserver(() => own.setSize({ width: element.clientWidth, height: HEIGHT }));
    watch.observe(element);
    return () => {
      watch.disconnect();
      own.destroy();
      plot.current = undefined;
    };
  }, [shape]);
  useEffect(() => plot.current?.setData([x, ...lines.map(({ values }) => values)]), [x, lines]);
  const shown = at === undefined ? undefined : lines.map(({ values }) => values[at] ?? null);
  return (
    <figure class="chart">
      <figcaption>
        {title}
        {lines.map((line, i) => (
          <span key={line.label} class={`legend ${line.isLimit ? 'limit' : ''} c${i}`}>
            {line.label}: {shown ? told(shown[i] ?? null, format) : wordsOf(line, format)}
          </span>
        ))}
        {at !== undefined && x[at] !== undefined && <span class="empty">at {timeText(x[at], clock)}</span>}
      </figcaption>
      <div ref={place} aria-hidden="true" />
    </figure>
  );
}

const told = (value: number | null, format: (value: number) => string) => (value === null ? '–' : format(value));

/** What a curve shows, for who does not see it. */
function wordsOf({ values, isLimit }: Line, format: (value: number) => string): string {
  const known = values.filter((value) => value !== null);
  if (known.length === 0) return 'none';
  const last = format(known.at(-1)!);
  return isLimit ? last : `${last}, at most ${format(Math.max(...known))}`;
}

const timeText = (seconds: number, clock: boolean) =>
  clock
    ? new Date(seconds * 1000).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' })
    : duration(seconds * 1000);

function optionsOf(
  lines: Line[],
  element: HTMLElement,
  format: (value: number) => string,
  clock: boolean,
  onAt: (at: number | undefined) => void,
): uPlot.Options {
  const styles = getComputedStyle(element);
  // Canvases know no light-dark(): the browser is asked what a colour is here.
  const colour = (name: string) => {
    const probe = element.appendChild(document.createElement('i'));
    probe.style.color = `var(${name})`;
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  };
  const axis = { stroke: colour('--soft'), grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false } };
  const font = `12px ${styles.fontFamily}`;
  return {
    width: Math.max(100, element.clientWidth),
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false, sync: { key: 'charts' }, points: { show: false }, drag: { x: false, y: false } },
    scales: { x: { time: clock }, y: { range: (_, __, most) => [0, most > 0 ? most * 1.08 : 1] } },
    axes: [
      { ...axis, font, size: 30, values: (_, at) => at.map((seconds) => timeText(seconds, clock)) },
      // Between whole numbers nothing is told twice.
      {
        ...axis,
        font,
        size: 64,
        values: (_, at) => at.map((value, i) => (i > 0 && format(value) === format(at[i - 1]!) ? '' : format(value))),
      },
    ],
    series: [
      {},
      ...lines.map(({ label, isLimit }, i) => ({
        label,
        stroke: colour(COLOURS[i % COLOURS.length]!),
        width: isLimit ? 1 : 1.5,
        ...(isLimit ? { dash: [6, 4] } : {}),
        points: { show: false },
        spanGaps: false,
      })),
    ],
    hooks: { setCursor: [(own) => onAt(own.cursor.idx ?? undefined)] },
  };
}

/** Changes with the theme, so that what is drawn is drawn anew. */
function useTheme(): string {
  const [theme, setTheme] = useState('');
  useEffect(() => {
    const look = () => setTheme(getComputedStyle(document.documentElement).backgroundColor);
    look();
    const dark = matchMedia('(prefers-color-scheme: dark)');
    dark.addEventListener('change', look);
    const watch = new MutationObserver(look);
    watch.observe(document.documentElement, { attributes: true, attributeFilter: ['style'] });
    return () => {
      dark.removeEventListener('change', look);
      watch.disconnect();
    };
  }, []);
  return theme;
}
