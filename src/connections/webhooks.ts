/** How the webhooks of a connection are signed: with its own secret, in the header that its connector names. */
import type { Connector } from '../sources/connector.js';

export interface WebhookSigning {
  secret: string;
  header: string;
}

/** Undefined: no webhook of it is taken. */
export function webhookSigning(connector: Connector | undefined, secret: unknown): WebhookSigning | undefined {
  const header = connector?.webhookHeader;
  return header === undefined || typeof secret !== 'string' ? undefined : { secret, header };
}
