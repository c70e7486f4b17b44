/** The wiring of what is particular to Singer: its catalog, its state, and a target on stdout. */
export { catalogOf, selectionOf, type CatalogInput, type Selection } from '../destinations/singer/catalog.js';
export { singerDestination } from '../destinations/singer/destination.js';
export { parseSingerState } from '../destinations/singer/state.js';
