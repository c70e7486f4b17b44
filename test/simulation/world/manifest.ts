/** The streams of a scenario as a manifest of Airbyte's language, read by the real runtime over the virtual network. */
import type { SharedGate } from '../../../src/gate/shared/shared-gate.js';
import { parseManifest, type Manifest } from '../../../src/sources/manifest/document/manifest.js';
import { declarativeSource } from '../../../src/sources/manifest/source.js';
import type { SourceParts, StreamPlan, WorldSource } from './source.js';

const BASE = 'http://api.test';
type Part = Record<string, unknown>;

const option = (field_name: string): Part => ({
  type: 'RequestOption',
  inject_into: 'request_parameter',
  field_name,
});

function paginatorOf({ shape, pageRows, tokensByRow, scrollName }: StreamPlan): Part {
  const sized = { page_size_option: option('limit') };
  switch (shape) {
    case 'numbered':
      return {
        type: 'DefaultPaginator',
        ...sized,
        page_token_option: option('page'),
        pagination_strategy: { type: 'PageIncrement', page_size: pageRows, inject_on_first_request: true },
      };
    case 'offsets':
      return {
        type: 'DefaultPaginator',
        ...sized,
        page_token_option: option('offset'),
        pagination_strategy: { type: 'OffsetIncrement', page_size: pageRows },
      };
    case 'scroll':
      return {
        type: 'DefaultPaginator',
        ...sized,
        page_token_option: option(scrollName ?? 'cursor'),
        pagination_strategy: {
          type: 'CursorPagination',
          page_size: pageRows,
          cursor_value: '{{ response.next }}',
          stop_condition: '{{ response.data | length == 0 }}',
        },
      };
    default:
      return {
        type: 'DefaultPaginator',
        ...sized,
        page_token_option: option('cursor'),
        pagination_strategy: {
          type: 'CursorPagination',
          page_size: pageRows,
          cursor_value: tokensByRow ? '{{ last_record.created }}|{{ last_record.id }}' : '{{ response.next }}',
          stop_condition: '{{ not response.has_more }}',
        },
      };
  }
}

function timeOf({ shape, start, window }: StreamPlan): Part | undefined {
  if (shape !== 'windows' && shape !== 'moving') return undefined;
  return {
    type: 'DatetimeBasedCursor',
    cursor_field: 'updated',
    datetime_format: '%s',
    cursor_granularity: 'PT1S',
    start_datetime: String(start ?? 0),
    start_time_option: option('gte'),
    end_time_option: option('lte'),
    ...(window === undefined ? {} : { step: `PT${window}S` }),
  };
}

function streamOf(plan: StreamPlan, plans: StreamPlan[]): Part {
  const { name, shape, parent, ignoresForbidden } = plan;
  const time = timeOf(plan);
  return {
    type: 'DeclarativeStream',
    name,
    primary_key: 'id',
    ...(time === undefined ? {} : { incremental_sync: time }),
    schema_loader: {
      type: 'InlineSchemaLoader',
      schema: {
        type: 'object',
        properties: {
          id: { type: 'string' },
          created: { type: 'integer' },
          updated: { type: 'integer' },
          rev: { type: 'integer' },
          parent: { type: 'string' },
        },
      },
    },
    retriever: {
      type: 'SimpleRetriever',
      requester: {
        type: 'HttpRequester',
        url_base: BASE,
        path: name,
        http_method: 'GET',
        request_parameters: {
          ...(shape === 'moving' ? { sort: 'updated asc' } : {}),
          ...(parent === undefined ? {} : { of: parent }),
        },
        error_handler: {
          type: 'DefaultErrorHandler',
          max_retries: 11,
          response_filters: [
            ...(ignoresForbidden ? [{ type: 'HttpResponseFilter', http_codes: [403], action: 'IGNORE' }] : []),
            ...(parent === undefined ? [] : [{ type: 'HttpResponseFilter', http_codes: [404], action: 'IGNORE' }]),
          ],
        },
      },
      record_selector: { type: 'RecordSelector', extractor: { type: 'DpathExtractor', field_path: ['data'] } },
      paginator: paginatorOf(plan),
      ...(parent === undefined
        ? {}
        : {
            partition_router: {
              type: 'SubstreamPartitionRouter',
              parent_stream_configs: [
                {
                  type: 'ParentStreamConfig',
                  parent_key: 'id',
                  partition_field: 'parent',
                  request_option: option('parent'),
                  stream: streamOf(
                    plans.find((each) => each.name === parent)!,
                    plans,
                  ),
                },
              ],
            },
          }),
    },
  };
}

/** Parsed once for all processes that have the same configuration. */
export function manifestOf(plans: StreamPlan[], dialect: string): Manifest {
  const document = {
    version: '6.0.0',
    type: 'DeclarativeSource',
    check: { type: 'CheckStream', stream_names: [plans[0]!.name] },
    streams: plans.map((plan) => streamOf(plan, plans)),
  };
  return parseManifest(JSON.stringify(document), `source-${dialect}.yaml`);
}

export async function manifestSource(
  manifest: Manifest,
  { process, network, gate }: SourceParts & { gate: SharedGate },
): Promise<WorldSource> {
  const source = await declarativeSource({
    manifest,
    config: {},
    twins: {},
    ceilings: {},
    gateFor: () => gate,
    gatesFor: () => {
      throw new Error('no stream of the world has several credentials');
    },
    clock: process.clock,
    random: process.agenda.random,
    dispatcher: network.dispatcherOf(process) as never,
  });
  gate.onChange = () => source.client.admission.pump();
  return source;
}
