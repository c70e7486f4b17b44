// Draws docs/images/sync.svg: a real sync in a real terminal (tmux), sampled as it runs, as an animation without
// script. Run it by `npm run recording` after the picture of the terminal has changed.
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const { startStripeTestbed, TESTBED_LIVE_KEY } = await import('../dist/testbed/index.js');

const ROOT = path.join(import.meta.dirname, '..');
const OUT = path.join(ROOT, 'docs/images/sync.svg');
const [COLUMNS, ROWS] = [92, 18];
const [CELL_WIDTH, LINE_HEIGHT, PADDING] = [8.43, 18, 14];
const EVERY_MS = 400;
const LAST_FRAME_MS = 6000;
const COMMAND = 'headrace sync stripe --streams customers,charges,invoices,refunds';

// Colours of the terminal, readable on its dark ground.
const COLOURS = {
  30: '#6e7681',
  31: '#ff7b72',
  32: '#56d364',
  33: '#e3b341',
  34: '#79c0ff',
  35: '#d2a8ff',
  36: '#56d4dd',
  37: '#e6edf3',
  90: '#8b949e',
};

const ESCAPE = String.fromCharCode(27);
const COLOUR_CODE = new RegExp(`(${ESCAPE}\\[[\\d;]*m)`);
const COLOUR_OF = new RegExp(`^${ESCAPE}\\[([\\d;]*)m$`);

const folder = mkdtempSync(path.join(tmpdir(), 'headrace-recording-'));
const socket = path.join(folder, 'socket');
const tmux = (...args) =>
  execFileSync('tmux', ['-S', socket, '-f', '/dev/null', ...args], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C.UTF-8', TERM: 'xterm-256color' },
  });
const testbed = await startStripeTestbed({
  rows: 12_000,
  shape: 'growth',
  limit: 'stripe-live',
  latency: { medianMs: 120 },
});
chmodSync(folder, 0o755);
const frames = [];
try {
  writeFileSync(
    path.join(folder, 'headrace'),
    `#!/bin/sh\nexec "${process.execPath}" "${path.join(ROOT, 'dist/main.js')}" "$@"\n`,
    { mode: 0o755 },
  );
  const variables = [
    `PATH="${folder}:$PATH"`,
    `STRIPE_API_KEY=${TESTBED_LIVE_KEY}`,
    `STRIPE_BASE_URL=${testbed.url}`,
    'CI=',
    'FORCE_COLOR=1',
  ];
  const script = `cd "${folder}"; printf '\\033[32m$\\033[0m %s\\n' '${COMMAND}'; sleep 1; env ${variables.join(' ')} ${COMMAND}; touch ended; sleep 60`;
  tmux('new-session', '-d', '-x', String(COLUMNS), '-y', String(ROWS), script);
  const began = Date.now();
  for (let ended = false; !ended;) {
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    ended = spawnSync('test', ['-e', path.join(folder, 'ended')]).status === 0;
    if (ended) await new Promise((resolve) => setTimeout(resolve, 500));
    const screen = tmux('capture-pane', '-e', '-p', '-t', '0').replace(/\s+$/, '');
    if (frames.at(-1)?.screen !== screen) frames.push({ atMs: Date.now() - began, screen });
    if (Date.now() - began > 180_000) throw new Error('the sync did not end in three minutes');
  }
} finally {
  spawnSync('tmux', ['-S', socket, 'kill-server']);
  await testbed.close();
  rmSync(folder, { recursive: true, force: true });
}

writeFileSync(OUT, svgOf(frames));
console.log(`${path.relative(ROOT, OUT)}: ${frames.length} frames of ${(frames.at(-1).atMs / 1000).toFixed(0)} s`);

function svgOf(all) {
  const width = Math.ceil(COLUMNS * CELL_WIDTH + 2 * PADDING);
  const height = ROWS * LINE_HEIGHT + 2 * PADDING;
  const totalMs = all.at(-1).atMs + LAST_FRAME_MS;
  const percent = (ms) => ((ms / totalMs) * 100).toFixed(2);
  const rules = all.map(({ atMs }, i) => {
    const from = i === 0 ? 0 : atMs;
    const to = all[i + 1]?.atMs ?? totalMs;
    const shown = `${percent(from)}%{visibility:visible}${percent(to)}%{visibility:hidden}`;
    return `@keyframes k${i}{0%{visibility:hidden}${shown}100%{visibility:hidden}}.f${i}{animation:k${i} ${totalMs}ms step-end infinite}`;
  });
  const groups = all.map(({ screen }, i) => `<g class="f f${i}">${screen.split('\n').map(lineOf).join('')}</g>`);
  // Where nothing moves, by choice, the last picture stands.
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="A sync in a terminal: each stream's span fills, then the proof">
<style>text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:#e6edf3;white-space:pre}.b{font-weight:700}.d{opacity:.65}.f{visibility:hidden}${rules.join('')}@media (prefers-reduced-motion:reduce){.f{animation:none}.f${all.length - 1}{visibility:visible}}</style>
<rect width="${width}" height="${height}" rx="8" fill="#0d1117"/>
${groups.join('\n')}
</svg>
`;
}

/** A line of the screen, its colours as spans. */
function lineOf(line, row) {
  let style = {};
  const spans = [];
  for (const part of line.split(COLOUR_CODE)) {
    const codes = COLOUR_OF.exec(part);
    if (codes) style = codes[1].split(';').reduce(styled, style);
    else if (part !== '') spans.push(spanOf(part, style));
  }
  if (spans.length === 0) return '';
  return `<text x="${PADDING}" y="${PADDING + (row + 0.75) * LINE_HEIGHT}" xml:space="preserve">${spans.join('')}</text>`;
}

function styled(style, code) {
  const number = Number(code || 0);
  if (number === 0) return {};
  if (number === 1) return { ...style, bold: true };
  if (number === 2) return { ...style, dim: true };
  if (number === 22) return { ...style, bold: false, dim: false };
  if (number === 39) return { ...style, colour: undefined };
  return COLOURS[number] ? { ...style, colour: COLOURS[number] } : style;
}

function spanOf(text, { bold, dim, colour }) {
  const escaped = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  const classes = [bold && 'b', dim && 'd'].filter(Boolean).join(' ');
  if (!classes && !colour) return escaped;
  return `<tspan${classes ? ` class="${classes}"` : ''}${colour ? ` fill="${colour}"` : ''}>${escaped}</tspan>`;
}
