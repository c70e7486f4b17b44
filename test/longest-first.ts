/** Begins with the files that take longest, so that none of them is left alone at the end. */
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Of a run on two quiet cores, the longest first; the others follow in the runner's own order. */
const LONGEST = [
  'simulation/world.test.ts',
  'integration/evidence-moving-lists.test.ts',
  'integration/cli.test.ts',
  'integration/docs.test.ts',
  'integration/dashboard.test.ts',
  'integration/whole-path.test.ts',
  'simulation/scheduler.test.ts',
  'integration/airbyte-protocol.test.ts',
  'integration/duckdb.test.ts',
  'integration/scheduler-interleavings.test.ts',
  'integration/serve.test.ts',
  'integration/refused-parts.test.ts',
  'integration/bad-input.test.ts',
  'integration/dashboard-new.test.ts',
  'simulation/shared-budget.test.ts',
  'simulation/world-postgres.test.ts',
  'integration/intercom.test.ts',
  'integration/parquet.test.ts',
  'integration/signals.test.ts',
  'integration/takeover.test.ts',
  'integration/own-connector.test.ts',
  'integration/workflow-fleet.test.ts',
  'simulation/draws.test.ts',
  'simulation/never-over.test.ts',
  'integration/budgets.test.ts',
  'conformance/destinations.test.ts',
  'integration/dashboard-focus.test.ts',
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
