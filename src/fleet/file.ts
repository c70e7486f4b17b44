/** What the file of connections tells the fleet: where it is, and its schedules. Needs no database. */
import { ConfigError } from '../base/errors.js';
import { DEFAULT_FILE, readConfig, type LoadedConfig } from '../config/load.js';
import type { ConnectionSettings } from '../config/schema.js';
import type { ConnectionFlags } from '../connections/with-flags.js';
import { assertCadence, secondsOf, type Cadence } from './scheduler/cadence.js';

export interface CoordinationFlags extends ConnectionFlags {
  database?: string | undefined;
  /** The same database past the pool that `database` leads to. */
  directUrl?: string | undefined;
  /** Connections of the API may lead to private networks and to this machine. */
  allowPrivateTargets?: boolean | undefined;
  /** They may name sockets and files of this machine. */
  allowLocalFiles?: boolean | undefined;
}

/** The file that names the connections; undefined where there is none and none was asked for. */
export function readFile(flags: CoordinationFlags, env: NodeJS.ProcessEnv): LoadedConfig | undefined {
  const file = flags.config ?? (env['HEADRACE_CONFIG'] || undefined);
  try {
    return readConfig(file ?? DEFAULT_FILE, env);
  } catch (error) {
    if (file === undefined && error instanceof ConfigError && error.code === 'config_missing') return undefined;
    throw error;
  }
}

/** For `headrace check`: a schedule that never comes is found before `serve` meets it. Throws ConfigError. */
export function assertSchedule(name: string, flags: CoordinationFlags, env: NodeJS.ProcessEnv): void {
  const loaded = readFile(flags, env);
  const settings = loaded?.config.connections[name];
  if (!loaded || !settings) return;
  loaded.unset.assertNone(['connections', name]);
  cadenceOf(settings.schedule, schedulePlace(loaded, name));
}

export const schedulePlace = (loaded: LoadedConfig, name: string) => loaded.placeOf(['connections', name, 'schedule']);

export function cadenceOf(schedule: ConnectionSettings['schedule'], place: string): Cadence | undefined {
  const cadence: Cadence | undefined =
    schedule?.every !== undefined
      ? { everySeconds: secondsOf(schedule.every, place) }
      : schedule?.cron !== undefined
        ? { cron: schedule.cron, timeZone: schedule.time_zone }
        : undefined;
  if (cadence) assertCadence(cadence, place);
  return cadence;
}
