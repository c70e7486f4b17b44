/**
 * Templates by chance: every filter, test, global, method and statement of the language, and texts that are literals.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Random } from '../../src/base/random.js';

/** What the templates see; as JSON, since both sides read it. */
export const CONTEXTS: readonly string[] = [
  {
    config: {
      start: '2024-02-29T23:59:59Z',
      n: 5,
      rate: 2.5,
      text: 'a b&c',
      name: 'ÄÖ ß',
      flag: true,
      none: null,
      list: ['x', 'Y', 'z'],
      empty: '',
      when: '2024-01-05',
      digits: '007',
      zero: 0,
      many: [3, 1, 2, 3],
      neg: -7,
    },
    record: {
      id: 12,
      price: 19.995,
      tags: ['b', 'A', 'c'],
      name: 'Hello World',
      owner: { id: 3, mail: 'A@x.io' },
      gone: null,
      ok: false,
      unix: 1709251199,
      html: '<b>bold</b> & more',
      rows: [
        { k: 'b', v: 2, w: { x: 1 } },
        { k: 'a', v: 1, w: { x: 5 } },
        { k: 'B', v: 3 },
      ],
    },
    response: {
      next: 'abc',
      total: 101,
      items: [1, 2, 3, 4, 5, 6, 7],
      pages: { next: { after: 'q1' }, count: 3 },
      ids: ['10', '9', '8.5', 'x'],
    },
    stream_slice: { id: '7', start_time: '2024-03-01', end_time: '2024-03-31' },
    headers: { 'x-next': '2', Link: '<http://a/b?page=2>; rel="next"' },
    parameters: { path: 'users', size: 10 },
    next_page_token: { next_page_token: 30 },
    last_page_size: 7,
  },
  {
    config: {
      start: '2023-12-31',
      n: 0,
      rate: 0.1,
      text: '',
      name: 'x',
      flag: false,
      none: null,
      list: [],
      empty: '',
      when: '2020-06-15T12:00:00+02:00',
      digits: '1_000',
      zero: 0,
      many: [0.5, 2, 1.25],
      neg: 1.5,
    },
    record: {
      id: 2 ** 53,
      price: -0.5,
      tags: [],
      name: 'it\'s "quoted"\nline two\ttab',
      owner: {},
      gone: null,
      ok: true,
      unix: 0,
      html: '&lt;i&gt;<!-- c -->x',
      rows: [],
    },
    response: { next: null, total: 0, items: [], pages: {}, ids: [] },
    stream_slice: {},
    headers: {},
    parameters: { path: '/a/b c/', size: 1 },
    next_page_token: null,
    last_page_size: 0,
  },
].map((context) => JSON.stringify(context).replace('9007199254740992', '9007199254740993'));

/** The sections of template-forms.txt. */
function sections(): Map<string, string[]> {
  const found = new Map<string, string[]>();
  let lines: string[] = [];
  for (const line of readFileSync(path.join(import.meta.dirname, 'template-forms.txt'), 'utf8').split('\n')) {
    const title = /^\[((?:leaves|forms) \w+|formats|statements|texts)\]$/.exec(line)?.[1];
    if (title) found.set(title, (lines = []));
    else if (line !== '' && (lines.length > 0 || found.size > 0))
      lines.push(line.replaceAll(/\\([nt\\])/g, (_, char: string) => ({ n: '\n', t: '\t' })[char] ?? char));
  }
  return found;
}

const SECTIONS = sections();
const named = (title: string) => SECTIONS.get(title)!;
const KINDS = [...SECTIONS.keys()].flatMap((title) => (title.startsWith('leaves ') ? [title.slice(7)] : []));

export class TemplateGenerator {
  constructor(private readonly random: Random) {}

  private pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.random.next() * items.length)]!;
  }

  template(): string {
    const chance = this.random.next();
    if (chance < 0.04) return this.pick(named('texts'));
    if (chance < 0.07) return `{{ ${JSON.stringify(this.pick(named('texts')))} }}`;
    if (chance < 0.3) return this.filled(this.pick(named('statements')), 2);
    return `{{ ${this.expression('any', 4)} }}`;
  }

  private expression(kind: string, depth: number): string {
    // Now and then a value of another kind than is asked for.
    const meant = this.random.next() < 0.04 ? this.pick(KINDS) : kind;
    if (depth <= 0 || this.random.next() < 0.25) return this.pick(named(`leaves ${meant}`));
    return this.filled(this.pick(named(`forms ${meant}`)), depth - 1);
  }

  private filled(form: string, depth: number): string {
    return form.replaceAll(/\?([a-z]+)/g, (_, kind: string) => {
      if (kind === 'format') return JSON.stringify(this.pick(named('formats'))).replaceAll('"', "'");
      const inner = this.expression(kind, depth);
      return /^[\w.']+$/.test(inner) ? inner : `(${inner})`;
    });
  }
}
