/** What Stripe allows where the account has nothing else agreed (https://docs.stripe.com/rate-limits). */
import type { LimitFact } from '../../gate/gate.js';
import type { StripeConfig } from './config.js';

export function usualLimits(config: StripeConfig): LimitFact[] {
  const live = /^(sk|rk)_live_/.test(config.api_key);
  return [
    {
      name: 'global',
      scope: 'credential',
      usual: { requests: config.rate_limit?.global ?? (live ? 100 : 25), windowMs: 1000 },
    },
    { name: 'endpoint', scope: 'endpoint', usual: { requests: config.rate_limit?.endpoint ?? 25, windowMs: 1000 } },
  ];
}
