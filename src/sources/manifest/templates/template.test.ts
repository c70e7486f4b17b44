/** Templates: Python's semantics where they bite, and nothing beyond the context. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { literalOf } from './literal.js';
import { plainOf, Templates } from './template.js';
import { isDict, PyFloat, reprOf, TemplateError, typeName, type Dict, type Value } from './values.js';

const NOW = Date.parse('2025-03-04T05:06:07Z');
const templates = new Templates(() => NOW);
const context: Dict = {
  config: { start_date: '2024-01-01T00:00:00Z', workers: '10', flag: true, none: null },
  response: { next: 'abc', items: [1, 2], big: 12345678901234567890n as unknown as Value },
  record: { id: 7, price: 1.5, tags: ['a', 'b'], name: 'N' },
  stream_slice: { id: 'x', start_time: '2025-01-01' },
  headers: {},
  parameters: { path: 'users' },
};
const evaluate = (source: string) => templates.evaluate(source, context);

describe('a rendered text is read as a literal of Python', () => {
  test.each<[string, string, unknown]>([
    ['1e5', 'float', 100000],
    ['1_000', 'int', 1000],
    ['True', 'bool', true],
    ['true', 'str', 'true'],
    ["'q'", 'str', 'q'],
    ['007', 'str', '007'],
    ['0x1f', 'int', 31],
    ['-5', 'int', -5],
    ['1.', 'float', 1],
    ['None', 'NoneType', null],
    ["['a', 1]", 'list', ['a', 1]],
    ["{'a': {'b': [1, 2.5]}}", 'dict', { a: { b: [1, 2.5] } }],
    ['(1, 2)', 'tuple', [1, 2]],
    ['1, 2', 'tuple', [1, 2]],
    ['{1, 2}', 'str', '{1, 2}'],
    ['[1, 2', 'str', '[1, 2'],
    ['nan', 'str', 'nan'],
    ['1 + 1', 'str', '1 + 1'],
    ['12345678901234567890', 'int', 12345678901234567890n],
    ["'a' 'b'", 'str', 'ab'],
    ["r'\\d'", 'str', '\\d'],
    ["'\\x41\\u0042'", 'str', 'AB'],
    ['  5', 'int', 5],
    ['\n5', 'int', 5],
    ['\n 5', 'str', '\n 5'],
    ['5 # five', 'int', 5],
    ['2025-01-01', 'str', '2025-01-01'],
  ])('%j is %s', (text, type, value) => {
    const found = literalOf(text);
    expect([typeName(found), plainOf(found)]).toEqual([type, value]);
  });

  test('what repr writes, a literal reads back (1,000 values)', () => {
    const value = fc.letrec<{ value: Value }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.string({ unit: 'binary' }),
        fc.integer(),
        fc.double({ noNaN: true, noDefaultInfinity: true }).filter((n) => !Number.isInteger(n)),
        fc.boolean(),
        fc.constant(null),
        fc.array(tie('value'), { maxLength: 4 }),
        fc.dictionary(fc.string({ unit: 'grapheme' }), tie('value'), { maxKeys: 4 }),
      ),
    })).value;
    fc.assert(
      fc.property(value, (given) => {
        expect(reprOf(literalOf(reprOf(given as Value)))).toBe(reprOf(given as Value));
      }),
      { numRuns: 1000 },
    );
  });
});

describe('expressions', () => {
  test.each<[string, unknown]>([
    ["{{ config['start_date'] }}", '2024-01-01T00:00:00Z'],
    ["{{ config.get('none') }}", null],
    ["{{ config['absent'] }}", null],
    ['{{ response.absent.deeper }}', null],
    ['{{ config.workers }}', 10],
    ['{{ config.workers | int + 1 }}', 11],
    ["{{ 'a' if config.flag else 'b' }}", 'a'],
    ['{{ record.price * 2 }}', 3],
    ['{{ 7 // 2 }}', 3],
    ['{{ -7 % 3 }}', 2],
    ['{{ 7 / 2 }}', 3.5],
    ['{{ 2 ** 3 }}', 8],
    ["{{ record.tags | join(',') }}", 'a,b'],
    ["{{ ','.join(record.tags) }}", 'a,b'],
    ['{{ record.tags[-1] }}', 'b'],
    ["{{ 'abcdef'[1:3] }}", 'bc'],
    ["{{ 'x' in record.tags }}", false],
    ['{{ record.name.lower() }}', 'n'],
    ['{{ now_utc().strftime("%Y-%m-%d") }}', '2025-03-04'],
    ["{{ day_delta(-1, format='%Y-%m-%d') }}", '2025-03-03'],
    ["{{ format_datetime(config.start_date, '%s') }}", 1704067200],
    ["{{ (now_utc() - duration('P1D')).strftime('%d') }}", '03'],
    ["{{ timestamp('2022-02-28') }}", 1646006400],
    ['{{ max(2, 3) }}', 3],
    ["{{ 'a b' | urlencode }}", 'a%20b'],
    ["{{ 'secret' | hash('md5') }}", '5ebe2294ecd0e0f08eab7690d2a6ee69'],
    ["{{ 'goodbye, cruel world' | regex_search('goodbye,\\s(.*)$') }}", 'cruel world'],
    ['{% if config.flag %}yes{% else %}no{% endif %}', 'yes'],
    ['{% for t in record.tags %}{{ t }}{% if not loop.last %}-{% endif %}{% endfor %}', 'a-b'],
    ['{% set x = 5 %}{{ x }}', 5],
    ['{{ stream_partition.id }}', 'x'],
    ['{{ stream_interval.start_time }}', '2025-01-01'],
    ['{{ parameters.path }}/list', 'users/list'],
    ['{{ response.big }}', 12345678901234567890n],
    ["{{ response['items'] | length }}", 2],
    ["{{ 'a' + 1 }}", "{{ 'a' + 1 }}"],
  ])('%s', (source, value) => expect(plainOf(evaluate(source))).toEqual(value));

  test('a name that nobody declared is an error that says what there is', () => {
    expect(() => evaluate('{{ credentials.token }}')).toThrow(/credentials.*config/s);
  });

  test('conditions: what renders to nothing is false, what renders to anything else is true', () => {
    for (const [source, expected] of [
      ['{{ none }}', false],
      ['{{ false }}', false],
      ['0', false],
      ['{{ [] }}', false],
      ['{{ {} }}', false],
      ['', false],
      ['no', true],
      ['{{ record }}', true],
      ['{{ response.absent }}', false],
    ] as const)
      expect(templates.condition(source, context), source).toBe(expected);
  });
});

describe('a hostile template reaches nothing but its context', () => {
  test.each([
    '{{ config.constructor }}',
    "{{ config['constructor'] }}",
    '{{ config.__proto__ }}',
    "{{ ''.__class__.__mro__ }}",
    "{{ record.tags.constructor.constructor('return process')() }}",
    "{{ config.get.constructor('return 1')() }}",
    '{{ self.constructor }}',
    "{{ now_utc.constructor('return process')() }}",
    "{{ record | attr('constructor') }}",
    "{{ [config] | map(attribute='constructor') | first }}",
    "{{ [config] | map(attribute='__proto__') | list }}",
    '{{ namespace().constructor }}',
    "{{ 'constructor' | attr('prototype') }}",
    "{{ '{0.constructor}'.format(config) }}",
  ])('%s', (source) => {
    let found: unknown;
    try {
      found = plainOf(evaluate(source));
    } catch (error) {
      expect(error).toBeInstanceOf(TemplateError);
      return;
    }
    expect(JSON.stringify(found) ?? '').not.toMatch(/function|native code|process|env/);
  });

  test.each([
    '{{ process }}',
    '{{ require("fs") }}',
    '{{ globalThis }}',
    '{{ import("fs") }}',
    '{{ range(10) }}',
    '{{ lipsum() }}',
    '{{ open("/etc/passwd") }}',
  ])('%s is not known', (source) => expect(() => evaluate(source)).toThrow(TemplateError));

  test('prototypes stay as they are, whatever a template sets', () => {
    evaluate("{% set config = {'__proto__': {'polluted': 1}} %}{{ config }}");
    evaluate("{{ {'__proto__': {'polluted': 1}} }}");
    expect(() => evaluate('{% set config.polluted = 1 %}{{ config }}')).toThrow(TemplateError);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    expect((context['config'] as Dict)['polluted']).toBeUndefined();
  });

  test('a text cannot be made to grow without end', () => {
    for (const source of [
      "{{ 'a' * 100000000000 }}",
      "{{ ['a'] * 100000000000 }}",
      "{{ 'a'.ljust(100000000000) }}",
      "{{ 'aaaa'.replace('', 'x' * 9000000) }}",
      "{% set ns = namespace() %}{% set ns.x = 'a' * 5000000 %}{{ ns.x + ns.x + ns.x }}",
    ])
      expect(() => evaluate(source), source).toThrow(TemplateError);
  });
});

const GOLDEN = path.join(import.meta.dirname, '../../../../../shared/airbyte/golden-jinja.jsonl');

describe.skipIf(!existsSync(GOLDEN))('evaluations by the real CDK (where they lie beside the project)', () => {
  test('every value and type is equal', () => {
    const meta = JSON.parse(readFileSync(GOLDEN.replace('.jsonl', '.meta.json'), 'utf8')) as {
      frozen_utc: string;
      contexts: Dict[];
    };
    const frozen = new Templates(() => Date.parse(meta.frozen_utc));
    const json = (value: Value): unknown =>
      value instanceof PyFloat
        ? value.value
        : Array.isArray(value)
          ? value.map(json)
          : isDict(value)
            ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, json(inner)]))
            : value;
    const cases = readFileSync(GOLDEN, 'utf8')
      .trim()
      .split('\n')
      .map(
        (line) =>
          JSON.parse(line) as {
            template: string;
            ctx: number;
            config: Dict;
            parameters: Dict;
            value?: unknown;
            pytype?: string;
            error?: string;
          },
      );
    expect(cases.length).toBeGreaterThan(4000);
    for (const { template, ctx, config, parameters, value, pytype, error } of cases) {
      const evaluated = () => frozen.evaluate(template, { ...meta.contexts[ctx]!, config, parameters });
      if (error !== undefined) expect(evaluated, template).toThrow(TemplateError);
      else {
        const found = evaluated();
        expect({ template, type: typeName(found), value: json(found) }).toEqual({ template, type: pytype, value });
      }
    }
  });
});
