/**
 * What `headrace connector diff` looks at: each rule, what it holds to be, why, and an example, which a test applies to
 * a manifest and the reference shows. Source of docs/reference/connector-diff.md.
 */
export type Verdict = 'breaking' | 'compatible';

export interface DiffRule {
  kind: Verdict;
  why: string;
  /** Place in the manifest of the test, and what stands there before and after. Null: nothing. */
  example: readonly [at: string, old: unknown, next: unknown];
}

const breaking = (why: string, ...example: DiffRule['example']): DiffRule => ({ kind: 'breaking', why, example });
const compatible = (why: string, ...example: DiffRule['example']): DiffRule => ({ kind: 'compatible', why, example });

const CONFIG = 'spec.connection_specification.properties';
const FIELD = 'streams.0.schema_loader.schema.properties';
const REQUESTER = 'streams.0.retriever.requester';
const SELECTOR = 'streams.0.retriever.record_selector';
const CURSOR = 'streams.0.incremental_sync';
const PARENT = 'streams.1.retriever.partition_router.parent_stream_configs.0';
const AUTH = 'spec.advanced_auth';

const TEXT = { type: 'string' };
const RENAME = { type: 'CustomStateMigration', class_name: 'x.Renamed' };
const adding = (field: string, value: string) => ({
  type: 'AddFields',
  fields: [{ type: 'AddedFieldDefinition', path: [field], value }],
});

