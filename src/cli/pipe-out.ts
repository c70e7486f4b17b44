/** Messages on stdout for another program. */
import { codeOf, FatalError } from '../base/errors.js';

export interface Pipe {
  /**
   * Resolves once the pipe has taken it: a reader that is slow holds the sync back. Throws FatalError `reader_gone` where
   * the reader has ended.
   */
  write(text: string): Promise<void>;
  /** Throws it where that happened: a run that was asked to stop for it may end as one that paused. */
  check(): void;
}

/** `reader`: as it is called; `next`: what to do where it has ended. */
export function pipeTo(reader: string, next: string): Pipe {
  let gone: FatalError | undefined;
  const write = (text: string) =>
    new Promise<void>((resolve, reject) => {
      process.stdout.write(text, (error) => {
        if (!error) return resolve();
        if (codeOf(error) !== 'EPIPE') return reject(error);
        gone ??= readerGone(reader, next, error);
        reject(gone);
      });
    });
  return {
    write,
    check() {
      if (gone) throw gone;
    },
  };
}

function readerGone(reader: string, next: string, cause: Error): FatalError {
  return new FatalError(`the ${reader} ended before everything was handed over`, {
    code: 'reader_gone',
    expected: `a ${reader} that reads until the end`,
    found: 'a closed pipe',
    next,
    cause,
  });
}
