/**
 * `$parameters` handed down to the components inside, and the types that a manifest may leave out. A parameter is also
 * the value of the component's own field of that name, where the component does not set it.
 */
import { ConfigError } from '../../../base/errors.js';
import { LIMITS } from '../../../base/bounds.js';
import { isObject, set, type Json, type JsonObject, type Origins } from './read.js';

const PARAMETERS = '$parameters';

/** What a field holds where its component has no `type`. */
const DEFAULT_TYPES: Record<string, string> = {
  'AddFields.fields': 'AddedFieldDefinition',
  'CompositeErrorHandler.error_handlers': 'DefaultErrorHandler',
  'ConfigComponentsResolver.components_mapping': 'ComponentMappingDefinition',
  'ConfigComponentsResolver.stream_config': 'StreamConfig',
  'CursorPagination.decoder': 'JsonDecoder',
  'CustomPartitionRouter.parent_stream_configs': 'ParentStreamConfig',
  'DatetimeBasedCursor.end_datetime': 'MinMaxDatetime',
  'DatetimeBasedCursor.end_time_option': 'RequestOption',
  'DatetimeBasedCursor.start_datetime': 'MinMaxDatetime',
  'DatetimeBasedCursor.start_time_option': 'RequestOption',
  'DeclarativeSource.check': 'CheckStream',
  'DeclarativeSource.spec': 'Spec',
  'DeclarativeSource.streams': 'DeclarativeStream',
  'DeclarativeStream.retriever': 'SimpleRetriever',
  'DeclarativeStream.schema_loader': 'JsonFileSchemaLoader',
  'DefaultErrorHandler.response_filters': 'HttpResponseFilter',
  'DefaultPaginator.decoder': 'JsonDecoder',
  'DefaultPaginator.page_size_option': 'RequestOption',
  'DpathExtractor.decoder': 'JsonDecoder',
  'DpathExtractor.record_expander': 'RecordExpander',
  'DynamicDeclarativeStream.components_resolver': 'ConfigComponentsResolver',
  'DynamicDeclarativeStream.stream_template': 'DeclarativeStream',
  'DynamicSchemaLoader.retriever': 'SimpleRetriever',
  'HttpComponentsResolver.components_mapping': 'ComponentMappingDefinition',
  'HttpComponentsResolver.retriever': 'SimpleRetriever',
  'HttpRequester.error_handler': 'DefaultErrorHandler',
  'ListPartitionRouter.request_option': 'RequestOption',
  'ParentStreamConfig.request_option': 'RequestOption',
  'ParentStreamConfig.stream': 'DeclarativeStream',
  'RecordExpander.parent_fields': 'ParentFieldPath',
  'RecordSelector.extractor': 'DpathExtractor',
  'RecordSelector.record_filter': 'RecordFilter',
  'SchemaTypeIdentifier.types_mapping': 'TypesMap',
  'SimpleRetriever.paginator': 'NoPagination',
  'SimpleRetriever.record_selector': 'RecordSelector',
  'SimpleRetriever.requester': 'HttpRequester',
  'SubstreamPartitionRouter.parent_stream_configs': 'ParentStreamConfig',
};
/** The same where it names a class of Python. */
const CUSTOM_TYPES: Record<string, string> = {
  'CompositeErrorHandler.backoff_strategies': 'CustomBackoffStrategy',
  'DeclarativeStream.retriever': 'CustomRetriever',
  'DeclarativeStream.transformations': 'CustomTransformation',
  'DefaultErrorHandler.backoff_strategies': 'CustomBackoffStrategy',
  'DefaultPaginator.pagination_strategy': 'CustomPaginationStrategy',
  'HttpRequester.authenticator': 'CustomAuthenticator',
  'HttpRequester.error_handler': 'CustomErrorHandler',
  'RecordSelector.extractor': 'CustomRecordExtractor',
  'SimpleRetriever.partition_router': 'CustomPartitionRouter',
};

/**
 * A copy in which every component has its type and all its parameters. Throws ConfigError where the copy grows beyond
 * what it may.
 */
export function propagateParameters(root: JsonObject, origins: Origins, file: string): JsonObject {
  let nodes = 0;

  const list = (values: Json[], field: string, parameters: JsonObject): Json[] =>
    values.map((value) => (isObject(value) ? component(value, field, parameters) : value));

  const component = (source: JsonObject, field: string, inherited: JsonObject): JsonObject => {
    if (++nodes > LIMITS.manifestNodes) {
      throw new ConfigError('the manifest unfolds into too much', {
        code: 'manifest_too_large',
        place: file,
        expected: `at most ${LIMITS.manifestNodes} components once references are resolved`,
        found: 'more',
        next: 'check for references that repeat each other',
      });
    }
    const made: JsonObject = {};
    for (const [key, value] of Object.entries(source)) if (key !== PARAMETERS) set(made, key, value);
    const origin = origins.get(source);
    if (origin) origins.set(made, origin);
    if (!Object.hasOwn(made, 'type')) {
      const found = (Object.hasOwn(made, 'class_name') ? CUSTOM_TYPES : DEFAULT_TYPES)[field];
      if (found !== undefined) made['type'] = found;
    }
    const { type } = made;
    const own = source[PARAMETERS];
    const parameters: JsonObject = { ...inherited, ...(isObject(own) ? own : {}) };
    // A JSON schema is no component, though it has a `type`.
    if (type === 'object' || Array.isArray(type) || isObject(type)) return made;
    if (type === undefined) {
      for (const [key, value] of Object.entries(made))
        if (isObject(value) && isTruthy(value['type'])) made[key] = component(value, field, parameters);
      return made;
    }
    for (const [key, value] of Object.entries(parameters)) if (!isTruthy(made[key])) set(made, key, value);
    for (const [key, value] of Object.entries(made)) {
      // A field's own name is no parameter inside it.
      const { [key]: _, ...rest } = parameters;
      if (isObject(value)) made[key] = component(value, `${String(type)}.${key}`, rest);
      else if (Array.isArray(value)) {
        const copied = list(value, `${String(type)}.${key}`, rest);
        const at = origins.get(value);
        if (at) origins.set(copied, at);
        made[key] = copied;
      }
    }
    if (Object.keys(parameters).length > 0) made[PARAMETERS] = parameters;
    return made;
  };

  return component(root, '', {});
}

/** As Python sees it: an empty field is as good as none. */
function isTruthy(value: Json | undefined): boolean {
  if (value === undefined || value === null || value === false || value === 0 || value === '') return false;
  return Array.isArray(value) ? value.length > 0 : typeof value !== 'object' || Object.keys(value).length > 0;
}
