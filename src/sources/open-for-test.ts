/** Opens a connector for its own tests, outside of a run: with a gate in memory, and no destination. */
import { systemClock } from '../base/clock.js';
import { ConfigError } from '../base/errors.js';
import { systemRandom } from '../base/random.js';
import { CredentialGate } from '../gate/credential-gate.js';
import type { Connector } from './connector.js';
import type { Source } from './contract.js';

/**
 * The source of a connector with these settings, as `sourceConformance` wants it. Throws a ZodError where the settings
 * do not fit its schema.
 */
export async function openForTest(connector: Connector, settings: Record<string, unknown>): Promise<Source> {
  const parsed = connector.schema.parse({ connector: connector.name, ...settings });
  const { source } = await connector.open(parsed, {
    gateFor: (limits) => new CredentialGate(limits),
    gatesFor: () => {
      throw new ConfigError('credentials that stand in for each other are opened by a connection alone', {
        code: 'not_for_tests',
        place: connector.name,
      });
    },
    clock: systemClock,
    random: systemRandom(),
  });
  return source;
}
