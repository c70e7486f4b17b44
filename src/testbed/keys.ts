/** What simulated APIs take as credentials: no secrets, and there to be copied. */

/** The key that a testbed accepts where none is given. */
export const TESTBED_KEY = 'sk_test_headracetestbed';
/** The live key that the simulated account takes. */
export const TESTBED_LIVE_KEY = 'sk_live_headracetestbed';
/** The access token of the simulated workspace. */
export const TESTBED_INTERCOM_TOKEN = 'intercom_headracetestbed';
