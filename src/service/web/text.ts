/** Numbers, times and words as people read them. */
import { duration } from '../../base/duration.js';

export { duration };

export const count = (value: number): string => Math.round(value).toLocaleString('en-US');

/** `24 MB`. */
export function bytesText(value: number): string {
  const units = ['B', 'kB', 'MB', 'GB'];
  let rest = value;
  let at = 0;
  for (; rest >= 1000 && at < units.length - 1; at++) rest /= 1000;
  return `${rest >= 100 || at === 0 ? Math.round(rest) : Number(rest.toFixed(1))} ${units[at]}`;
}

export const ago = (time: string): string => `${duration(Date.now() - Date.parse(time))} ago`;

export function whenText(time: string | null): string {
  if (time === null) return '';
  const ms = Date.parse(time) - Date.now();
  return ms > 0 ? `in ${duration(ms)}` : 'now';
}

export const clockText = (time: string): string =>
  new Date(time).toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });

/** A time of these days, as one says it: `Monday 30 Nov, 14:00`. */
export const dayText = (time: string): string =>
  new Date(time).toLocaleString('en-GB', {
    weekday: 'long',
    day: 'numeric',
    month: 'short',
    hour: '2-digit',
    minute: '2-digit',
  });

/** How a limit was found out. */
export const KNOWN_BY: Record<string, string> = {
  headers: 'stated in headers',
  body: 'stated in answers',
  rejections: 'learned from rejections',
  prior: 'usual for this API, not met yet',
  memory: 'learned by an earlier run',
  searching: 'still being sought',
  configuration: 'set in the configuration',
};

export function scheduleText(
  schedule: { every_seconds: number | null; cron: string | null; time_zone: string } | null,
): string {
  if (!schedule) return 'by hand';
  return schedule.cron === null
    ? `every ${duration((schedule.every_seconds ?? 0) * 1000)}`
    : `${schedule.cron} (${schedule.time_zone})`;
}
