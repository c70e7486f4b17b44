/** Every bound in one place, each with its reason. Units go last in the names. */
export const LIMITS = {
  /**
   * Pages fetched or being fetched and not yet committed, in bytes as received; holds memory whatever the size of the
   * data.
   */
  bufferedBytes: 24 * 1024 * 1024,
  /** What a page is expected to weigh before the first one has arrived. */
  firstPageBytes: 256 * 1024,
  /**
   * One transaction's worth of rows: large enough to amortise a commit, small enough to commit several side by side.
   */
  batchBytes: 4 * 1024 * 1024,
  /** A batch smaller than this waits for more pages, but no longer than batchDelayMs. */
  batchEagerBytes: 1024 * 1024,
  batchDelayMs: 80,
  /** Connections that commit side by side; more than 3 gained nothing on 2 cores. */
  writers: 3,
  /** Open ranges of one stream: bounds its state (about 75 bytes each) and the cursors the server must keep. */
  openRanges: 120,
  /** Closed ranges kept apart before neighbours are merged; bounds state as well. */
  closedRanges: 60,
  /** Pages that a plan asks one stream for: what they cannot tell is told as a range. */
  planProbes: 60,
  /** What a request is taken to need until answers tell. */
  firstLatencyMs: 300,
  /** Chains in flight when no limit is known to bound them: more only queues at the server. */
  unlimitedChains: 12,
  /** Parent pages whose children are still open, and the weight of their list; bounds the state of a child stream. */
  openSlicePages: 6,
  openSliceBytes: 14 * 1024,
  /** Children of one stream read side by side when no limit is known. */
  unlimitedSlices: 32,
  /** Keys remembered while one unit of granularity is walked again, or a list that events told of. */
  unitKeys: 200_000,
  /** Times one position's unit is walked again before the range is given up: a server that never ends it is broken. */
  rewalks: 20,
  /**
   * What a later run reads once more before where the last one ended, where keys make that harmless: APIs list rows
   * some time after the time that they bear.
   */
  overlapSeconds: 600,
  /** Windows without a row that a later run goes back over at most to the newest row. */
  silentWindows: 1,
  /** Pages in a row that bring no new row before a walk is given up: the API goes in a circle, or stands still. */
  stalePages: 20,
  /** Pages that a walk is remembered by, to tell such a circle; a number each. */
  rememberedPages: 20_000,
  /** The session of a process that was killed, until the database has noticed. */
  buriedMs: 10_000,
  /** Parts of a stream whose end was doubtful that the next run reads again; where there are more, that is how the API is. */
  rangesReadAgain: 20,
  /** Slices of a list that are kept in its stream's state, a number each, to tell when one is not listed any more. */
  knownSlices: 500,
  /** Settings by which stored rows were read, a number each. */
  knownSettings: 20,
  /** Pages by number, without a total: of at most so many a second walk tells whether rows moved during the first. */
  pagesWalkedTwice: 10,
  /** Parts of a stream that the API refused, in turn or in all, before the others are not asked for either. */
  refusedInTurn: 5,
  refusedParts: 100,
  /** Pages of a list by numbers or offsets after which one is asked for again, to tell whether the list ends. */
  pagesBeforeLook: 64,
  /** Times that such a page holds other rows throughout before the list is taken for one that grows as it is read. */
  otherPages: 3,
  /** Keys of a stream's lists by offsets that are remembered while they are walked, 12 to 24 bytes each. */
  walkedKeys: 1_000_000,
  /** Sweeps over what was touched while a stream was read, while each is answered after the end that it asked to. */
  sweeps: 3,
  /** Walks over a list whose rows move while it is read, before its end is taken as weak. */
  listWalks: 3,
  /**
   * Rows that a re-read may miss before it is taken for a fault of the API: this many and this share of those live, or
   * all.
   */
  goneRows: 10,
  goneShare: 0.1,
  /** Missing rows whose places are read again one by one; more, and all of the list is. */
  goneLookedAt: 40,
  /** Attempts of one request, the first included. */
  attempts: 12,
  /** The same at an address that has never answered: two seconds tell a wrong one. */
  firstAttempts: 5,
  /** Backoff between attempts: doubles from the first to the last, plus jitter. */
  backoffFirstMs: 100,
  backoffLastMs: 30_000,
  /** A Retry-After longer than this pauses the run instead of holding a process for hours. */
  retryAfterMs: 3_600_000,
  /** A wait or a window that a header states is no longer than this: beyond a day it is asked again. */
  statedMs: 86_400_000,
  /** A quota that a header states; a larger one bounds nothing that a client could send. */
  statedQuota: 10_000_000,
  /** One request that is rejected again and again for this long is given up; bans and windows are shorter. */
  rejectedMs: 3_600_000,
  /** A response without headers, or a body without bytes, for this long counts as a failed attempt. */
  headersTimeoutMs: 60_000,
  bodyTimeoutMs: 30_000,
  /** A body that arrives more slowly than this, over `bodyTimeoutMs`, is cut off and asked for again. */
  bodyBytesPerSecond: 100,
  /** One attempt of one request, from its permit to the last byte; what is in flight longer counts as lost. */
  requestMs: 300_000,
  /** What a dead process had under way counts as in flight no longer than this: its sockets died with it. */
  deadRequestMs: 10_000,
  /** Headers of one answer: Python takes lines of 64 KiB, and some APIs send several long ones. */
  headerBytes: 256 * 1024,
  /** Redirects of one request that are followed, as many as Python's requests follows. */
  redirects: 30,
  /** One response body: a page of 100 objects of 300 KB each. */
  responseBytes: 64 * 1024 * 1024,
  /** Text of a manifest, in characters. */
  manifestBytes: 8_000_000,
  /** Fetched definitions: three times what Airbyte publishes, with the files that go with one. */
  fetchedConnectors: 2_000,
  fetchedFiles: 500,
  fetchedBytes: 512 * 1024 * 1024,
  /** Fetching all of them, at one slow request after the other. */
  fetchMs: 1_800_000,
  /** Components of a manifest once its references are resolved: ten times what the largest of Airbyte's has. */
  manifestNodes: 300_000,
  /** Requests that the transformations of a stream may make for one record, one after the other. */
  asksOfRecord: 50,
  /** Such requests of one page that wait for their permit at once. */
  asksAtOnce: 8,
  /** Streams that a configuration or an API may make of one template. */
  dynamicStreams: 5_000,
  /** Sockets to one API host. */
  sockets: 128,
  /** Configuration and state files. */
  configBytes: 1024 * 1024,
  stateFileBytes: 64 * 1024 * 1024,
  /** What a run by hand writes down at its end, where the database does not answer. */
  lastWordMs: 5_000,
  /** A pipe that is named as a file, and stays silent. */
  inputFileMs: 10_000,
  /**
   * Rows of one stream in one run that may go to quarantine before the stream is stopped: more is a wrong schema, not a
   * bad row.
   */
  quarantinedRows: 10_000,
  /** Objects that one page of changes may ask for. */
  changedObjects: 100,
  /** Connected accounts that one connection reads: each has streams of its own. */
  connectedAccounts: 10_000,
  /** Extra pages that complete the lists nested in one object. */
  nestedPages: 1_000,
  /** PostgreSQL cuts identifiers at this many bytes. */
  identifierBytes: 63,
  /**
   * Columns that new fields may add to one table; what comes beyond goes to one column of JSON. A row of more values
   * may not fit PostgreSQL's page of 8 kB, where each takes up to 18 bytes.
   */
  columns: 400,
  /** Columns that a schema may declare; PostgreSQL stops at 1,600, those that were dropped counted too. */
  declaredColumns: 1_400,
  /** Of what a schema says of a table or a column, this much becomes its comment. */
  commentCharacters: 1_000,
  /** A key that is longer does not fit an index of PostgreSQL beside the names that go with it. */
  keyBytes: 2_000,
  /** A wait of this length is told to the user. */
  visibleWaitMs: 1_000,
  /** One event of a webhook. */
  webhookBytes: 1024 * 1024,
  /** Objects within objects of it: real events have ten, and PostgreSQL's parser stops at some thousands. */
  webhookDepth: 200,
  /**
   * Events wait this long for an API or a database that is away before their task may become a dead letter: as long as
   * senders such as Stripe repeat what was not taken. It is tried again after a part of the time that they waited.
   */
  webhookPatienceMs: 3 * 86_400_000,
  webhookAgainFirstMs: 5_000,
  webhookAgainLastMs: 900_000,
  /** Events that one task turns into reads at once. */
  webhookEvents: 100,
  /** Alerts that one look makes or delivers: the rest waits for the next. */
  alertsAtOnce: 200,
  /** Tries to deliver one alert, over about three hours; then it is given up, and shown as such. */
  alertAttempts: 9,
  /** One such try. */
  alertMs: 10_000,
  /** A webhook's signature older than this is a replay. */
  webhookAgeMs: 300_000,
  /** A browser stays signed in this long: a week's work, and not for ever on a machine that changes hands. */
  sessionMs: 7 * 86_400_000,
  /** Days that a token of the API may be good for, where it expires at all. */
  tokenDays: 3650,
  /** Characters of the name that such a token is given. */
  tokenNameLength: 100,
  /** One request to the API. */
  apiBodyBytes: 1024 * 1024,
  /** Testing a credential and a destination for who waits for it. */
  probeMs: 30_000,
  /** Estimating the rows of streams for who waits for it: what is not told by then is told as unknown. */
  estimateMs: 20_000,
  /** Pages that such an estimate asks one stream for: fewer than a plan, of all streams at once. */
  estimateProbes: 12,
  /** Definitions of a folder that are offered: twice what Airbyte's registry has. */
  definitionsListed: 2_000,
  /** Items of one answer of the API. */
  apiPageItems: 500,
  /** Who watches the service at once, and what waits for one of them before it is told to look again. */
  watchers: 200,
  watcherEvents: 1_000,
  /** Samples of one run that are kept, one a second at first: a screen is no wider, whatever the run takes. */
  runSamples: 600,
  /** Events of one run that are kept; what becomes of its streams is told beyond that. */
  runEventsKept: 2_000,
  /** Connections that metrics tell one by one; beyond that, by app. */
  metricsConnections: 2_000,
  /** A stopping worker gives its tasks this long to commit what they fetched; service managers kill after 30 s. */
  drainMs: 25_000,
  /** What a stopping service answers already has this long to let go of what it uses; with the drain, below those 30 s. */
  answeringMs: 3_000,
  /** Ids of ranges that come with each part that is lent: more splits than any part needs. */
  lentIds: 100_000,
  /** Expected pages that a part must have to be lent to another process. */
  lentPages: 4,
  /** A database that is gone is waited for this long: restarts and failovers take seconds, or a few minutes. */
  databaseWaitMs: 300_000,
  /** A function of a connector of one's own that neither returns nor asks its API for anything is given up. */
  ownCodeMs: 30_000,
  /**
   * A run in which nothing moves, and nothing says why, is told of after the first, and ended resumably after the
   * second.
   */
  quietMs: 10_000,
  stalledMs: 60_000,
  /** Time that the embedded server may take to start or stop. */
  serverStartMs: 60_000,
} as const;
