/** Manifests: what is resolved, handed down and refused, with the path and the line of every fault. */
import { describe, expect, test } from 'vitest';
import { ConfigError } from '../../../base/errors.js';
import { LIMITS } from '../../../base/bounds.js';
import { staticStreams } from '../streams.js';
import { Templates } from '../templates/template.js';
import { parseManifest } from './manifest.js';
import type { JsonObject } from './read.js';

const MINIMAL = `version: 6.0.0
type: DeclarativeSource
check: {type: CheckStream, stream_names: [users]}
definitions:
  requester: {type: HttpRequester, url_base: https://api.test, path: "{{ parameters['path'] }}"}
  users:
    type: DeclarativeStream
    name: users
    $parameters: {path: users}
    retriever:
      requester: {$ref: "#/definitions/requester", http_method: POST}
      record_selector: {extractor: {field_path: [data]}}
streams: ["#/definitions/users"]
`;

function fault(text: string): ConfigError {
  try {
    parseManifest(text, 'm.yaml');
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return error as ConfigError;
  }
  throw new Error('the manifest was accepted');
}

test('references are resolved, types filled in, parameters handed down', () => {
  const [stream] = parseManifest(MINIMAL, 'm.yaml').root['streams'] as JsonObject[];
  expect(stream).toMatchObject({
    name: 'users',
    retriever: {
      type: 'SimpleRetriever',
      $parameters: { path: 'users' },
      requester: { type: 'HttpRequester', http_method: 'POST', url_base: 'https://api.test' },
      record_selector: { type: 'RecordSelector', extractor: { type: 'DpathExtractor' } },
    },
  });
});

describe('faults name their place', () => {
  test('YAML that is none', () =>
    expect(fault('version: 1\n  bad: [')).toMatchObject({
      code: 'manifest_yaml',
      place: expect.stringMatching(/^m\.yaml:[12]:/),
    }));
  test('a list', () => expect(fault('- 1\n- 2')).toMatchObject({ code: 'manifest_shape' }));
  test('a field of the wrong type', () => {
    expect(fault(MINIMAL.replace('field_path: [data]', 'field_path: data'))).toMatchObject({
      code: 'manifest_invalid',
      place: expect.stringMatching(/^m\.yaml:12 \(streams\[0\]\.retriever\.record_selector\.extractor\.field_path/),
      expected: 'a list',
      found: '"data"',
    });
  });
  test('a field that is missing', () =>
    expect(fault(MINIMAL.replace('check: {type: CheckStream, stream_names: [users]}\n', ''))).toMatchObject({
      place: expect.stringContaining('check'),
      found: 'nothing',
    }));
  test('a word that is unknown', () =>
    expect(fault(MINIMAL.replace('POST', 'DELETE'))).toMatchObject({
      place: expect.stringContaining('http_method'),
      expected: expect.stringContaining('GET'),
      found: '"DELETE"',
    }));
  test('a component that is unknown', () =>
    expect(fault(MINIMAL.replace('type: HttpRequester', 'type: FtpRequester'))).toMatchObject({
      place: expect.stringContaining('requester'),
      expected: expect.stringContaining('HttpRequester'),
    }));
  test('a reference to nothing', () =>
    expect(fault(MINIMAL.replace('"#/definitions/users"', '"#/definitions/user"'))).toMatchObject({
      code: 'manifest_ref_missing',
      found: '#/definitions/user',
    }));
});

describe('what could run away ends in a clear error', () => {
  test('a circle of references', () =>
    expect(fault(`${MINIMAL}a: "#/b"\nb: "#/c"\nc: "#/a"\n`)).toMatchObject({
      code: 'manifest_ref_cycle',
      found: expect.stringContaining('#/b -> #/c -> #/a'),
    }));
  test('a chain of a thousand references', () =>
    expect(fault(MINIMAL + Array.from({ length: 1000 }, (_, i) => `r${i}: "#/r${i + 1}"`).join('\n'))).toMatchObject({
      code: 'manifest_ref_depth',
    }));
  test('ten megabytes', () =>
    expect(fault(`${MINIMAL}x: "${'a'.repeat(10_000_000)}"`)).toMatchObject({ code: 'manifest_too_large' }));
  test('a tree nested a thousand levels deep', () =>
    expect(fault(`${MINIMAL}x: ${'['.repeat(1000)}${']'.repeat(1000)}`)).toMatchObject({
      code: expect.stringMatching(/manifest_(depth|yaml)/),
    }));
  test('components that double at each level', () => {
    const levels = Array.from(
      { length: 40 },
      (_, i) =>
        `  l${i}: {type: CompositeErrorHandler, error_handlers: ["#/definitions/l${i + 1}", "#/definitions/l${i + 1}"]}`,
    ).join('\n');
    const text =
      `${MINIMAL.replace('definitions:\n', `definitions:\n${levels}\n  l40: {type: DefaultErrorHandler}\n`)}`.replace(
        'http_method: POST',
        'http_method: POST, error_handler: {$ref: "#/definitions/l0"}',
      );
    expect(fault(text)).toMatchObject({
      code: 'manifest_too_large',
      expected: expect.stringContaining(String(LIMITS.manifestNodes)),
    });
  });
  test('aliases that multiply', () =>
    expect(() =>
      parseManifest(
        `${MINIMAL}a: &a [x, x, x, x, x, x, x, x, x]\n${'bcdefghij'
          .split('')
          .map((name, i) => `${name}: &${name} [${Array(9).fill(`*${'abcdefghi'[i]}`).join(', ')}]`)
          .join('\n')}\n`,
        'm.yaml',
      ),
    ).not.toThrow());
});

test('a stream that a configuration asks for, one that it does not, and those made from a template', () => {
  const text = `${MINIMAL.replace('streams: ["#/definitions/users"]', '')}streams:
  - {type: ConditionalStreams, condition: "{{ config['with_users'] }}", streams: ["#/definitions/users"]}
dynamic_streams:
  - type: DynamicDeclarativeStream
    stream_template: {$ref: "#/definitions/users", name: template}
    components_resolver:
      type: ConfigComponentsResolver
      stream_config: {type: StreamConfig, configs_pointer: [reports]}
      components_mapping:
        - {type: ComponentMappingDefinition, field_path: [name], value: "{{ components_values['name'] }}"}
        - {type: ComponentMappingDefinition, field_path: [primary_key], value: "{{ components_values['key'] }}", create_or_update: true}
`;
  const names = (config: JsonObject) =>
    staticStreams({ manifest: parseManifest(text, 'm.yaml'), config, templates: new Templates() }).map((stream) => [
      stream['name'],
      stream['primary_key'],
    ]);
  expect(
    names({
      reports: [
        { name: 'daily', key: 'day' },
        { name: 'weekly', key: 'week' },
      ],
    }),
  ).toEqual([
    ['daily', 'day'],
    ['weekly', 'week'],
  ]);
  expect(names({ with_users: true, reports: [] })).toEqual([['users', undefined]]);
});
