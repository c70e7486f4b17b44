/**
 * The words of Airbyte's declarative language (its component schema, version 1.0.0): each component, its fields, and
 * what they hold. A line is `Component field:type field!:type`, `!` for what is required; a type is a component,
 * `string`, `integer`, `number`, `boolean`, `object`, `any`, `=word`, `[list]`, `{map}` or `(one|of|these)`.
 */
const WORDS = `
AddFields fields!:[AddedFieldDefinition] condition:string
AddedFieldDefinition path!:[string] value!:string value_type:(=string|=number|=integer|=boolean)
ApiKeyAuthenticator api_token:string header:string inject_into:RequestOption
AsyncJobStatusMap running!:[string] completed!:[string] failed!:[string] timeout!:[string] skipped:[string]
AsyncRetriever record_selector!:RecordSelector status_mapping!:AsyncJobStatusMap status_extractor!:(DpathExtractor|CombinedExtractor|CustomRecordExtractor)
  download_target_extractor:(DpathExtractor|CombinedExtractor|CustomRecordExtractor)
  download_extractor:(DpathExtractor|CombinedExtractor|CustomRecordExtractor|ResponseToFileExtractor)
  creation_requester!:(HttpRequester|CustomRequester) polling_requester!:(HttpRequester|CustomRequester) polling_job_timeout:(integer|string)
  failed_retry_wait_time_in_seconds:(integer|string) download_target_requester:(HttpRequester|CustomRequester)
  download_requester!:(HttpRequester|CustomRequester) download_paginator:(DefaultPaginator|NoPagination)
  abort_requester:(HttpRequester|CustomRequester) delete_requester:(HttpRequester|CustomRequester)
  partition_router:(ListPartitionRouter|SubstreamPartitionRouter|GroupingPartitionRouter|UnionPartitionRouter|CustomPartitionRouter|[(ListPartitionRouter|SubstreamPartitionRouter|GroupingPartitionRouter|UnionPartitionRouter|CustomPartitionRouter)])
  decoder:(CsvDecoder|GzipDecoder|JsonDecoder|JsonItemsDecoder|JsonlDecoder|IterableDecoder|XmlDecoder|ZipfileDecoder|CustomDecoder)
  download_decoder:(CsvDecoder|GzipDecoder|JsonDecoder|JsonItemsDecoder|JsonlDecoder|IterableDecoder|XmlDecoder|ZipfileDecoder|CustomDecoder)
AuthFlow auth_flow_type:(=oauth2.0|=oauth1.0) predicate_key:[string] predicate_value:string oauth_config_specification:OAuthConfigSpecification
BasicHttpAuthenticator username!:string password:string
BearerAuthenticator api_token!:string
BlockSimultaneousSyncsAction
CheckDynamicStream stream_count!:integer use_check_availability:boolean config_overrides:object
CheckStream stream_names:[string] dynamic_streams_check_configs:[DynamicStreamCheckConfig] config_overrides:object
CombinedExtractor extractors!:[(DpathExtractor|CustomRecordExtractor|CombinedExtractor)] mode:(=union|=first_match) skip_empty_records:boolean
ComplexFieldType field_type!:string items:(string|ComplexFieldType)
ComponentMappingDefinition field_path!:[string] value!:string value_type:(=string|=number|=integer|=boolean) create_or_update:boolean condition:string
CompositeErrorHandler error_handlers!:[(CompositeErrorHandler|DefaultErrorHandler|CustomErrorHandler)]
ConcurrencyLevel default_concurrency!:(integer|string) max_concurrency:integer
ConditionalStreams condition!:string streams!:[DeclarativeStream]
ConfigAddFields fields!:[AddedFieldDefinition] condition:string
ConfigComponentsResolver stream_config!:([StreamConfig]|StreamConfig) components_mapping!:[ComponentMappingDefinition]
ConfigMigration description:string transformations!:[(ConfigRemapField|ConfigAddFields|ConfigRemoveFields|CustomConfigTransformation)]
ConfigNormalizationRules config_migrations:[ConfigMigration]
  transformations:[(ConfigRemapField|ConfigAddFields|ConfigRemoveFields|CustomConfigTransformation)] validations:[(DpathValidator|PredicateValidator)]
ConfigRemapField map!:(object|string) field_path!:[string]
ConfigRemoveFields field_pointers!:[[string]] condition:string
ConstantBackoffStrategy backoff_time_in_seconds!:(number|string) jitter_range_in_seconds:number
CsvDecoder encoding:string delimiter:string set_values_to_none:[string]
CursorPagination cursor_value!:string page_size:(integer|string) stop_condition:string
CustomAuthenticator class_name!:string
CustomBackoffStrategy class_name!:string
CustomConfigTransformation class_name!:string
CustomDecoder class_name!:string
CustomErrorHandler class_name!:string
CustomPaginationStrategy class_name!:string
CustomPartitionRouter class_name!:string
CustomRecordExtractor class_name!:string
CustomRecordFilter class_name!:string
CustomRequester class_name!:string
CustomRetriever class_name!:string
CustomSchemaLoader class_name!:string
CustomSchemaNormalization class_name!:string
CustomStateMigration class_name!:string
CustomTransformation class_name!:string
CustomValidationStrategy class_name!:string
DatetimeBasedCursor clamping:DatetimeBasedCursor_clamping cursor_field!:string allow_catalog_defined_cursor_field:boolean
  cursor_datetime_formats:[string] start_datetime!:(MinMaxDatetime|string) start_time_option:RequestOption end_datetime:(MinMaxDatetime|string)
  end_time_option:RequestOption datetime_format!:string cursor_granularity:string is_data_feed:boolean is_client_side_incremental:boolean
  is_compare_strictly:boolean global_substream_cursor:boolean lookback_window:string partition_field_end:string partition_field_start:string
  step:string
DatetimeBasedCursor_clamping target!:string target_details:object
DeclarativeSource check!:(CheckStream|CheckDynamicStream) streams:[(ConditionalStreams|DeclarativeStream|StateDelegatingStream)]
  dynamic_streams:[DynamicDeclarativeStream] version!:string schemas:object definitions:object spec:Spec concurrency_level:ConcurrencyLevel
  api_budget:HTTPAPIBudget stream_groups:{StreamGroup} max_concurrent_async_job_count:(integer|string) metadata:object description:string
DeclarativeStream name:string retriever!:(SimpleRetriever|AsyncRetriever|CustomRetriever)
  incremental_sync:(DatetimeBasedCursor|IncrementingCountCursor) primary_key:(string|[string]|[[string]])
  schema_loader:(InlineSchemaLoader|DynamicSchemaLoader|JsonFileSchemaLoader|[(InlineSchemaLoader|DynamicSchemaLoader|JsonFileSchemaLoader|CustomSchemaLoader)]|CustomSchemaLoader)
  transformations:[(AddFields|RemoveFields|KeysToLower|KeysToSnakeCase|FlattenFields|DpathFlattenFields|KeysReplace|CustomTransformation)]
  state_migrations:[(LegacyToPerPartitionStateMigration|CustomStateMigration)] file_uploader:FileUploader
DefaultErrorHandler
  backoff_strategies:[(ConstantBackoffStrategy|ExponentialBackoffStrategy|WaitTimeFromHeader|WaitUntilTimeFromHeader|WaitTimeFromResponse|CustomBackoffStrategy)]
  max_retries:(integer|string) response_filters:[HttpResponseFilter]
DefaultPaginator pagination_strategy!:(PageIncrement|OffsetIncrement|CursorPagination|CustomPaginationStrategy) page_size_option:RequestOption
  page_token_option:(RequestOption|RequestPath)
DpathExtractor field_path!:[string] record_expander:RecordExpander
DpathFlattenFields field_path!:[string] delete_origin_value:boolean replace_record:boolean key_transformation:KeyTransformation
DpathValidator field_path!:[string] validation_strategy!:(ValidateAdheresToSchema|CustomValidationStrategy)
DynamicDeclarativeStream name:string stream_template!:(DeclarativeStream|StateDelegatingStream)
  components_resolver!:(HttpComponentsResolver|ConfigComponentsResolver|ParametrizedComponentsResolver) use_parent_parameters:boolean
DynamicSchemaLoader retriever!:(SimpleRetriever|AsyncRetriever|CustomRetriever) schema_filter:(RecordFilter|CustomRecordFilter)
  schema_transformations:[(AddFields|RemoveFields|KeysToLower|KeysToSnakeCase|FlattenFields|DpathFlattenFields|KeysReplace|CustomTransformation)]
  schema_type_identifier!:SchemaTypeIdentifier
DynamicStreamCheckConfig dynamic_stream_name!:string stream_count:integer
ExponentialBackoffStrategy factor:(number|string) jitter_range_in_seconds:number
FileUploader requester!:(HttpRequester|CustomRequester) download_target_extractor!:(DpathExtractor|CombinedExtractor|CustomRecordExtractor)
  file_extractor:(DpathExtractor|CombinedExtractor|CustomRecordExtractor) filename_extractor:string
FixedWindowCallRatePolicy period!:string call_limit!:integer matchers!:[HttpRequestRegexMatcher]
FlattenFields flatten_lists:boolean
GroupByKeyMergeStrategy key!:(string|[string])
GroupingPartitionRouter group_size!:integer
  underlying_partition_router!:(ListPartitionRouter|SubstreamPartitionRouter|UnionPartitionRouter|CustomPartitionRouter) deduplicate:boolean
GzipDecoder decoder!:(CsvDecoder|GzipDecoder|JsonDecoder|JsonItemsDecoder|JsonlDecoder)
HTTPAPIBudget policies!:[(FixedWindowCallRatePolicy|MovingWindowCallRatePolicy|UnlimitedCallRatePolicy)] ratelimit_reset_header:string
  ratelimit_remaining_header:string status_codes_for_ratelimit_hit:[integer]
HttpComponentsResolver retriever!:(SimpleRetriever|AsyncRetriever|CustomRetriever) components_mapping!:[ComponentMappingDefinition]
HttpRequestRegexMatcher method:string url_base:string url_path_pattern:string params:object headers:object weight:(integer|string)
HttpRequester url_base:string url:string path:string http_method:(=GET|=POST)
  authenticator:(ApiKeyAuthenticator|BasicHttpAuthenticator|BearerAuthenticator|OAuthAuthenticator|JwtAuthenticator|SessionTokenAuthenticator|SelectiveAuthenticator|CustomAuthenticator|NoAuth|LegacySessionTokenAuthenticator|RateLimitedMultipleTokenAuthenticator)
  fetch_properties_from_endpoint:PropertiesFromEndpoint query_properties:QueryProperties request_parameters:({(string|QueryProperties)}|string)
  request_headers:({string}|string) request_body_data:({string}|string) request_body_json:(object|string)
  request_body:(RequestBodyPlainText|RequestBodyUrlEncodedForm|RequestBodyJsonObject|RequestBodyGraphQL)
  error_handler:(DefaultErrorHandler|CompositeErrorHandler|CustomErrorHandler) use_cache:boolean
  connect_timeout_in_seconds:number read_timeout_in_seconds:number use_tcp_keepalive:boolean
HttpResponseFilter action:(=SUCCESS|=FAIL|=RETRY|=IGNORE|=RESET_PAGINATION|=RATE_LIMITED|=REFRESH_TOKEN_THEN_RETRY|=REDUCE_PAGE_SIZE|=SPLIT_REQUEST_WINDOW)
  failure_type:(=system_error|=config_error|=transient_error) error_message:string error_message_contains:string http_codes:[integer] predicate:string
IncrementingCountCursor cursor_field!:string allow_catalog_defined_cursor_field:boolean start_value:(string|integer) start_value_option:RequestOption
InlineSchemaLoader schema:object
IterableDecoder
JsonDecoder
JsonFileSchemaLoader file_path:string
JsonItemsDecoder items_path!:string encoding:string
JsonSchemaPropertySelector
  transformations:[(AddFields|RemoveFields|KeysToLower|KeysToSnakeCase|FlattenFields|DpathFlattenFields|KeysReplace|CustomTransformation)]
JsonlDecoder
JwtAuthenticator secret_key!:string base64_encode_secret_key:boolean
  algorithm!:(=HS256|=HS384|=HS512|=ES256|=ES256K|=ES384|=ES512|=RS256|=RS384|=RS512|=PS256|=PS384|=PS512|=EdDSA) token_duration:integer
  header_prefix:string jwt_headers:JwtAuthenticator_jwt_headers additional_jwt_headers:object jwt_payload:JwtAuthenticator_jwt_payload
  additional_jwt_payload:object passphrase:string request_option:RequestOption
JwtAuthenticator_jwt_headers kid:string typ:string cty:string
JwtAuthenticator_jwt_payload iss:string sub:string aud:string
KeyTransformation prefix:string suffix:string
KeysReplace old!:string new!:string
KeysToLower
KeysToSnakeCase
LegacySessionTokenAuthenticator header!:string login_url!:string session_token:string session_token_response_key!:string username:string
  password:string validate_session_url!:string
LegacyToPerPartitionStateMigration
ListPartitionRouter cursor_field!:string values!:(string|[string]) request_option:RequestOption
MinMaxDatetime datetime!:string datetime_format:string max_datetime:string min_datetime:string
MovingWindowCallRatePolicy rates!:[Rate] matchers!:[HttpRequestRegexMatcher]
NoAuth
NoPagination
OAuthAuthenticator client_id_name:string client_id:string client_secret_name:string client_secret:string refresh_token_name:string
  refresh_token:string token_refresh_endpoint:string access_token_name:string access_token_value:string expires_in_name:string grant_type_name:string
  grant_type:string refresh_request_body:object refresh_request_headers:object send_refresh_request_as_query_params:boolean scopes:[string]
  token_expiry_date:string token_expiry_date_format:string refresh_token_error_status_codes:[integer] refresh_token_error_key:string
  refresh_token_error_values:[string] refresh_token_updater:any profile_assertion:JwtAuthenticator use_profile_assertion:boolean
OAuthConfigSpecification oauth_user_input_from_connector_config_specification:object
  oauth_connector_input_specification:OAuthConfigSpecification_oauth_connector_input_specification complete_oauth_output_specification:object
  complete_oauth_server_input_specification:object complete_oauth_server_output_specification:object
OAuthConfigSpecification_oauth_connector_input_specification consent_url!:string scope:string
  scopes:[OAuthConfigSpecification_oauth_connector_input_specification_scopes]
  optional_scopes:[OAuthConfigSpecification_oauth_connector_input_specification_optional_scopes] scopes_join_strategy:(=space|=comma|=plus)
  access_token_url!:string access_token_headers:object access_token_params:object extract_output:[string]
  state:OAuthConfigSpecification_oauth_connector_input_specification_state client_id_key:string client_secret_key:string scope_key:string
  state_key:string auth_code_key:string redirect_uri_key:string
OAuthConfigSpecification_oauth_connector_input_specification_optional_scopes scope!:string
OAuthConfigSpecification_oauth_connector_input_specification_scopes scope!:string
OAuthConfigSpecification_oauth_connector_input_specification_state min!:integer max!:integer
OffsetIncrement page_size:(integer|string) inject_on_first_request:boolean
PageIncrement page_size:(integer|string) start_from_page:integer inject_on_first_request:boolean
PageSizeReduction reduction_factor:number minimum_page_size:integer max_attempts:integer backoff_seconds:number
  retries_at_minimum_page_size:integer failure_message:string reset_policy:(=NEVER|=AFTER_SUCCESSFUL_PAGE)
PaginationReset action!:(=SPLIT_USING_CURSOR|=RESET) limits:PaginationResetLimits
PaginationResetLimits number_of_records:integer
ParametrizedComponentsResolver stream_parameters!:StreamParametersDefinition components_mapping!:[ComponentMappingDefinition]
ParentFieldPath parent_path!:[string] record_path!:[string]
ParentStreamConfig stream!:(DeclarativeStream|StateDelegatingStream) parent_key!:string partition_field!:string request_option:RequestOption
  incremental_dependency:boolean lazy_read_pointer:[string] extra_fields:[[string]]
PredicateValidator value!:(string|number|object|[any]|boolean|null) validation_strategy!:(ValidateAdheresToSchema|CustomValidationStrategy)
PropertiesFromEndpoint property_field_path!:[string] retriever!:(SimpleRetriever|CustomRetriever)
PropertyChunking property_limit_type!:(=characters|=property_count) property_limit:integer record_merge_strategy:GroupByKeyMergeStrategy
QueryProperties property_list!:([string]|PropertiesFromEndpoint) always_include_properties:[string] property_chunking:PropertyChunking
  property_selector:JsonSchemaPropertySelector
QuotaStatusSource url!:string http_method:(=GET|=POST) request_headers:{string} unavailable_status_codes:[integer]
Rate limit!:(integer|string) interval!:string
RateLimitedMultipleTokenAuthenticator tokens!:(string|[string]) token_delimiter:string auth_method:string header:string
  quota_status_source!:QuotaStatusSource quotas!:[TokenQuota] max_wait_time:string budget_reserve_fraction:number budget_min_reserve:integer
RecordExpander expand_records_from_field!:[string] remain_original_record:boolean on_no_records:(=skip|=emit_parent)
  parent_fields:[ParentFieldPath] merge_parent:boolean truncation_indicator_path:[string]
  truncated_list_retriever:(SimpleRetriever|CustomRetriever)
RecordFilter condition:string
RecordSelector extractor!:(DpathExtractor|CombinedExtractor|CustomRecordExtractor) record_filter:(RecordFilter|CustomRecordFilter)
  schema_normalization:(=Default|=None|CustomSchemaNormalization) transform_before_filtering:boolean
RemoveFields condition:string field_pointers!:[[string]]
RequestBodyGraphQL value!:RequestBodyGraphQlQuery
RequestBodyGraphQlQuery query!:string
RequestBodyJsonObject value!:object
RequestBodyPlainText value!:string
RequestBodyUrlEncodedForm value!:{string}
RequestOption inject_into!:(=request_parameter|=header|=body_data|=body_json) field_name:string field_path:[string]
RequestPath
RequestWindowSplitting failure_message:string min_split_window:string
ResponseToFileExtractor preserve_na_values:boolean
SchemaTypeIdentifier schema_pointer:[string] key_pointer!:[string] type_pointer:[string] types_mapping:[TypesMap]
SelectiveAuthenticator authenticator_selection_path!:[string]
  authenticators!:{(ApiKeyAuthenticator|BasicHttpAuthenticator|BearerAuthenticator|OAuthAuthenticator|JwtAuthenticator|SessionTokenAuthenticator|LegacySessionTokenAuthenticator|CustomAuthenticator|NoAuth|RateLimitedMultipleTokenAuthenticator)}
SessionTokenAuthenticator login_requester!:HttpRequester session_token_path!:[string] expiration_duration:string
  request_authentication!:(SessionTokenRequestApiKeyAuthenticator|SessionTokenRequestBearerAuthenticator) decoder:(JsonDecoder|XmlDecoder)
SessionTokenRequestApiKeyAuthenticator type!:=ApiKey inject_into!:RequestOption api_token:string
SessionTokenRequestBearerAuthenticator type!:=Bearer
SimpleRetriever requester!:(HttpRequester|CustomRequester)
  decoder:(JsonDecoder|JsonItemsDecoder|XmlDecoder|CsvDecoder|JsonlDecoder|GzipDecoder|IterableDecoder|ZipfileDecoder|CustomDecoder)
  record_selector!:RecordSelector paginator:(DefaultPaginator|NoPagination) pagination_reset:PaginationReset page_size_reduction:PageSizeReduction
  request_window_splitting:RequestWindowSplitting
  ignore_stream_slicer_parameters_on_paginated_requests:boolean
  partition_router:(SubstreamPartitionRouter|ListPartitionRouter|GroupingPartitionRouter|UnionPartitionRouter|CustomPartitionRouter|[(SubstreamPartitionRouter|ListPartitionRouter|GroupingPartitionRouter|UnionPartitionRouter|CustomPartitionRouter)])
Spec connection_specification!:object documentation_url:string advanced_auth:AuthFlow config_normalization_rules:ConfigNormalizationRules
StateDelegatingStream name!:string full_refresh_stream!:DeclarativeStream incremental_stream!:DeclarativeStream api_retention_period:string
StreamConfig configs_pointer!:[string] default_values:[object]
StreamGroup streams!:[DeclarativeStream] action!:BlockSimultaneousSyncsAction
StreamParametersDefinition list_of_parameters_for_stream!:[object]
SubstreamPartitionRouter parent_stream_configs!:[ParentStreamConfig]
TokenQuota name!:string remaining_path!:[string] reset_path!:[string] limit_path:[string] matchers:[HttpRequestRegexMatcher] remaining_header:string
  reset_header:string limit_header:string exhaustion_status_codes:[integer]
TypesMap target_type!:(string|[string]|ComplexFieldType) current_type!:(string|[string]) condition:string
UnionPartitionRouter partition_field!:string
  partition_routers!:[(ListPartitionRouter|SubstreamPartitionRouter|UnionPartitionRouter|CustomPartitionRouter)]
UnlimitedCallRatePolicy matchers!:[HttpRequestRegexMatcher]
ValidateAdheresToSchema base_schema!:(string|object)
WaitTimeFromHeader header!:string regex:string max_waiting_time_in_seconds:(number|string)
WaitTimeFromResponse wait_time_in_seconds!:string max_waiting_time_in_seconds:(number|string)
WaitUntilTimeFromHeader header!:string min_wait:(number|string) regex:string max_waiting_time_in_seconds:(number|string)
XmlDecoder
ZipfileDecoder decoder!:(CsvDecoder|GzipDecoder|JsonDecoder|JsonItemsDecoder|JsonlDecoder)
`;

