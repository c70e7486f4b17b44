/** Faults of `components.headrace.yaml`: each names its place, what is expected there, what was found, and what to do. */
import { describe, expect, test } from 'vitest';
import { ConfigError } from '../../../base/errors.js';
import { parseDeclared } from './declared.js';

const faultIn = (text: string): ConfigError => {
  try {
    parseDeclared(text, 'x.yaml');
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return error as ConfigError;
  }
  throw new Error(`no fault in ${text}`);
};
const ofClass = (body: string) => `version: 1\nclasses:\n  A:\n${body.replaceAll(/^/gm, '    ')}`;

describe('the file', () => {
  test.each([
    ['', 'x.yaml', 'a mapping with version and classes', 'nothing'],
    ['5', 'x.yaml', 'a mapping with version and classes', 'number'],
    ['- a', 'x.yaml', 'a mapping with version and classes', 'a list'],
    ['a: [', 'x.yaml:1', 'YAML', 'Flow sequence'],
    ['classes: {}', 'x.yaml:1 (version)', '1', 'nothing'],
    ['version: 2\nclasses: {}', 'x.yaml:1 (version)', '1', '2'],
    ['version: 1', 'x.yaml:1 (classes)', 'an object', 'nothing'],
    ['version: 1\nclasses: [a]', 'x.yaml:2 (classes)', 'an object', 'a list of 1'],
    ['version: 1\nclass: {}\nclasses: {}', 'x.yaml:1', 'version, classes', 'unknown: class'],
    ['version: 1\nclasses:\n  A: x', 'x.yaml:3 (classes.A)', 'exactly one of is, login', 'none of them'],
  ])('%j', (text, place, expected, found) => {
    const fault = faultIn(text);
    expect(fault.place).toContain(place);
    expect(fault.expected).toContain(expected);
    expect(fault.found).toContain(found);
    expect(fault.next).toContain('docs/guides/twins.md');
  });
});

