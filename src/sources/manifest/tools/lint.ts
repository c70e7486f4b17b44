/** What reviewers of connectors look for: the specification's own rules, and versions that agree with each other. */
import { parse as parseYaml } from 'yaml';
import { coverageOf } from './coverage.js';
import type { Manifest } from '../document/manifest.js';
import { isObject, type Json, type JsonObject } from '../document/read.js';
import { concurrencyKnobs, specificationOf } from '../runtime/config.js';
import type { Twins } from '../runtime/twin.js';

export interface Finding {
  level: 'error' | 'warning';
  where: string;
  message: string;
}

export interface LintInput {
  manifest: Manifest;
  twins: Twins;
  /** Texts beside the manifest, where they are. */
  metadata?: string | undefined;
  changelog?: string | undefined;
  /** The version that is published now. */
  previous?: string | undefined;
}

const VERSION = /^(\d+)\.(\d+)\.(\d+)(?:-rc\.(\d+))?$/;

export function lintConnector(input: LintInput): Finding[] {
  const { manifest } = input;
  const findings = [...specFindings(manifest), ...concurrencyFindings(manifest)];
  for (const error of manifest.faults.values())
    findings.push({
      level: 'error',
      where: error.place ?? 'manifest',
      message: `${error.message}: expected ${error.expected ?? 'something else'}, found ${error.found ?? 'this'}`,
    });
  for (const { stream, problems } of coverageOf(manifest, input.twins).filter(
    ({ stream: name }) => !manifest.faults.has(name),
  ))
    for (const problem of problems)
      findings.push({
        level: 'warning',
        where: `stream ${stream}`,
        message: `${problem}: the stream is not read, the others are`,
      });
  if (input.metadata !== undefined) findings.push(...versionFindings(input, input.metadata));
  return findings;
}

function specFindings(manifest: Manifest): Finding[] {
  const findings: Finding[] = [];
  const specification = specificationOf(manifest);
  const required = new Set(Array.isArray(specification['required']) ? specification['required'].map(String) : []);
  const properties = Object.entries(isObject(specification['properties']) ? specification['properties'] : {}).filter(
    (entry): entry is [string, JsonObject] => isObject(entry[1]),
  );
  const error = (where: string, message: string) => findings.push({ level: 'error', where, message });
  const warning = (where: string, message: string) => findings.push({ level: 'warning', where, message });
  for (const name of required)
    if (!properties.some(([known]) => known === name)) error(`spec.${name}`, 'is required and not described');
  const orders = new Map<number, string>();
  const lastRequired = Math.max(
    -1,
    ...properties.filter(([name]) => required.has(name)).map(([, property]) => numberIn(property, 'order') ?? -1),
  );
  for (const [name, property] of properties) {
    const where = `spec.${name}`;
    const fault = property['default'] === undefined ? undefined : outOfBounds(property['default'], property);
    if (fault) error(where, `its default ${JSON.stringify(property['default'])} ${fault}`);
    if (property['airbyte_hidden'] === true && required.has(name))
      error(where, 'is hidden and required: nobody could fill it in');
    if (property['airbyte_hidden'] === true && property['default'] === undefined)
      warning(where, 'is hidden and has no default');
    if (
      /secret|password|token|api_?key/i.test(name) &&
      property['type'] === 'string' &&
      property['airbyte_secret'] !== true &&
      !/endpoint|url|type|expir/i.test(name)
    )
      warning(where, 'looks like a secret and is not marked airbyte_secret');
    const order = numberIn(property, 'order');
    if (order === undefined) continue;
    const other = orders.get(order);
    if (other) warning(where, `has the same order as ${other}`);
    orders.set(order, name);
    if (!required.has(name) && order < lastRequired && property['airbyte_hidden'] === true)
      warning(where, 'is hidden and stands before required fields: new optional fields come last');
  }
  return findings;
}

function concurrencyFindings(manifest: Manifest): Finding[] {
  const level = manifest.root['concurrency_level'];
  if (!isObject(level)) return [];
  const properties = specificationOf(manifest)['properties'];
  const most = level['max_concurrency'];
  const where = 'concurrency_level';
  const knobs = concurrencyKnobs(manifest);
  const findings: Finding[] = [];
  if (knobs.length > 0 && typeof most !== 'number')
    findings.push({
      level: 'error',
      where,
      message: 'needs max_concurrency, since default_concurrency depends on the configuration',
    });
  for (const knob of knobs) {
    const property = isObject(properties) ? properties[knob] : undefined;
    if (!isObject(property))
      findings.push({
        level: 'warning',
        where,
        message: `reads config.${knob}, which the specification does not describe`,
      });
    else if (typeof most === 'number' && typeof property['maximum'] === 'number' && property['maximum'] > most)
      findings.push({
        level: 'warning',
        where,
        message: `clamps config.${knob} at ${most}, though the specification allows ${property['maximum']}`,
      });
  }
  return findings;
}

