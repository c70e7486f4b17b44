/** Twins of the classes that Intercom's manifests name. */
import type { Twins } from '../runtime/twin.js';
import { isObject, type Json, type JsonObject } from '../document/read.js';

/** The gate keeps the limit: what is left of the class is the handler that it extends. */
const handler = (component: JsonObject): JsonObject => ({ ...component, type: 'DefaultErrorHandler' });

export const intercom: Twins = {
  ErrorHandlerWithRateLimiter: { replace: handler },
  HttpRequesterWithRateLimiter: { replace: (component) => ({ ...component, type: 'HttpRequester' }) },
  /** A scroll that the server lost begins anew; one that somebody else holds ends within a minute. */
  IntercomErrorHandler: {
    replace: (component) => ({
      ...component,
      type: 'DefaultErrorHandler',
      backoff_strategies: [{ type: 'ConstantBackoffStrategy', backoff_time_in_seconds: 60 }],
      response_filters: [
        ...(component['response_filters'] as Json[]).filter(
          (filter) => !(isObject(filter) && JSON.stringify(filter['http_codes']) === '[400]'),
        ),
        {
          type: 'HttpResponseFilter',
          http_codes: [400],
          action: 'RETRY',
          error_message: 'Another scroll is open for this workspace.',
        },
        { type: 'HttpResponseFilter', http_codes: [500], action: 'RESET_PAGINATION' },
      ],
    }),
  },
  IntercomScrollPagination: {
    replace: (component) => ({
      ...component,
      type: 'CursorPagination',
      stop_condition: "{{ response.get('data', []) | length == 0 }}",
    }),
  },
  /** One scroll at a time: a chain has one page in flight, and its parents are read once. */
  IntercomScrollRetriever: { replace: (component) => ({ ...component, type: 'SimpleRetriever' }) },
  /** The old state of a substream: its parent's cursor and its own beside each other. */
  SubstreamStateMigration: {
    migrateState: (state, { component }) => {
      const streamName = nameIn(component);
      const parent = Object.entries(state).find(
        ([key, value]) => key !== streamName && key !== 'prior_state' && isObject(value),
      );
      if (!parent || ['state', 'states', 'parent_state', 'use_global_cursor', '__headrace'].some((key) => key in state))
        return undefined;
      const own = Object.entries(state).find(([, value]) => typeof value === 'number' || typeof value === 'string');
      return {
        use_global_cursor: true,
        ...(own ? { state: { [own[0]]: own[1] } } : {}),
        parent_state: { [parent[0]]: parent[1] as Json },
      };
    },
  },
};

function nameIn(component: JsonObject): string {
  const parameters = component['$parameters'];
  return isObject(parameters) ? String(parameters['name'] ?? '') : '';
}