export const DIFF_RULES = {
  // The configuration.
  'config-removed': compatible('what users set does nothing any more', `${CONFIG}.note`, TEXT, null),
  'config-refused': breaking(
    'who set it is refused',
    'spec.connection_specification.additionalProperties',
    true,
    false,
  ),
  'config-new': compatible('nobody has to set it', `${CONFIG}.more`, null, TEXT),
  'config-new-required': breaking(
    'nobody has set it',
    'spec.connection_specification.required',
    ['api_key'],
    ['api_key', 'fresh'],
  ),
  'config-required': breaking(
    'some have not set it',
    'spec.connection_specification.required',
    ['api_key'],
    ['api_key', 'note'],
  ),
  'config-optional': compatible(
    'the old version requires it',
    'spec.connection_specification.required',
    ['api_key', 'note'],
    ['api_key'],
  ),
  'config-type': breaking('what was set is of another type', `${CONFIG}.days.type`, 'integer', 'string'),
  'config-type-wider': compatible('each integer is a number', `${CONFIG}.days.type`, 'integer', 'number'),
  'config-null': breaking('null was allowed, and is refused', `${CONFIG}.note.type`, ['string', 'null'], 'string'),
  'config-bound': breaking('what was set may lie outside', `${CONFIG}.days.maximum`, 30, 10),
  'config-bound-wider': compatible('what was set still fits', `${CONFIG}.days.maximum`, 30, 90),
  'config-pattern': breaking('what was set may not match', `${CONFIG}.note.pattern`, '^[a-z]+$', '^[a-z]{2}$'),
  'config-pattern-looser': compatible(
    'whatever matched still does',
    `${CONFIG}.note.pattern`,
    '^[a-z]{2}$',
    '^[a-z]{2,}$',
  ),
  'config-format': breaking('what was set may be written otherwise', `${CONFIG}.note.format`, 'date', 'date-time'),
  'config-enum': breaking('a choice is gone', `${CONFIG}.region.enum`, ['eu', 'us'], ['eu']),
  'config-enum-wider': compatible('there is another choice', `${CONFIG}.region.enum`, ['eu'], ['eu', 'us']),
  'config-const': breaking('what tells the ways apart is another', `${CONFIG}.mode.const`, 'a', 'b'),
  'config-default': breaking('who left it out gets something else', `${CONFIG}.region.default`, 'eu', 'us'),
  'config-default-new': compatible('who left it out has it now', `${CONFIG}.note.default`, null, 'x'),
  'config-secret': breaking('a secret is kept and shown like any text', `${CONFIG}.api_key.airbyte_secret`, true, null),
  'config-secret-new': compatible('it is kept secret from now on', `${CONFIG}.note.airbyte_secret`, null, true),
  'config-way': breaking(
    'who chose it has to choose again',
    `${CONFIG}.login.oneOf`,
    [{ title: 'Token' }, { title: 'OAuth' }],
    [{ title: 'Token' }],
  ),
  'config-way-new': compatible(
    'there is another way',
    `${CONFIG}.login.oneOf`,
    [{ title: 'Token' }],
    [{ title: 'Token' }, { title: 'OAuth' }],
  ),
  'config-migration': breaking(
    'configurations of earlier versions are not understood',
    'spec.config_normalization_rules',
    {
      config_migrations: [
        {
          type: 'ConfigMigration',
          transformations: [{ type: 'ConfigRemapField', field_path: ['note'], map: { a: 'b' } }],
        },
      ],
    },
    null,
  ),
  'config-validation': breaking('what was set may be refused', 'spec.config_normalization_rules', null, {
    validations: [
      {
        type: 'DpathValidator',
        field_path: ['note'],
        validation_strategy: { type: 'ValidateAdheresToSchema', base_schema: TEXT },
      },
    ],
  }),
  oauth: breaking('who signed in has to sign in again', `${AUTH}.predicate_value`, 'oauth', 'oauth2.0'),
  'oauth-new': compatible('one can sign in', AUTH, null, { auth_flow_type: 'oauth2.0' }),
  // Streams as users see them.
  'stream-gone': breaking('its rows come no more', 'streams.2', { name: 'extras' }, null),
  'stream-new': compatible('who wants it can choose it', 'streams.2', null, { name: 'extras' }),
  'stream-condition': breaking('some configurations lose or gain its streams', 'streams.3.condition', 'a', 'b'),
  key: breaking('rows are told apart by something else', 'streams.0.primary_key', 'id', ['id', 'name']),
  'field-gone': breaking('its column gets no values', `${FIELD}.address.properties.city`, TEXT, null),
  'field-new': compatible('there is another column', `${FIELD}.more`, null, TEXT),
  'field-type': breaking('its column is of another type', `${FIELD}.address.properties.zip.type`, 'integer', 'string'),
  'field-type-wider': compatible('each integer is a number', `${FIELD}.size.type`, 'integer', 'number'),
  'field-null': breaking('null was allowed, and is not', `${FIELD}.name.type`, ['null', 'string'], 'string'),
  'field-null-new': compatible('null is allowed', `${FIELD}.name.type`, 'string', ['null', 'string']),
  'field-format': breaking('its texts are read otherwise', `${FIELD}.made_at.format`, 'date-time', 'date'),
  // What is read.
  url: breaking('something else is asked', `${REQUESTER}.path`, 'users', 'people'),
  method: breaking('something else is asked', `${REQUESTER}.http_method`, 'GET', 'POST'),
  request: breaking('other rows may be answered', `${REQUESTER}.request_parameters.status`, 'all', 'active'),
  'request-size': compatible('pages are of another size', `${REQUESTER}.request_parameters.limit`, '50', '100'),
  authentication: breaking(
    'what users set may not be accepted',
    `${REQUESTER}.authenticator.header`,
    'X-Key',
    'Authorization',
  ),
  errors: compatible('other answers are retried or ignored', `${REQUESTER}.error_handler.max_retries`, 3, 5),
  records: breaking('other objects become rows', `${SELECTOR}.extractor.field_path`, ['data'], ['users']),
  filter: breaking(
    'other rows are left out',
    `${SELECTOR}.record_filter.condition`,
    '{{ record.a }}',
    '{{ record.b }}',
  ),
  normalization: breaking('values are of other types', `${SELECTOR}.schema_normalization`, 'Default', 'None'),
  decoder: breaking('answers are read otherwise', 'streams.0.retriever.decoder.type', 'JsonDecoder', 'JsonlDecoder'),
  retriever: breaking('rows are fetched otherwise', 'streams.0.file_uploader.filename_extractor', 'a', 'b'),
  paging: compatible(
    'the same pages, asked for otherwise',
    'streams.0.retriever.paginator.pagination_strategy.page_size',
    50,
    100,
  ),
  'paging-gone': breaking(
    'only the first page is read',
    'streams.0.retriever.paginator',
    { type: 'DefaultPaginator', pagination_strategy: { type: 'PageIncrement', page_size: 50 } },
    null,
  ),
  'field-made': breaking(
    'a field has other values, or none',
    'streams.0.transformations',
    [adding('a', '1')],
    [adding('a', '2')],
  ),
  'field-made-new': compatible(
    'there is another field',
    'streams.0.transformations',
    [adding('a', '1')],
    [adding('a', '1'), adding('b', '1')],
  ),
  'field-removed': breaking(
    'a field is taken out',
    'streams.0.transformations',
    [],
    [{ type: 'RemoveFields', field_pointers: [['name']] }],
  ),
  'field-removed-gone': compatible(
    'a field is left in',
    'streams.0.transformations',
    [{ type: 'RemoveFields', field_pointers: [['name']] }],
    [],
  ),
  transformation: breaking(
    'records are changed otherwise',
    'streams.0.transformations',
    [],
    [{ type: 'KeysToSnakeCase' }],
  ),
  // State.
  cursor: breaking('stored state is of another field', `${CURSOR}.cursor_field`, 'updated_at', 'made_at'),
  'cursor-format': breaking('stored state is written otherwise', `${CURSOR}.datetime_format`, '%Y-%m-%d', '%s'),
  'cursor-reads': breaking(
    'states and rows of that form are not read',
    `${CURSOR}.cursor_datetime_formats`,
    ['%Y-%m-%d', '%s'],
    ['%Y-%m-%d'],
  ),
  'cursor-reads-new': compatible(
    'another form is read as well',
    `${CURSOR}.cursor_datetime_formats`,
    ['%Y-%m-%d'],
    ['%Y-%m-%d', '%s'],
  ),
  'cursor-global': breaking(
    'one state for all parts, or one for each',
    'streams.1.incremental_sync.global_substream_cursor',
    false,
    true,
  ),
  'cursor-request': breaking(
    'the API is asked for another span',
    `${CURSOR}.start_time_option.field_name`,
    'since',
    'from',
  ),
  'cursor-span': breaking(
    'another part of the history is read',
    `${CURSOR}.start_datetime`,
    '2020-01-01',
    '2024-01-01',
  ),
  'cursor-lookback': breaking('rows that change late are missed', `${CURSOR}.lookback_window`, 'P7D', 'P1D'),
  'cursor-lookback-longer': compatible('more is read again', `${CURSOR}.lookback_window`, 'P1D', 'P7D'),
  'cursor-step': compatible('the same span, in other pieces', `${CURSOR}.step`, 'P30D', 'P10D'),
  'cursor-rows': breaking('other rows are kept', `${CURSOR}.is_client_side_incremental`, false, true),
  partitions: breaking('stored state is kept by something else', `${PARENT}.partition_field`, 'user_id', 'user'),
  'partition-gone': breaking('its rows come no more', 'streams.2.retriever.partition_router.values', ['a', 'b'], ['a']),
  'partition-new': compatible('there are more rows', 'streams.2.retriever.partition_router.values', ['a'], ['a', 'b']),
  'parent-dependency': breaking(
    'children of other parents are read, and state is kept otherwise',
    `${PARENT}.incremental_dependency`,
    false,
    true,
  ),
  parent: breaking('children are asked for otherwise', `${PARENT}.parent_key`, 'id', 'key'),
  'state-migration': breaking(
    'states of earlier versions are not understood',
    'streams.0.state_migrations',
    [RENAME],
    [],
  ),
  'state-migration-new': compatible('more states are understood', 'streams.0.state_migrations', [], [RENAME]),
  other: compatible('nothing that users see', 'concurrency_level.default_concurrency', 2, 4),
} satisfies Record<string, DiffRule>;

export type RuleName = keyof typeof DIFF_RULES;

/** The rules as the reference shows them. */
export function diffRuleRows(): string[][] {
  const shown = (value: unknown) => (value === null ? 'nothing' : `\`${JSON.stringify(value)}\``);
  return Object.entries(DIFF_RULES as Record<string, DiffRule>).map(
    ([
      name,
      {
        kind,
        why,
        example: [at, old, next],
      },
    ]) => [`\`${name}\``, kind, why, `\`${at}\`: ${shown(old)} becomes ${shown(next)}`],
  );
}
