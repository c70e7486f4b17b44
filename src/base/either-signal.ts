/**
 * Several signals as one. Node keeps what AbortSignal.any returns for ever while a listener is on it and none of its
 * signals aborts, and with it all that the listener reaches: in a worker that lives for months, each run that ended
 * well.
 */

/** Aborts with the first of `signals`, until `leave`: from then on nothing of it is kept. */
export function eitherOf(...signals: AbortSignal[]): { signal: AbortSignal; leave: () => void } {
  const either = new AbortController();
  const leave = () => {
    for (const { signal, tell } of told) signal.removeEventListener('abort', tell);
  };
  const told = signals.map((signal) => ({
    signal,
    tell: () => {
      leave();
      either.abort(signal.reason);
    },
  }));
  const first = signals.find(({ aborted }) => aborted);
  if (first) either.abort(first.reason);
  else for (const { signal, tell } of told) signal.addEventListener('abort', tell, { once: true });
  return { signal: either.signal, leave };
}
