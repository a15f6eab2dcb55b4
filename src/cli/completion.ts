/** The bash completion script, made from the table of commands. */
import type { Command } from './command.ts';
import { longFlag, optionsOf } from './options.ts';

/** Returns a script that completes commands, their options, choices of options and arguments, and files where a file is taken. */
export function completionScript(commands: readonly Command[]): string {
  const first = [...new Set(commands.map(({ name }) => name.split(' ')[0] ?? name))];
  const parents = [...new Set(commands.filter(({ name }) => name.includes(' ')).map(({ name }) => name.split(' ')[0] ?? name))];
  const seconds = parents.map((parent) => `    '${parent}') words='${commands.filter(({ name }) => name.startsWith(`${parent} `)).map(({ name }) => name.split(' ')[1]).join(' ')}' ;;`);
  const cases = commands.map((command) => {
    const flags = [...optionsOf(command).map(longFlag), '--help'].join(' ');
    const choices = command.args.flatMap((argument) => argument.choices ?? []).join(' ');
    const files = command.args.some(({ form }) => form.includes('file')) ? ' files=yes' : '';
    return `    '${command.name}') flags='${flags}' words='${choices}'${files} ;;`;
  });
  const values = new Map<string, string>();
  for (const option of commands.flatMap((command) => optionsOf(command))) {
    if (option.choices !== undefined) values.set(longFlag(option), [...new Set([...(values.get(longFlag(option))?.split(' ') ?? []), ...option.choices])].join(' '));
  }
  const takesFile = [...new Set(commands.flatMap((command) => optionsOf(command)).filter(({ flags }) => /<(file|dir)>/.test(flags)).map(longFlag))];
  return `# bash completion of weir; made by: weir completion bash
_weir() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} cmd=\${COMP_WORDS[1]} flags= words= files=
  COMPREPLY=()
  case $prev in
${[...values].map(([flag, words]) => `    ${flag}) COMPREPLY=($(compgen -W '${words}' -- "$cur")); return ;;`).join('\n')}
    ${takesFile.join('|')}) COMPREPLY=($(compgen -f -- "$cur")); return ;;
  esac
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '${[...first, 'help'].join(' ')}' -- "$cur")); return
  fi
  if [ "$COMP_CWORD" -eq 2 ]; then
    case $cmd in
${seconds.map((line) => `  ${line}`).join('\n')}
      'help') words='${first.join(' ')}' ;;
    esac
    if [ -n "$words" ]; then COMPREPLY=($(compgen -W "$words" -- "$cur")); return; fi
  fi
  case $cmd in ${parents.join('|')}) cmd="$cmd \${COMP_WORDS[2]}" ;; esac
  case $cmd in
${cases.join('\n')}
  esac
  case $cur in
    -*) COMPREPLY=($(compgen -W "$flags" -- "$cur")) ;;
    *) if [ -n "$words" ]; then COMPREPLY=($(compgen -W "$words" -- "$cur"))
       elif [ -n "$files" ]; then COMPREPLY=($(compgen -f -- "$cur")); fi ;;
  esac
}
complete -o filenames -F _weir weir ./bin/weir
`;
}
