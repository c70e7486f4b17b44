/** What every source must do, against the simulated help desk: `npx vitest run`. */
import { openForTest, sourceConformance } from 'headrace/source';
import { afterEach, test } from 'vitest';
import { KEY, startHelpDesk } from './help-desk.js';
import mySource from './my-source.js';

let stop = async () => {};
afterEach(() => stop());

const cases = sourceConformance(
  async (pages) => {
    const desk = await startHelpDesk({ tickets: 240, rows: (asked) => pages.rows(asked) });
    stop = desk.close;
    return openForTest(mySource, { api_key: KEY, base_url: desk.url, max_rate: 2000 });
  },
  ['tickets'],
);
for (const { name, run } of cases) test(name, run);
