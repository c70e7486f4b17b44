/** What a testbed counted: above all the most requests *received* in any of the server's own windows. */
export interface TestbedStats {
  requests: number;
  rejections: number;
  faults: Record<string, number>;
  /** Most requests received in any window of the limit's length, admitted or not. */
  mostInWindow: { windowMs: number; global: number; endpoints: Record<string, number> };
  perEndpoint: Record<string, number>;
}

class Received {
  most = 0;
  private log: number[] = [];
  private first = 0;
  add(nowMs: number, windowMs: number): void {
    this.log.push(nowMs);
    while (this.log[this.first]! <= nowMs - windowMs) this.first++;
    if (this.first > 10_000) {
      this.log = this.log.slice(this.first);
      this.first = 0;
    }
    this.most = Math.max(this.most, this.log.length - this.first);
  }
}

export class StatsKeeper {
  private requests = 0;
  rejections = 0;
  readonly faults: Record<string, number> = {};
  private readonly all = new Received();
  private readonly endpoints = new Map<string, { received: Received; count: number }>();

  constructor(private readonly windowMs: number) {}

  received(nowMs: number, endpoint: string): void {
    this.requests++;
    this.all.add(nowMs, this.windowMs);
    let own = this.endpoints.get(endpoint);
    if (!own) this.endpoints.set(endpoint, (own = { received: new Received(), count: 0 }));
    own.count++;
    own.received.add(nowMs, this.windowMs);
  }

  fault(name: string): void {
    this.faults[name] = (this.faults[name] ?? 0) + 1;
  }

  snapshot(): TestbedStats {
    const entries = [...this.endpoints];
    return {
      requests: this.requests,
      rejections: this.rejections,
      faults: { ...this.faults },
      mostInWindow: {
        windowMs: this.windowMs,
        global: this.all.most,
        endpoints: Object.fromEntries(entries.map(([name, { received }]) => [name, received.most])),
      },
      perEndpoint: Object.fromEntries(entries.map(([name, { count }]) => [name, count])),
    };
  }
}
