/** What can go wrong on the way, each switchable and drawn from the seed. */
import type { Random } from '../base/random.js';

/** Faults that a testbed can have, and what happens. */
export const FAULTS = {
  '429': 'a rejection although the limit is kept',
  '500': 'an internal error',
  '503': 'service unavailable, with Retry-After',
  reset: 'the connection is reset before an answer',
  cut: 'the body ends before its length',
  json: 'the body is no valid JSON',
  stall: 'the body stops half-way',
  type: 'an HTML page with status 200',
  cursor: 'the object that starting_after names was deleted',
  empty: 'an empty page that claims has_more',
  churn: 'rows are added, changed and deleted during the read',
  malformed: 'one row of each collection has a created that is no number',
} as const;
/** The name of a fault. */
export type Fault = keyof typeof FAULTS;

/** How often a fault strikes where nothing is said, per request. */
const USUAL_RATE = 0.01;
/** What `all` switches on: everything after which the same rows must arrive, at a rate that still lets a test end. */
const HARMLESS: Fault[] = ['429', '500', '503', 'reset', 'cut', 'json', 'type', 'cursor', 'empty'];

/** Rate of each fault, 0 to 1. */
export type FaultRates = Partial<Record<Fault, number>>;

/** Reads `500:0.02,reset,churn` or `all`. Returns the part that is not understood as an Error. */
export function parseFaults(text: string): FaultRates | Error {
  const rates: FaultRates = {};
  for (const part of text.split(',').filter(Boolean)) {
    const [name = '', rate] = part.split(':');
    const value = rate === undefined ? USUAL_RATE : Number(rate);
    if (!(value >= 0 && value <= 1)) return new Error(`rate of ${name}: ${rate}`);
    if (name === 'all') for (const fault of HARMLESS) rates[fault] = value;
    else if (Object.hasOwn(FAULTS, name)) rates[name as Fault] = value;
    else return new Error(name);
  }
  return rates;
}

export class FaultDice {
  constructor(
    private readonly rates: FaultRates,
    private readonly random: Random,
    /** Told of every strike, for the statistics. */
    private readonly onStrike: (fault: Fault) => void = () => {},
  ) {}

  strikes(fault: Fault): boolean {
    const rate = this.rates[fault] ?? 0;
    const strikes = rate > 0 && this.random.next() < rate;
    if (strikes) this.onStrike(fault);
    return strikes;
  }
}
