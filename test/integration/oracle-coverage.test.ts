/** Every component of the declarative language is read beside the CDK by `npm run bench -- oracle`, or it says why not. */
import { expect, test } from 'vitest';
import { COMPONENT_SCENARIOS } from '../../bench/lib/oracle-components.js';
import { KEPT_SCENARIOS } from '../../bench/lib/oracle-kept.js';
import { MIXED_SCENARIOS } from '../../bench/lib/oracle-mixed.js';
import { NEWER_SCENARIOS } from '../../bench/lib/oracle-newer.js';
import { OTHER_SCENARIOS } from '../../bench/lib/oracle-rest.js';
import { SCENARIOS } from '../../bench/lib/oracle-scenarios.js';
import { DIFFERENCES } from '../../src/sources/manifest/tools/differences.js';
import { COMPONENTS } from '../../src/sources/manifest/document/vocabulary.js';

const all = [
  ...SCENARIOS,
  ...COMPONENT_SCENARIOS,
  ...NEWER_SCENARIOS,
  ...OTHER_SCENARIOS,
  ...KEPT_SCENARIOS,
  ...MIXED_SCENARIOS,
];
const said = JSON.stringify(all.map(({ manifest }) => manifest));

/** Components that no scenario reads, and why. */
const WITHOUT: Record<string, string> = {
  AuthFlow: 'spec tells it, no read needs it',
  OAuthConfigSpecification: 'spec tells it, no read needs it',
  OAuthConfigSpecification_oauth_connector_input_specification: 'spec tells it, no read needs it',
  OAuthConfigSpecification_oauth_connector_input_specification_optional_scopes: 'spec tells it, no read needs it',
  OAuthConfigSpecification_oauth_connector_input_specification_scopes: 'spec tells it, no read needs it',
  OAuthConfigSpecification_oauth_connector_input_specification_state: 'spec tells it, no read needs it',
  CheckDynamicStream: 'of check alone',
  DynamicStreamCheckConfig: 'of check alone',
  DatetimeBasedCursor_clamping: 'bears no type: scenarios clamp-*',
  JwtAuthenticator_jwt_headers: 'bears no type: scenario jwt-claims',
  JwtAuthenticator_jwt_payload: 'bears no type: scenario jwt-claims',
  RequestBodyGraphQlQuery: 'bears no type: scenario body-graphql',
  SessionTokenRequestApiKeyAuthenticator: 'its type is ApiKey: scenario session-key',
  SessionTokenRequestBearerAuthenticator: 'its type is Bearer: scenario session-bearer',
  FileUploader: 'needs files beside the server',
  ResponseToFileExtractor: 'needs files beside the server',
  JsonFileSchemaLoader: 'needs files beside the manifest',
  JsonSchemaPropertySelector: 'a note says that all properties are asked for',
  PaginationResetLimits: 'refused by name',
  PredicateValidator: 'the CDK fails whatever it is given',
  IncrementingCountCursor: 'a difference on purpose',
  RateLimitedMultipleTokenAuthenticator: 'a difference on purpose',
  QuotaStatusSource: 'a difference on purpose',
  TokenQuota: 'a difference on purpose',
};

test('every component of the language has a scenario, or says why it has none', () => {
  const missing = [...COMPONENTS.keys()].filter(
    (name) => !name.startsWith('Custom') && !said.includes(`"type":"${name}"`),
  );
  expect(missing.toSorted()).toEqual(Object.keys(WITHOUT).toSorted());
});

test('scenarios have names of their own, and reasons that are documented', () => {
  expect(new Set(all.map(({ name }) => name)).size).toBe(all.length);
  const known = new Set(DIFFERENCES.map(([what]) => what));
  for (const { name, because } of all) if (because !== undefined) expect(known.has(because), name).toBe(true);
});
