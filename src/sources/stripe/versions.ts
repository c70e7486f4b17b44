/** Versions of Stripe's API: which rows are read at, and what a state remembers of it. */
import { NEWEST_VERSION } from './generated/lists.js';

export { NEWEST_VERSION };

/** What states from before `api_version` were read at. */
export const FIRST_VERSION = '2024-06-20';

/** Versions whose schemas are known. */
export const KNOWN_VERSIONS: readonly string[] = [FIRST_VERSION, NEWEST_VERSION];
