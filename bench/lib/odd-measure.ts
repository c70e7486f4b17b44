/** What the gate reaches on a server of `odd-servers.ts` or `odd-draws.ts`, in virtual time. */
import type { LimitFact } from '../../src/gate/gate.js';
import { DIALECTS } from '../../src/http/dialects/vendors.js';
import { simulate, type Contender, type VirtualResult } from '../../test/simulation/virtual-api.js';
import { gate } from './contenders.js';
import type { OddRow } from './odd-servers.js';

/** Percent; runs of rejections. */
export interface Cell {
  utilisation: number;
  rejections: number;
  bans: number;
}

const mean = (series: number[], from: number, to: number): number => {
  let sum = 0;
  for (let s = from; s < to; s++) sum += series[s] ?? 0;
  return sum / (to - from);
};

/** Mean over the seeds; `seconds` where the row says nothing else. */
export function measureOdd(row: OddRow, contender: () => Contender, seeds: number[], seconds = 600): Cell {
  const cell: Cell = { utilisation: 0, rejections: 0, bans: 0 };
  const from = row.fromSeconds ?? 0;
  const to = row.seconds ?? seconds;
  const rates = row.perSecond;
  for (const seed of seeds) {
    const [result] = simulate([contender()], {
      model: row.make(),
      dialect: DIALECTS[row.dialect ?? 'generic']!,
      seconds: to,
      seed,
      ...(row.network ? { network: row.network } : {}),
      ...(typeof rates === 'number' ? {} : { endpoints: Object.keys(rates) }),
    }) as [VirtualResult];
    const accepted = mean(result.series, from, to);
    const used =
      typeof rates === 'number'
        ? accepted / rates
        : Math.min(
            ...Object.entries(rates).map(([name, rate]) => mean(result.byEndpoint[name] ?? [], from, to) / rate),
          );
    const rejected = row.countsLate ? result.late / (to - from) : mean(result.rejectedIn, from, to);
    cell.utilisation += (100 * used) / seeds.length;
    cell.rejections += (100 * rejected) / Math.max(1e-9, rejected + accepted) / seeds.length;
    cell.bans = Math.max(cell.bans, result.bans);
  }
  return cell;
}

/** Blind, and with the vendor's usual limit. */
export function bothWays(row: OddRow, seeds: number[], seconds?: number): { blind: Cell; expected: Cell } {
  const total =
    typeof row.perSecond === 'number' ? row.perSecond : Object.values(row.perSecond).reduce((a, b) => a + b);
  const usual = row.usual ?? { requests: Math.max(1, Math.round(total * 10)), windowMs: 10_000 };
  const facts: LimitFact[] = row.facts ?? [{ name: 'requests', scope: 'credential', usual }];
  return {
    blind: measureOdd(row, () => gate(), seeds, seconds),
    expected: measureOdd(row, () => gate({ facts }), seeds, seconds),
  };
}