describe('a class', () => {
  test.each([
    // Words that are none, or of another shape.
    ['keep: x\nis: HttpRequester', 'A', 'exactly one of', 'is and keep'],
    ['is: HttpRequester\nwihth: {}', 'A', 'is, with, defaults', 'unknown: wihth'],
    ['keep: x\nextra: 1', 'A', 'keep', 'unknown: extra'],
    ['records: {entires: true}', 'A.records', 'entries', 'unknown: entires'],
    ['records: {inside: [{fields: x}]}', 'A.records.inside.0', 'field, add, whole', 'unknown: fields'],
    ['parents: {form: []}', 'A.parents', 'from, keep, otherwise', 'unknown: form'],
    ['steps: [{drpo: null}]', 'A.steps.0', 'collect, move, dates, drop, ask, type', 'drpo'],
    ['steps: [{drop: empty, ask: {}}]', 'A.steps.0', 'exactly one of', 'drop and ask'],
    ['choose: [{use: {keep: x}}]', 'A.choose.0.use', 'is, login, parents, component', 'keep'],
    // Values of another type.
    ['keep: 5', 'A.keep', 'a text', '5'],
    ['keep: ""', 'A.keep', 'at least 1 character', '""'],
    ['is: HttpRequester\nwith: 5', 'A.with', 'an object', '5'],
    ['records: {paths: a}', 'A.records.paths', 'a list', 'a text'],
    ['records: {paths: [a]}', 'A.records.paths.0', 'a list', 'a text'],
    ['records: {add: {x: 5}}', 'A.records.add.x', 'a text', '5'],
    ['login: {url: x, token: tok}', 'A.login.token', 'a list', 'a text'],
    ['login: {url: x}', 'A.login.token', 'a list', 'nothing'],
    ['login: {url: x, token: [t], method: PUT}', 'A.login.method', 'GET, POST', '"PUT"'],
    ['login: {url: x, token: [t], lasts: soon}', 'A.login.lasts', 'a duration such as PT1H', '"soon"'],
    ['login: {url: x, token: [t], send: {value: x}}', 'A.login.send', 'a header or a parameter', 'value'],
    ['steps: {}', 'A.steps', 'a list', 'an object'],
    ['steps: []', 'A.steps', 'at least 1 item', 'a list of 0'],
    ['steps: [drop]', 'A.steps.0', 'exactly one of', 'none of them'],
    ['steps: [{drop: nulls}]', 'A.steps.0.drop', 'null, empty, bad_dates', '"nulls"'],
    ['steps: [{ask: {}}]', 'A.steps.0.ask.requester', 'an object', 'nothing'],
    ['steps: [{ask: {requester: x}}]', 'A.steps.0.ask.requester', 'an object', '"x"'],
    ['steps: [{move: {from: a, to: [b]}}]', 'A.steps.0.move.from', 'a list', 'a text'],
    ['steps: [{collect: {into: x}}]', 'A.steps.0.collect', 'a field or a prefix', 'into'],
    ['parents: {from: []}', 'A.parents.from', 'at least 1 item', 'a list of 0'],
    ['parents: {from: [{each: x}]}', 'A.parents.from.0.each', 'a list', 'a text'],
    ['choose: [{when: 5, use: {is: HttpRequester}}]', 'A.choose.0.when', 'a text', '5'],
    // Components that are none, or no stand-in.
    ['is: HttpReqester', 'A.is', 'a component of the language', 'HttpReqester'],
    ['is: CustomRequester', 'A.is', 'that is not custom', 'CustomRequester'],
    ['steps: [{type: AddField}]', 'A.steps.0.type', 'a component of the language', 'AddField'],
    ['choose: [{use: {is: Foo}}]', 'A.choose.0.use.is', 'a component of the language', 'Foo'],
    ['is: SimpleRetriever\nprepare: [{type: Foo}]', 'A.prepare.0.type', 'a component of the language', 'Foo'],
    // Templates that cannot be read.
    ['keep: "{{ record."', 'A.keep', 'a template that can be read', 'unexpected end'],
    ['is: HttpRequester\nwith: {path: "{% if x %}a"}', 'A.with.path', 'a template that can be read', '{% if x %}a'],
    ['records: {add: {x: "{{ a | }}"}}', 'A.records.add.x', 'a template that can be read', '{{ a | }}'],
    [
      'steps: [{ask: {requester: {path: "{{ a b }}"}}}]',
      'A.steps.0.ask.requester.path',
      'a template that',
      '{{ a b }}',
    ],
    ['keep: "{{ record.id | nope }}"', 'A.keep', 'a template that can be read', 'nope'],
    ['choose: [{when: "{{", use: {is: NoAuth}}]', 'A.choose.0.when', 'a template that can be read', '{{'],
  ])('%j', (body, place, expected, found) => {
    const fault = faultIn(ofClass(body));
    expect(fault.place).toMatch(new RegExp(`^x\\.yaml:\\d+ \\(classes\\.${place.replaceAll('.', '\\.')}\\)$`));
    expect(fault.expected).toContain(expected);
    expect(fault.found).toContain(found);
    expect(fault.next).toContain('docs/guides/twins.md');
  });

  test.each([
    'keep: "{{ record.live }}"',
    'is: HttpRequester\nwith: {path: a, unescaped: "()"}',
    'login: {url: x, token: [t], lasts: P1DT2H}',
    'steps: [{drop: bad_dates}, {ask: {requester: {from: requester}, merge: []}}, {type: RemoveFields, field_pointers: [[a]]}]',
    'choose: [{when: "{{ config.a }}", use: {component: oauth}}, {use: {parents: {from: [{of: a}]}}}]',
  ])('%j is none', (body) => {
    expect(Object.keys(parseDeclared(ofClass(body), 'x.yaml'))).toEqual(['A']);
  });
});
