/**
 * Lines of COPY text, gathered as bytes in memory that is used again for every page: joining them as one string first
 * took as long as all else that is done to make them.
 */
const FIRST_BYTES = 256 * 1024;
/** More than this is not kept for the next page. */
const MOST_KEPT_BYTES = 8 * 1024 * 1024;
/** UTF-8 bytes of a UTF-16 code unit, at most. */
const MOST_PER_UNIT = 3;

let scratch = Buffer.allocUnsafeSlow(FIRST_BYTES);

export class CopyLines {
  count = 0;
  private bytes = 0;

  /** Lines of one page only: nothing else may be gathered before `take`. */
  push(line: string): void {
    if (this.bytes + MOST_PER_UNIT * line.length > scratch.length) {
      const larger = Buffer.allocUnsafeSlow(2 * scratch.length + MOST_PER_UNIT * line.length);
      scratch.copy(larger, 0, 0, this.bytes);
      scratch = larger;
    }
    this.bytes += scratch.write(line, this.bytes, 'utf8');
    this.count++;
  }

  /** The bytes, in memory of their own. */
  take(): Buffer {
    const lines = Buffer.from(scratch.subarray(0, this.bytes));
    if (scratch.length > MOST_KEPT_BYTES) scratch = Buffer.allocUnsafeSlow(FIRST_BYTES);
    return lines;
  }
}
