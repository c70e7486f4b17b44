// How long lines, files and functions are: prints the longest of each, and exits 1 where a file of more than 400 lines
// or a function of more than 70 has no comment at its head that says why ("Long because ..."). With --report it only
// prints. Generated files and groups of tests (`describe`) do not count, and neither do the files that are named
// below as still to be split.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const ROOT = path.join(import.meta.dirname, '..');
const FOLDERS = ['src', 'test', 'bench', 'scripts', 'examples'];
const MOST_LINES_OF_A_FILE = 400;
const MOST_LINES_OF_A_FUNCTION = 70;
const WIDTHS = [120, 200];
const SHOWN = 5;
const REASON = /\blong because\b/i;
/** Files that are known to be too long, until they are split. */
const STILL_TO_SPLIT = [];
const GENERATED = /^(?:src\/service\/client\/operations\.ts|src\/(?:sources|testbed)\/stripe\/generated\/.*)$/;
/** A comment that says why a function is long stands so close to it. */
const LINES_OF_A_COMMENT = 4;

const files = run('git', ['ls-files', '--cached', '--others', '--exclude-standard', ...FOLDERS])
  .split('\n')
  .filter((file) => /\.(?:m?[jt]s|tsx)$/.test(file) && !GENERATED.test(file))
  .map((name) => ({ name, lines: textOf(name).replace(/\n$/, '').split('\n') }));

const functions = longFunctions();
const long = files.filter(({ lines }) => lines.length > MOST_LINES_OF_A_FILE);
printWidths();
print(
  'files',
  files.map(({ name, lines }) => ({ length: lines.length, where: name })),
);
print('functions', functions);

const faults = [
  ...long
    .filter(({ lines }) => !REASON.test(headOf(lines)))
    .map(({ name, lines }) => `${name}: ${lines.length} lines, more than ${MOST_LINES_OF_A_FILE}`),
  ...functions
    .filter(({ reason }) => !reason)
    .map(({ where, length }) => `${where}: a function of ${length} lines, more than ${MOST_LINES_OF_A_FUNCTION}`),
];
const isKnown = (fault) => STILL_TO_SPLIT.some((name) => fault.startsWith(`${name}:`));
const known = faults.filter(isKnown);
const unknown = faults.filter((fault) => !isKnown(fault));
for (const name of STILL_TO_SPLIT)
  if (!known.some((fault) => fault.startsWith(`${name}:`)))
    console.log(`${name} is short enough now: take it off STILL_TO_SPLIT`);
for (const fault of known) console.log(`${fault} (still to be split)`);
for (const fault of unknown) console.log(fault);
console.log(
  unknown.length === 0
    ? `no ${known.length === 0 ? '' : 'other '}file and no function is too long without its reason`
    : `${unknown.length} faults: split what is too long, or say at its head why not ("Long because ...")`,
);
process.exitCode = unknown.length > 0 && !process.argv.includes('--report') ? 1 : 0;

function printWidths() {
  const all = files.flatMap(({ name, lines }) =>
    lines.map((line, i) => ({ length: line.length, where: `${name}:${i + 1}` })),
  );
  for (const width of WIDTHS) {
    const share = (100 * all.filter(({ length }) => length > width).length) / all.length;
    console.log(`${share.toFixed(2)}% of ${all.length} lines are wider than ${width} columns`);
  }
  print('lines', all);
}

function print(what, all) {
  const longest = all.toSorted((a, b) => b.length - a.length).slice(0, SHOWN);
  console.log(`the longest ${what}: ${longest.map(({ length, where }) => `${where} (${length})`).join(', ')}\n`);
}

/** Found by the linter, which knows where a function begins and ends. */
function longFunctions() {
  const folder = mkdtempSync(path.join(tmpdir(), 'headrace-lengths-'));
  const config = path.join(folder, 'oxlint.json');
  const rule = ['error', { max: MOST_LINES_OF_A_FUNCTION }];
  writeFileSync(
    config,
    JSON.stringify({ categories: { correctness: 'off' }, rules: { 'max-lines-per-function': rule } }),
  );
  const { diagnostics } = JSON.parse(run('npx', ['oxlint', '-c', config, '-f', 'json', ...FOLDERS]));
  rmSync(folder, { recursive: true });
  return diagnostics
    .map(({ filename, message, labels: [{ span }] }) => {
      const name = filename.replaceAll('\\', '/');
      const lines = files.find((file) => file.name === name)?.lines ?? [];
      const near = lines.slice(Math.max(0, span.line - 1 - LINES_OF_A_COMMENT), span.line + 1);
      return {
        where: `${name}:${span.line}`,
        isGroup: isGroup(near),
        length: Number(/\((\d+)\)/.exec(message)?.[1]),
        reason: REASON.test(near.join('\n')),
      };
    })
    .filter((found) => !GENERATED.test(found.where.split(':')[0]) && !found.isGroup);
}

/** The callback of `describe`, on its line or, where its title or its table of cases is long, on one of the next. */
function isGroup(near) {
  const at = near.length - 2;
  const isWrapped = /^\s*(?:['"`]|\(.*\) =>|async \()/.test(near[at] ?? '');
  if (/^\s*\]\)\(/.test(near[at] ?? '')) return near.some((line) => /^\s*describe\.each\b/.test(line));
  return near.slice(isWrapped ? 0 : at, at + 1).some((line) => /^\s*describe\b/.test(line));
}

/** The comment that a file begins with, after what a shell or the compiler wants there. */
function headOf(lines) {
  const code = lines.findIndex((line) => !/^(?:#!|\/\/|\/\*|\s*\*|\s*$)/.test(line));
  return lines.slice(0, code < 0 ? undefined : code).join(' ');
}

function textOf(name) {
  try {
    return readFileSync(path.join(ROOT, name), 'utf8');
  } catch {
    return ''; // deleted, not yet committed
  }
}

function run(command, args) {
  const ran = spawnSync(command, args, { cwd: ROOT, encoding: 'utf8', maxBuffer: 1 << 28 });
  if (ran.stdout === '') throw new Error(`${command}: ${ran.stderr || ran.error}`);
  return ran.stdout;
}
