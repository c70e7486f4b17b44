/**
 * The one place where signals arrive. SIGINT (Ctrl-C), SIGTERM and SIGHUP (the terminal was closed) ask a command to
 * end in order: `sync` pauses, workers drain. A command that has nothing to put in order ends at once, but never leaves
 * an embedded database running behind it.
 */
import { constants } from 'node:os';
import { codeOf, EXIT } from '../base/errors.js';

type Signal = 'SIGINT' | 'SIGTERM' | 'SIGHUP';
const SIGNALS: readonly Signal[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/** What a command does when it is asked to end. */
export interface StopHandler {
  first: (signal: Signal) => void;
  /** Asked once more, by who cannot wait. A terminal that closes may send SIGHUP twice: that is one wish. */
  again?: (signal: Signal) => void;
}

const handlers: { handler: StopHandler; asked: boolean }[] = [];
let installed = false;
let leaving = false;

/** From now on signals are taken here. Called once by the program, and by whoever has something to put in order. */
export function takeSignals(): void {
  if (installed) return;
  installed = true;
  for (const signal of SIGNALS) process.on(signal, () => dispatch(signal));
  // A terminal that is gone may refuse what is drawn before its signal comes.
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error) => {
      const code = codeOf(error);
      // Who reads what is printed has read enough: what goes on pauses, everything else is done.
      if (code === 'EPIPE') return stream === process.stdout ? readerLeft() : undefined;
      if (code !== 'EIO') throw error;
      dispatch('SIGHUP');
    });
}

/** The command ends in order when it is asked to. Returns how to take that back. */
export function onStop(handler: StopHandler): () => void {
  takeSignals();
  const entry = { handler, asked: false };
  handlers.push(entry);
  return () => void handlers.splice(handlers.indexOf(entry), 1);
}

/** Resolves when the command is asked to end. */
export function stopSignal(again?: StopHandler['again']): Promise<Signal> {
  return new Promise((resolve) => onStop({ first: resolve, ...(again ? { again } : {}) }));
}

function dispatch(signal: Signal): void {
  const entry = handlers.at(-1);
  if (!entry) return void leave(signal);
  if (!entry.asked) {
    entry.asked = true;
    entry.handler.first(signal);
  } else if (signal !== 'SIGHUP') entry.handler.again?.(signal);
}

function readerLeft(): void {
  if (handlers.length > 0) dispatch('SIGHUP');
  else if (!leaving) void leaveWith(EXIT.complete);
}

/** By the shells' convention, 128 and the number of the signal. A second signal does not wait for the database. */
async function leave(signal: Signal): Promise<void> {
  const code = 128 + constants.signals[signal];
  if (leaving && signal !== 'SIGHUP') process.exit(code);
  if (leaving) return;
  await leaveWith(code);
}

async function leaveWith(code: number): Promise<void> {
  leaving = true;
  const { EmbeddedServer } = await import('../postgres/embedded/server.js');
  await EmbeddedServer.closeAll();
  process.exit(code);
}
