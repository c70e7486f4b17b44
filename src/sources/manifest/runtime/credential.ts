/** What every way to authenticate offers, and what they share. */
import type { LimitSigns, Ticket } from '../../../gate/gate.js';
import type { Dialect } from '../../../http/dialects/dialect.js';
import type { RequestParts } from './options.js';

/** Sends a request outside any stream: a login or a token. Errors name the endpoint. */
export type SendPlain = (request: {
  method: string;
  url: string;
  headers: Record<string, string>;
  body: string | undefined;
  /** Names of headers that hold a credential. */
  credentials?: readonly string[] | undefined;
  /** The body holds one. */
  secretBody?: boolean | undefined;
}) => Promise<{ status: number; body: unknown; serverTimeMs: number | undefined }>;

export interface Authenticator {
  /** `ticket`: the request's own permit, where several tokens have gates of their own. */
  apply(parts: RequestParts, ticket?: Ticket): Promise<void>;
  /** Adds what an answer says of the token's limits. */
  signs?(response: Parameters<Dialect>[0], endpoint: string, signs: LimitSigns): LimitSigns;
  /** Which of the tokens so far a request made now carries. */
  version?(): number;
  /** An answer accepted a token of that version. */
  accepted?(version: number): void;
  /** Whether one of that version, or a later one, was ever accepted. */
  hasWorked?(version: number): boolean;
  /** The token of that version is no good any more. False: there is no other. */
  refresh(version: number): boolean;
}

export function setHeader(parts: RequestParts, name: string, value: string): void {
  parts.headers[name.toLowerCase()] = value;
}

/** A key as it was meant: copied ones bring the end of their line along. */
export const oneLine = (value: string): string => value.replaceAll(/^[\r\n]+|[\r\n]+$/g, '');
