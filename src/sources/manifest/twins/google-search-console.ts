/**
 * Twins of the classes that Google Search Console's manifest names (developers.google.com/webmaster-tools,
 * searchAnalytics.query): rows have their dimensions as a list of keys, in the order in which they were asked for.
 */
import type { JsonObject } from '../document/read.js';
import type { Twins } from '../runtime/twin.js';

const METRICS: JsonObject = {
  clicks: { type: ['null', 'integer'] },
  ctr: { type: ['null', 'number'] },
  impressions: { type: ['null', 'integer'] },
  position: { type: ['null', 'number'] },
  search_type: { type: ['null', 'string'] },
  site_url: { type: ['null', 'string'] },
};

const dimensionsOf = ({ dimensions }: JsonObject): string[] =>
  Array.isArray(dimensions) ? dimensions.map(String) : [];

export const searchConsole: Twins = {
  CustomReportExtractDimensionsFromKeys: {
    transform: (record, { component }) => {
      const { keys, ...made } = record;
      for (const [at, name] of dimensionsOf(component).entries())
        made[name] = (Array.isArray(keys) ? (keys[at] as unknown) : undefined) ?? null;
      return made;
    },
  },
  'source-google-search-console/CustomReportSchemaLoader': {
    schema: (component) => ({
      $schema: 'https://json-schema.org/draft-07/schema#',
      type: ['null', 'object'],
      additionalProperties: true,
      properties: {
        ...METRICS,
        ...Object.fromEntries(
          dimensionsOf(component)
            .toSorted()
            .map((name) => [name, { type: ['null', 'string'], ...(name === 'date' ? { format: 'date' } : {}) }]),
        ),
      },
    }),
  },
};
