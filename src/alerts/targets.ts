/**
 * Who is told of alerts, and what they are sent. Addresses are secrets: what is stored and shown of one is its host.
 */
import { createHash } from 'node:crypto';
import type { z } from 'zod';
import type { Egress } from '../base/egress.js';
import type { alertSchema, ALERT_KINDS } from '../config/schema.js';

export type AlertKind = (typeof ALERT_KINDS)[number];

export interface AlertTarget extends z.infer<typeof alertSchema> {
  /** Of this connection alone; undefined: of all. */
  connection: string | undefined;
  /** Where it may lead. */
  egress: Egress;
}

/** What happened, as it is stored until it was told. */
export interface Alert {
  kind: AlertKind | 'test';
  connection: string;
  at: string;
  message: string;
  /** Everything that is wrong with the connection now. */
  problems: AlertKind[];
  run: { id: string; outcome: string | null } | null;
  freshAsOf: string | null;
}

/** Tells targets apart without telling them. */
export const digestOf = ({ url, format }: Pick<AlertTarget, 'url' | 'format'>): string =>
  createHash('sha256').update(`${format} ${url}`).digest('hex').slice(0, 24);

/** `https://hooks.slack.com/…` */
export function shownOf({ url }: Pick<AlertTarget, 'url'>): string {
  const { protocol, host, pathname, search } = new URL(url);
  return `${protocol}//${host}${pathname.length + search.length > 1 ? '/…' : ''}`;
}

export const wants = (target: AlertTarget, { kind, connection }: Pick<Alert, 'kind' | 'connection'>): boolean =>
  (target.connection === undefined || target.connection === connection) &&
  (kind === 'test' || target.on.includes(kind));

/** The body of the request. */
export function bodyOf(alert: Alert, format: AlertTarget['format']): string {
  if (format === 'slack') return JSON.stringify({ text: `Headrace: ${alert.message}` });
  const { freshAsOf, ...rest } = alert;
  return JSON.stringify({ type: 'alert', ...rest, fresh_as_of: freshAsOf });
}
