/** What `headrace check` asks beside the connection itself, without the database of the scheduler. */
export { assertSchedule } from '../fleet/file.js';
