export interface ConformanceCase { name: string; run: () => Promise<void> }
export function sourceConformance(): ConformanceCase[] { return []; }
