/**
 * Memory for bodies that are written as bytes: taken anew for each answer, its pages would cost as much as the rows.
 */

const FIRST_BYTES = 256 * 1024;
const MOST_KEPT = 64;

export interface PooledBody {
  body: Buffer;
  /** Once it was sent. */
  release: () => void;
}

export class BodyPool {
  private readonly free: Buffer[] = [];

  /** `write` returns how many bytes it wrote, or -1 where it needs more room. */
  fill(write: (target: Buffer) => number): PooledBody {
    let target = this.free.pop() ?? Buffer.allocUnsafeSlow(FIRST_BYTES);
    let length = write(target);
    while (length < 0) {
      target = Buffer.allocUnsafeSlow(2 * target.length);
      length = write(target);
    }
    return {
      body: target.subarray(0, length),
      release: () => {
        if (this.free.length < MOST_KEPT) this.free.push(target);
      },
    };
  }
}
