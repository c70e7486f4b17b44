/** Sources made from manifests, without a server: what compiles, and how streams divide. */
import { expect, test } from 'vitest';
import { systemClock } from '../../base/clock.js';
import { CredentialGate } from '../../gate/credential-gate.js';
import type { LimitFact } from '../../gate/gate.js';
import { seededRandom } from '../../base/random.js';
import { parseManifest, type Manifest } from './document/manifest.js';
import type { JsonObject } from './document/read.js';
import { declarativeSource } from './source.js';
import { TWINS } from './twins/registry.js';

async function open(manifest: Manifest, config: JsonObject) {
  let facts: LimitFact[] = [];
  const source = await declarativeSource({
    manifest,
    config,
    twins: TWINS,
    ceilings: {},
    gateFor: (limits) => {
      facts = limits.facts;
      return new CredentialGate();
    },
    gatesFor: () => {
      throw new Error('no manifest here has several tokens');
    },
    clock: systemClock,
    random: seededRandom(1),
  });
  await source.close();
  return { source, facts };
}

const stream = (name: string, more = '', requester = '') => `  - type: DeclarativeStream
    name: ${name}
    retriever: {type: SimpleRetriever, requester: {type: HttpRequester, url_base: https://api.test, path: ${name}${requester}}, record_selector: {type: RecordSelector, extractor: {type: DpathExtractor, field_path: []}}${more}}
`;
const manifest = (streams: string, more = '') =>
  parseManifest(
    `version: 6.0.0\ntype: DeclarativeSource\ncheck: {type: CheckStream, stream_names: []}\nstreams:\n${streams}${more}`,
    'm.yaml',
  );

test('budgets become facts of the gate: the first policy that matches counts a request', async () => {
  const { facts } = await open(
    manifest(
      stream('users') + stream('reports'),
      `api_budget:
  type: HTTPAPIBudget
  policies:
    - {type: FixedWindowCallRatePolicy, period: PT10S, call_limit: 5, matchers: [{url_path_pattern: "^/reports"}]}
    - {type: MovingWindowCallRatePolicy, rates: [{limit: "{{ config['per_minute'] }}", interval: PT1M}, {limit: 1000, interval: PT1H}], matchers: []}
`,
    ),
    { per_minute: 60 },
  );
  expect(facts).toEqual([
    { name: 'api_budget 1', scope: 'endpoint', endpoints: ['reports'], usual: { requests: 5, windowMs: 10_000 } },
    { name: 'api_budget 2', scope: 'credential', usual: { requests: 60, windowMs: 60_000 } },
    { name: 'api_budget 2.2', scope: 'credential', usual: { requests: 1000, windowMs: 3_600_000 } },
  ]);
});
