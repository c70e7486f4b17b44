/** What a user allows of an API's limits: part of every connection's `source`. Nothing here needs to be set. */
import { z } from 'zod';
import type { Ceilings } from '../gate/gate.js';

const perSecond = z.number().positive().max(100_000);

export const ceilingFields = {
  max_rate: perSecond
    .optional()
    .describe('Requests a second, over all, that are never exceeded, whatever the API allows. Default: no ceiling.'),
  max_endpoint_rate: perSecond.optional().describe('The same for each endpoint.'),
  max_concurrency: z
    .int()
    .min(1)
    .max(10_000)
    .optional()
    .describe('Requests at once that are never exceeded. Default: no ceiling.'),
  share: z
    .union([z.string().regex(/^(?:[1-9]\d?|100)%$/, 'a percentage from 1% to 100%'), z.number().gt(0).max(1)])
    .optional()
    .describe('Part of every limit that is used, such as 50%; the rest is left to others. Default: all of it.'),
};

export const ceilingSchema = z.object(ceilingFields);

/** A ceiling below one request a second counts over a longer window. */
export function ceilingsOf(config: z.infer<typeof ceilingSchema>): Ceilings {
  const rule = (rate: number | undefined) =>
    rate === undefined
      ? undefined
      : rate >= 1
        ? { requests: Math.floor(rate), windowMs: (1000 * Math.floor(rate)) / rate }
        : { requests: 1, windowMs: 1000 / rate };
  const { share } = config;
  return {
    maxRate: rule(config.max_rate),
    maxEndpointRate: rule(config.max_endpoint_rate),
    maxConcurrency: config.max_concurrency,
    share: share === undefined ? undefined : typeof share === 'number' ? share : Number(share.slice(0, -1)) / 100,
  };
}
