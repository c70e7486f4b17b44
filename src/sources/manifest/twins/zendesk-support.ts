/** Twins of extractors that Zendesk Support's manifest names (developer.zendesk.com, ticketing). */
import type { DataRecord } from '../../../base/catalog.js';
import { isObject, type JsonObject } from '../document/read.js';
import type { Twins } from '../runtime/twin.js';

const listIn = (holder: unknown, name: string): JsonObject[] => {
  const found: unknown = isObject(holder) ? holder[name] : undefined;
  return Array.isArray(found) ? found.filter(isObject) : [];
};

export const zendeskSupport: Twins = {
  /** Incremental ticket events: comments are among the child events of an event, which knows the ticket. */
  ZendeskSupportExtractorEvents: {
    extract: (body) =>
      listIn(body, 'ticket_events').flatMap((event) =>
        listIn(event, 'child_events')
          .filter((child) => child['event_type'] === 'Comment')
          .map((comment) => commentOf(comment, event)),
      ),
  },
  /** Routing attribute definitions: two lists of conditions. */
  ZendeskSupportAttributeDefinitionsExtractor: {
    extract: (body) => {
      const definitions: unknown = isObject(body) ? body['definitions'] : undefined;
      return ['all', 'any'].flatMap((condition) =>
        listIn(definitions, `conditions_${condition}`).map((each) => ({ ...each, condition })),
      );
    },
  },
};

/** `via` is an object as a rule, and else tells nothing that fits its column. */
function commentOf(comment: JsonObject, event: JsonObject): DataRecord {
  const made: DataRecord = { ...comment };
  for (const name of ['via_reference_id', 'ticket_id', 'timestamp']) made[name] = event[name] ?? null;
  if (!isObject(comment['via'])) made['via'] = null;
  return made;
}
