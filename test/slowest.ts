/** Prints the slowest tests and files of a run, so that waste is seen where it comes in. */
import path from 'node:path';
import type { Reporter, TestModule } from 'vitest/node';

const MOST = 10;

export default class Slowest implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const tests = modules.flatMap((module) =>
      [...module.children.allTests()].map((test) => ({
        ms: test.diagnostic()?.duration ?? 0,
        name: `${nameOf(module)} > ${test.fullName}`,
      })),
    );
    if (tests.length <= MOST) return;
    print('The slowest tests', tests);
    print(
      'The slowest files',
      modules.map((module) => ({ ms: module.diagnostic().duration, name: nameOf(module) })),
    );
  }
}

const nameOf = (module: TestModule) => path.relative(process.cwd(), module.moduleId);

function print(title: string, all: { ms: number; name: string }[]): void {
  const lines = all
    .toSorted((a, b) => b.ms - a.ms)
    .slice(0, MOST)
    .map(({ ms, name }) => `${(ms / 1000).toFixed(1).padStart(7)} s  ${name}`);
  process.stdout.write(`\n${title}:\n${lines.join('\n')}\n`);
}
