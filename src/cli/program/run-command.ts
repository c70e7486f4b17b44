/** What stands behind a command's name: its module, which is loaded once it runs, so that help is instant. */
import type { Command } from 'commander';

type CommandModule = Record<string, unknown>;

/** Runs a command's function (`command` unless named) with its arguments and options; its result is the exit code. */
export function run(load: () => Promise<CommandModule>, name = 'command'): (...args: unknown[]) => Promise<void> {
  return async (...args) => {
    const command = args.at(-1) as Command;
    const module = await load();
    const code = await (module[name] as (args: unknown[], options: Record<string, unknown>) => Promise<number>)(
      args.slice(0, -2),
      command.optsWithGlobals(),
    );
    process.exitCode = code;
  };
}
