/** The stream of events, joined again when it breaks; and lists that follow it. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { ApiError, type WatchedEvent } from '../client/index.js';
import { client, refreshOverview, trouble } from './session';

const AGAIN_MS = 2_000;
/** What nobody tells of is asked for this often. */
const POLL_MS = 5_000;
/** Several events in a row are one reason to ask again. */
const SETTLE_MS = 400;

interface Filter {
  run?: string;
  connection?: string;
  kinds?: ('run' | 'event' | 'task')[];
}

/** A browser opens few connections to one place: all watchers of the same thing share one. */
const streams = new Map<string, { told: Set<(event: WatchedEvent) => void>; over: AbortController }>();

function join(filter: Filter, told: (event: WatchedEvent) => void): () => void {
  const key = JSON.stringify(filter);
  let stream = streams.get(key);
  if (!stream) {
    stream = { told: new Set(), over: new AbortController() };
    streams.set(key, stream);
    void watch(filter, stream);
  }
  const own = stream;
  own.told.add(told);
  return () => {
    own.told.delete(told);
    if (own.told.size > 0) return;
    own.over.abort();
    if (streams.get(key) === own) streams.delete(key);
  };
}

async function watch(
  filter: Filter,
  { told, over }: { told: Set<(event: WatchedEvent) => void>; over: AbortController },
): Promise<void> {
  const tell = (event: WatchedEvent) => {
    for (const each of told) each(event);
  };
  while (!over.signal.aborted) {
    try {
      for await (const event of client.watchEvents({ ...filter, signal: over.signal })) {
        trouble.value = undefined;
        tell(event);
      }
    } catch (error) {
      if (over.signal.aborted) return;
      if (error instanceof ApiError && error.status === 401) return void refreshOverview();
      trouble.value = error instanceof Error ? error.message : String(error);
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    if (!over.signal.aborted) tell({ event: 'resync', id: undefined, data: {} });
  }
}

export function useEvents(filter: Filter | undefined, onEvent: (event: WatchedEvent) => void): void {
  const latest = useRef(onEvent);
  latest.current = onEvent;
  useEffect(() => filter && join(filter, (event) => latest.current(event)), [JSON.stringify(filter)]);
}

export interface Loaded<T> {
  value: T | undefined;
  error: string | undefined;
  /** The value answers what was asked before; what is asked now is on its way. */
  isBusy: boolean;
  /** Asks again now. */
  reload: () => void;
}

/**
 * Asks at once, whenever something happened, and every few seconds while the page is looked at. Where the keys change,
 * the last value stays until the next is there: what has the focus is not taken away from under it.
 */
export function useLoaded<T>(
  load: () => Promise<T>,
  keys: unknown[],
  follow: { connection?: string } | false = {},
): Loaded<T> {
  const [state, setState] = useState<Omit<Loaded<T>, 'reload'>>({ value: undefined, error: undefined, isBusy: true });
  const latest = useRef(load);
  latest.current = load;
  const round = useRef(0);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const ask = () => {
    clearTimeout(timer.current);
    const own = ++round.current;
    latest.current().then(
      (value) => own === round.current && setState({ value, error: undefined, isBusy: false }),
      (error: unknown) => {
        if (error instanceof ApiError && error.status === 401) void refreshOverview();
        if (own === round.current)
          setState((before) => ({
            // An older answer is none to what is asked now.
            value: before.isBusy ? undefined : before.value,
            error: error instanceof Error ? error.message : String(error),
            isBusy: before.isBusy,
          }));
      },
    );
  };
  const soon = () => {
    clearTimeout(timer.current);
    timer.current = setTimeout(ask, SETTLE_MS);
  };
  useEffect(() => {
    setState((before) => ({ ...before, isBusy: true }));
    ask();
    const poll = setInterval(() => document.visibilityState === 'visible' && ask(), POLL_MS);
    return () => {
      clearInterval(poll);
      clearTimeout(timer.current);
      round.current++;
    };
  }, keys);
  useEvents(follow === false ? undefined : { ...follow, kinds: ['task'] }, soon);
  return { ...state, reload: ask };
}
