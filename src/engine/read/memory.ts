/** Back-pressure: pages in flight and waiting to be committed share one budget in bytes. */
export class ByteBudget {
  private used = 0;
  private readonly waiting: { bytes: number; grant: () => void }[] = [];

  constructor(readonly limit: number) {}

  get inUse(): number {
    return this.used;
  }

  get full(): boolean {
    return this.waiting.length > 0;
  }

  /** Resolves when the bytes fit; one request larger than all is let through alone. */
  async reserve(bytes: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted || (this.waiting.length === 0 && this.fits(bytes))) {
      this.used += bytes;
      return;
    }
    await new Promise<void>((resolve) => {
      const entry = {
        bytes,
        grant: () => {
          signal.removeEventListener('abort', leave);
          resolve();
        },
      };
      const leave = () => {
        const index = this.waiting.indexOf(entry);
        if (index < 0) return;
        this.waiting.splice(index, 1);
        this.used += bytes; // the caller releases what it asked for, aborted or not
        resolve();
      };
      this.waiting.push(entry);
      signal.addEventListener('abort', leave, { once: true });
    });
  }

  release(bytes: number): void {
    this.used -= bytes;
    while (this.waiting.length > 0 && this.fits(this.waiting[0]!.bytes)) {
      const { bytes: next, grant } = this.waiting.shift()!;
      this.used += next;
      grant();
    }
  }

  private fits(bytes: number): boolean {
    return this.used === 0 || this.used + bytes <= this.limit;
  }
}
