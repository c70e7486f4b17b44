/**
 * `api_budget` as facts for the gate: where it starts, corrected by headers and rejections. Airbyte's own windows are
 * not copied: a fixed one is reset ten days off there, and an update of its remaining calls adds one instead of setting
 * them.
 */
import { isObject, type JsonObject } from '../document/read.js';
import type { LimitFact } from '../../../gate/gate.js';
import { parseDuration } from '../templates/date-text.js';
import { numberOf, type Value } from '../templates/values.js';
import { list, now, text, type Kit } from './kit.js';
import type { Requester } from './requester.js';
import { regexOf } from '../templates/patterns.js';

/** `requesters`: those of all streams; a policy with matchers holds for the endpoints that it matches. */
export function budgetFacts(kit: Kit, requesters: Requester[]): LimitFact[] {
  const budget = kit.manifest.root['api_budget'];
  if (!isObject(budget)) return [];
  const facts: LimitFact[] = [];
  const endpoints = [...new Set(requesters.map(({ endpoint }) => endpoint))];
  // As in Airbyte, the first policy that matches a request is the one that counts it.
  const taken = new Set<string>();
  for (const [index, policy] of list(budget, 'policies').entries()) {
    const matched = matchedBy(kit, policy, requesters).filter((endpoint) => !taken.has(endpoint));
    for (const endpoint of matched) taken.add(endpoint);
    const isForAll = list(policy, 'matchers').length === 0 || matched.length === endpoints.length;
    if (matched.length === 0 && !isForAll) continue;
    for (const [part, { requests, windowMs }] of ratesOf(kit, policy).entries()) {
      facts.push({
        name: `api_budget ${index + 1}${part > 0 ? `.${part + 1}` : ''}`,
        scope: isForAll ? 'credential' : 'endpoint',
        ...(isForAll ? {} : { endpoints: matched }),
        usual: { requests, windowMs },
      });
    }
  }
  return facts;
}

function ratesOf(kit: Kit, policy: JsonObject): { requests: number; windowMs: number }[] {
  const rate = (limit: unknown, period: unknown) => ({
    requests: Math.floor(numberOf(now(kit, policy, limit as string) as Value) ?? Number.NaN),
    windowMs: parseDuration(text(kit, policy, period as string)({})).ms,
  });
  const rates =
    policy['type'] === 'FixedWindowCallRatePolicy'
      ? [rate(policy['call_limit'], policy['period'])]
      : policy['type'] === 'MovingWindowCallRatePolicy'
        ? list(policy, 'rates').map((each) => rate(each['limit'], each['interval']))
        : [];
  return rates.filter(({ requests, windowMs }) => requests > 0 && windowMs > 0);
}

/** Endpoints of the requests that a component's `matchers` name; all where it has none. */
export function matchedBy(kit: Kit, policy: JsonObject, requesters: Requester[]): string[] {
  const matchers = list(policy, 'matchers');
  const matches = (requester: Requester) =>
    matchers.some((matcher) => {
      const { component } = requester;
      const method = String(component['http_method'] ?? 'GET').toUpperCase();
      if (typeof matcher['method'] === 'string' && matcher['method'].toUpperCase() !== method) return false;
      if (
        typeof matcher['url_base'] === 'string' &&
        !requester.base.startsWith(text(kit, matcher, matcher['url_base'])({}))
      )
        return false;
      const pattern = matcher['url_path_pattern'];
      return (
        typeof pattern !== 'string' ||
        regexOf(pattern, '').test(`/${requester.endpoint}`) ||
        regexOf(pattern, '').test(requester.endpoint)
      );
    });
  return [
    ...new Set(
      requesters.filter((requester) => matchers.length === 0 || matches(requester)).map(({ endpoint }) => endpoint),
    ),
  ];
}
