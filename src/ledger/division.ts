/**
 * Whether a range is worth dividing, and where: at half of what is expected of it, moved to where both parts fill their
 * last pages.
 */

/** A part with fewer expected pages than this is read by one request. */
export const LEAST_PAGES_TO_STEAL = 1.2;
/** The same where only the range's own last page speaks for it. */
export const HEDGE_PAGES = 3;
/** Parts of more pages than this cannot be told to the page. */
const MOST_ALIGNED = 8;
/** What is expected of a part is known to so many times the square root of its pages. */
const DEVIATION = 0.15;
/** Requests that a page's difference between the parts is worth. */
const BALANCE = 0.2;
const STEP = 0.05;
/** The logistic curve with this slope is the normal distribution's, to within a hundredth. */
const LOGISTIC = 1.7;

/** The share of `pages` expected pages that a range keeps when it is divided. */
export function shareKept(pages: number): number {
  if (!(pages <= MOST_ALIGNED)) return 0.5;
  let best = 0.5;
  let least = Infinity;
  for (let kept = Math.max(STEP, pages / 2 - 1); kept <= Math.min(pages - STEP, pages / 2 + 1); kept += STEP) {
    const cost = requestsFor(kept) + requestsFor(pages - kept) + BALANCE * Math.abs(kept - pages / 2);
    if (cost >= least) continue;
    least = cost;
    best = kept / pages;
  }
  return best;
}

/**
 * Requests that a part of so many expected pages takes on average: one, and one more for each full page that more rows
 * follow.
 */
function requestsFor(pages: number): number {
  const deviation = DEVIATION * Math.sqrt(pages);
  let requests = 1;
  for (let full = 1; full < pages + 4 * deviation + 1; full++)
    requests += 1 / (1 + Math.exp((LOGISTIC * (full - pages)) / deviation));
  return requests;
}
