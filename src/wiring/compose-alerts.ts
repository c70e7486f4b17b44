/** The wiring of alerts: targets of the file, of its connections, and of those of the API. */
import { Alerts } from '../alerts/alerts.js';
import { AlertStore } from '../alerts/alert-store.js';
import type { AlertTarget } from '../alerts/targets.js';
import { systemClock } from '../base/clock.js';
import { Egress } from '../base/egress.js';
import { registerSecret } from '../base/log.js';
import { alertSchema } from '../config/schema.js';
import { readFile, type Coordination, type CoordinationFlags } from '../fleet/coordination.js';
import { assertWhole } from '../fleet/known-connections.js';

/** Whoever writes the file may lead anywhere but to link-local addresses, which nobody may. */
const OF_THE_FILE = new Egress({ privateTargets: true, localFiles: false });

export function alertsOf(
  { scheduler, connections }: Pick<Coordination, 'scheduler' | 'connections'>,
  flags: CoordinationFlags,
  env: NodeJS.ProcessEnv,
): Alerts {
  const ofTheApi = new Egress({
    privateTargets: flags.allowPrivateTargets === true,
    localFiles: flags.allowLocalFiles === true,
  });
  return new Alerts(
    new AlertStore(scheduler.pool),
    async () => {
      const targets: AlertTarget[] = [];
      const loaded = readFile(flags, env);
      // Where a target is not known, a change would count as told to everybody.
      if (loaded) assertWhole(loaded);
      const config = loaded?.config;
      for (const alert of config?.alerts ?? []) targets.push({ ...alert, connection: undefined, egress: OF_THE_FILE });
      for (const [connection, { alerts = [] }] of Object.entries(config?.connections ?? {}))
        for (const alert of alerts) targets.push({ ...alert, connection, egress: OF_THE_FILE });
      for (const connection of await connections.withAlerts()) {
        const stored = alertSchema.array().safeParse((await connections.open(connection))?.['alerts']);
        for (const alert of stored.data ?? []) targets.push({ ...alert, connection, egress: ofTheApi });
      }
      for (const { url } of targets) registerSecret(url);
      return targets;
    },
    systemClock,
  );
}
