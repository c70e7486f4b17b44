export interface ConformanceCase { name: string; run: () => Promise<void> }
export function destinationConformance(): ConformanceCase[] { return []; }
