/** What an answer means for the gate: the one place that decides it, whoever judges what it means for the stream. */
import { codeOf } from '../base/errors.js';
import type { Answer, LimitSigns } from '../gate/gate.js';

/** The server says that it cannot cope: it may be throttling. 529 is Anthropic's and Qualys's. */
const OVERLOADED = new Set([408, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529]);
/** No answer within its time, or a connection that was cut: what a server does that cannot cope. */
const CUT = /^(ECONNRESET|EPIPE|ETIMEDOUT|UND_ERR_(HEADERS_TIMEOUT|BODY_TIMEOUT|SOCKET|CONNECT_TIMEOUT))$/;

/** Of an answer, by its status and what its dialect read. */
export function kindOf(status: number, signs: LimitSigns): Answer['kind'] {
  if (signs.rejection) return 'rejected';
  return OVERLOADED.has(status) ? 'overloaded' : 'accepted';
}

/** Of an attempt that brought no answer. */
export function kindOfFailure(error: unknown): Answer['kind'] {
  return CUT.test(codeOf(error) ?? '') ? 'overloaded' : 'lost';
}