export type FieldType =
  | { kind: 'string' | 'integer' | 'number' | 'boolean' | 'object' | 'any' }
  | { kind: 'component'; name: string }
  | { kind: 'word'; word: string }
  | { kind: 'list' | 'map'; of: FieldType }
  | { kind: 'either'; of: FieldType[] };

export interface ComponentWords {
  name: string;
  fields: Map<string, { type: FieldType; required: boolean }>;
}

const SIMPLE = ['string', 'integer', 'number', 'boolean', 'object', 'any'] as const;

export const COMPONENTS: ReadonlyMap<string, ComponentWords> = read(WORDS);

function read(words: string): Map<string, ComponentWords> {
  const components = new Map<string, ComponentWords>();
  for (const line of words.trim().replaceAll('\n  ', ' ').split('\n')) {
    const [name, ...rest] = line.split(' ') as [string, ...string[]];
    const fields: ComponentWords['fields'] = new Map();
    for (const field of rest) {
      const at = field.indexOf(':');
      const required = field[at - 1] === '!';
      fields.set(field.slice(0, required ? at - 1 : at), { type: typeOf(field.slice(at + 1)), required });
    }
    components.set(name, { name, fields });
  }
  return components;
}

function typeOf(text: string): FieldType {
  if (text.startsWith('[')) return { kind: 'list', of: typeOf(text.slice(1, -1)) };
  if (text.startsWith('{')) return { kind: 'map', of: typeOf(text.slice(1, -1)) };
  if (text.startsWith('(')) return { kind: 'either', of: alternatives(text.slice(1, -1)).map(typeOf) };
  if (text.startsWith('=')) return { kind: 'word', word: text.slice(1) };
  const simple = SIMPLE.find((kind) => kind === text);
  return simple ? { kind: simple } : { kind: 'component', name: text };
}

function alternatives(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i <= text.length; i++) {
    const char = text[i];
    if (char === '(' || char === '[' || char === '{') depth++;
    else if (char === ')' || char === ']' || char === '}') depth--;
    else if (i === text.length || (char === '|' && depth === 0)) {
      parts.push(text.slice(start, i));
      start = i + 1;
    }
  }
  return parts;
}
