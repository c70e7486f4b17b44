/** Begins with the files that take longest, so that none of them is left alone at the end. */
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Of a run on two quiet cores, the longest first; the others follow in the runner's own order. */
const LONGEST = [
  'dashboard.test.ts',
  'docs.test.ts',
  'cli.test.ts',
  'airbyte-protocol.test.ts',
  'duckdb.test.ts',
  'takeover.test.ts',
  'world.test.ts',
  'serve.test.ts',
  'budgets.test.ts',
  'bad-input.test.ts',
  'never-over.test.ts',
  'intercom.test.ts',
  'dashboard-new.test.ts',
  'dashboard-focus.test.ts',
];

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) => {
      const at = LONGEST.findIndex((name) => moduleId.endsWith(`/${name}`));
      return at < 0 ? LONGEST.length : at;
    };
    const usual = await super.sort(files); // oxlint-disable-line no-array-sort -- it is the runner's own
    return usual.toSorted((a, b) => place(a) - place(b));
  }
}