function versionFindings({ changelog, previous }: LintInput, text: string): Finding[] {
  let metadata: unknown;
  try {
    metadata = parseYaml(text);
  } catch (error) {
    return [
      {
        level: 'error',
        where: 'metadata.yaml',
        message: `is not valid YAML: ${(error as Error).message.split('\n')[0]}`,
      },
    ];
  }
  const found: Finding[] = [];
  const error = (where: string, message: string) => found.push({ level: 'error', where, message });
  const data = isObject(metadata) && isObject(metadata['data']) ? metadata['data'] : {};
  const version = String(data['dockerImageTag'] ?? '');
  const match = VERSION.exec(version);
  if (!match) {
    error('metadata.yaml', `dockerImageTag is "${version}": expected MAJOR.MINOR.PATCH, or that with -rc.N`);
    return found;
  }
  const releases = isObject(data['releases']) ? data['releases'] : {};
  const rollout = isObject(releases['rolloutConfiguration'])
    ? releases['rolloutConfiguration']['enableProgressiveRollout'] === true
    : false;
  if (match[4] !== undefined && !rollout)
    error(
      'metadata.yaml',
      `${version} is a release candidate, and releases.rolloutConfiguration.enableProgressiveRollout is not true`,
    );
  if (match[4] === undefined && rollout)
    error('metadata.yaml', `${version} is no release candidate, and enableProgressiveRollout is true`);
  if (changelog === undefined) found.push({ level: 'warning', where: 'changelog', message: 'is not there' });
  else {
    const named = new RegExp(`(?<![\\d.])${version.replaceAll('.', '\\.')}(?![\\d.-])`);
    if (!named.test(changelog)) error('changelog', `has no entry for ${version}, which metadata.yaml names`);
  }
  if (previous !== undefined) found.push(...successionFindings(previous, match, version));
  const breakingChanges = isObject(releases['breakingChanges']) ? Object.keys(releases['breakingChanges']) : [];
  if (
    previous !== undefined &&
    VERSION.exec(previous)?.[1] !== match[1] &&
    !breakingChanges.includes(`${match[1]}.0.0`)
  )
    error('metadata.yaml', `a new major version needs releases.breakingChanges."${match[1]}.0.0"`);
  return found;
}

function successionFindings(previous: string, match: RegExpExecArray, version: string): Finding[] {
  const before = VERSION.exec(previous);
  if (!before) return [{ level: 'error', where: '--previous', message: `"${previous}" is no version` }];
  const numbers = (m: RegExpExecArray) => [
    Number(m[1]),
    Number(m[2]),
    Number(m[3]),
    m[4] === undefined ? Infinity : Number(m[4]),
  ];
  const [a, b] = [numbers(before), numbers(match)];
  const order = a.findIndex((value, i) => value !== b[i]);
  if (order < 0) return [{ level: 'error', where: 'metadata.yaml', message: `${version} is published already` }];
  if (b[order]! < a[order]!)
    return [{ level: 'error', where: 'metadata.yaml', message: `${version} comes before ${previous}` }];
  if (before[4] !== undefined && match[4] !== undefined && order < 3)
    return [
      {
        level: 'error',
        where: 'metadata.yaml',
        message: `between candidates of a version only the part after -rc. changes: ${previous} became ${version}`,
      },
    ];
  return [];
}

function outOfBounds(value: Json, property: JsonObject): string | undefined {
  const minimum = numberIn(property, 'minimum');
  const maximum = numberIn(property, 'maximum');
  const types = Array.isArray(property['type'])
    ? property['type']
    : property['type'] === undefined
      ? []
      : [property['type']];
  const own =
    value === null
      ? 'null'
      : Array.isArray(value)
        ? 'array'
        : typeof value === 'number'
          ? Number.isInteger(value)
            ? 'integer'
            : 'number'
          : typeof value;
  if (types.length > 0 && !types.includes(own) && !(own === 'integer' && types.includes('number')))
    return `is no ${types.join(' or ')}`;
  if (typeof value === 'number' && minimum !== undefined && value < minimum) return `is below the minimum ${minimum}`;
  if (typeof value === 'number' && maximum !== undefined && value > maximum) return `is above the maximum ${maximum}`;
  if (Array.isArray(property['enum']) && !property['enum'].includes(value))
    return `is none of ${property['enum'].map(String).join(', ')}`;
  if (typeof value === 'string' && typeof property['pattern'] === 'string') {
    try {
      if (!new RegExp(property['pattern'], 'u').test(value)) return `does not match the pattern ${property['pattern']}`;
    } catch {
      /* A pattern of another dialect is not judged. */
    }
  }
  return undefined;
}

function numberIn(property: JsonObject, name: string): number | undefined {
  const value = property[name];
  return typeof value === 'number' ? value : undefined;
}
