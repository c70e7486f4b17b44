/** What commands and programs open: a connection, its source and its destination. */
export { dataDirOf, knowFetched, resolveConnection, type ConnectionConfig } from '../connections/resolve.js';
export type { ConnectionFlags } from '../connections/with-flags.js';
export { historyOf, type RunHistory } from '../connections/history.js';
export { newRunId, openDestination, openDestinationOf, openSource, type OpenedSource } from '../connections/open.js';
export { CONNECTORS } from '../sources/registry.js';
export { DESTINATIONS, destinationOfText, toHelp } from '../destinations/registry.js';
export { describeConnectors, describeDestinations } from '../connections/describe.js';
export { readConfigFile } from '../config/connector-file.js';
