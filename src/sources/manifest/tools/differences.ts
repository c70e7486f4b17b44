/**
 * Where Headrace differs from Airbyte's CDK on purpose: what, there, here, why. Source of docs/reference/manifests.md.
 */
export const DIFFERENCES: readonly (readonly [string, string, string, string])[] = [
  [
    'workers',
    '`num_workers`, `default_concurrency` set how many requests are under way',
    "what a user sets is a ceiling; the rest is the gate's",
    'no number fits a limit that changes',
  ],
  [
    '`FixedWindowCallRatePolicy`',
    'windows begin ten days from the start; what headers tell adds one call',
    'where the gate starts; headers and rejections correct it',
    'a budget that is never given back, and one that never learns',
  ],
  [
    'last page by size',
    'counts the records that a filter left',
    'counts the records that the server sent',
    'a page that a filter emptied would end the stream',
  ],
  [
    'window ends below a minute of granularity, where rows bear the cursor',
    'one granularity before the next window',
    'where the next window begins',
    'an API that excludes the end would lose what lies on it; what comes twice is stored once',
  ],
  [
    'a granularity that is coarser than the dates',
    'leaves a hole of it before each window',
    'asks without holes, and says so',
    'rows in the holes would be missing',
  ],
  ['a redirect that names no address', 'an answer without records', 'an error', 'it would empty the stream'],
  [
    'HTML with status 200',
    'a page without records, wherever it comes',
    'the same with a note, where it is the answer to a whole stream; in the middle of one an error',
    'a hole in a stream that looks whole',
  ],
  [
    'status 401 with a token that worked before',
    'fails, unless the manifest asks for `REFRESH_TOKEN_THEN_RETRY`',
    'the token is renewed once',
    'tokens are revoked, and end before their time',
  ],
  ['blanks around a value of a header', 'the request fails', 'it is sent without them', 'keys are copied with them'],
  [
    'a record filter without a condition',
    'drops every record',
    'keeps every record',
    'a filter that says nothing is not meant to empty a stream',
  ],
  ['the same key of two parents', 'asks for the children twice', 'once', 'the same rows with fewer requests'],
  [
    'retries that nobody declared',
    '5, from 5 s to 80 s apart',
    '11, from a tenth of a second to 30 s apart',
    'most failures pass within a second',
  ],
  [
    'parents',
    'read by one thread, once for each child',
    'read once for all, side by side with their children',
    'time, and requests',
  ],
  [
    'next page on another domain',
    'followed, credentials and all',
    'refused',
    'an answer must not send a credential elsewhere',
  ],
  ['pages that repeat themselves', 'followed without end', 'an error', 'a pager without a stop condition'],
  [
    'integers past 2^53',
    'exact in Python',
    'exact in records; in templates they are texts',
    'an identifier must not change',
  ],
  [
    'a stream that fails',
    'others go on, the sync fails',
    'others go on; exit code 3, `partial`',
    'what was read is kept and proven',
  ],
  [
    'constant backoff on status 429',
    'waits as the manifest says',
    'the gate decides, from Retry-After, headers and what it learned',
    'a constant is a guess',
  ],
  [
    'state',
    'one cursor, or one for each partition',
    'the same, from a global cursor for substreams, and the ledger beside it',
    'resuming exactly, and going back to Airbyte',
  ],
  [
    '`IncrementingCountCursor`',
    'reads on from the last number',
    'reads the stream again',
    'rare so far; nothing is lost',
  ],
  [
    '`lazy_read_pointer`',
    "children of the first sync come from the parent's record",
    'in every sync that reads the parent; what no longer fits in memory is asked for',
    'the same rows with fewer requests',
  ],
  [
    'several tokens with quotas',
    'one token until its quota is used up, then the next',
    'in turns, each with a gate of its own; a wait of more than an hour pauses the run, whatever `max_wait_time` says, and 2% of a quota is left to others, whatever reserve is set',
    'all limits are filled together, and a paused run holds no process',
  ],
  [
    'combinations of several parents',
    'all of them in memory',
    'walked page by page, in memory and state that do not grow',
    'parents of any length',
  ],
  [
    'groups of partitions',
    'filled over the pages of parents',
    'each page of parents begins a group',
    'a page at a time is in memory',
  ],
];
