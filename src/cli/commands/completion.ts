/** headrace completion: scripts made from the program's own commands and options. */
import type { Command } from 'commander';
import { ConfigError } from '../../base/errors.js';

export function completion(program: Command, shell: string): void {
  const paths = new Map<string, string[]>();
  const walk = (command: Command, path: string) => {
    const words = [
      ...command.commands.map((child) => child.name()),
      ...command.options.map((option) => option.long ?? ''),
    ].filter(Boolean);
    paths.set(path, [...words, '--help']);
    for (const child of command.commands) walk(child, path ? `${path} ${child.name()}` : child.name());
  };
  walk(program, '');
  process.stdout.write(scriptFor(shell, paths));
}

function scriptFor(shell: string, paths: Map<string, string[]>): string {
  const cases = [...paths].map(([path, words]) => `    "${path}") words="${words.join(' ')}" ;;`).join('\n');
  switch (shell) {
    case 'bash':
      return `_headrace() {
  local path="" words="" word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do [[ $word == -* ]] || path="\${path:+$path }$word"; done
  case "$path" in
${cases}
    *) words="" ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _headrace headrace
`;
    case 'zsh':
      return `#compdef headrace
_headrace() {
  local route="" choices="" word
  for word in "\${(@)words[2,CURRENT-1]}"; do [[ $word == -* ]] || route="\${route:+$route }$word"; done
  case "$route" in
${cases.replaceAll('words=', 'choices=')}
  esac
  compadd -- \${=choices}
}
compdef _headrace headrace
`;
    case 'fish':
      return (
        [...paths]
          .flatMap(([path, words]) => {
            const condition =
              path === ''
                ? '__fish_use_subcommand'
                : path
                    .split(' ')
                    .map((part) => `__fish_seen_subcommand_from ${part}`)
                    .join('; and ');
            return words.map((word) =>
              word.startsWith('--')
                ? `complete -c headrace -n '${condition}' -l ${word.slice(2)}`
                : `complete -c headrace -n '${condition}' -f -a ${word}`,
            );
          })
          .join('\n') + '\n'
      );
    default:
      throw new ConfigError(`no completion for ${shell}`, {
        code: 'unknown_shell',
        expected: 'bash, zsh or fish',
        found: shell,
      });
  }
}
