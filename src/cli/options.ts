/** The options that many commands share, and how all of them are read. */
import type { Command, CommandOption, Options } from './command.ts';

const JSON_OPTION: CommandOption = { flags: '--json', text: 'print JSON, errors too; its shape is stable' };
const STATE_OPTION: CommandOption = { flags: '--state <dir>', text: 'the state directory (WEIR_STATE; default $XDG_STATE_HOME/weir or ~/.local/state/weir)' };
const DAEMON_OPTIONS: readonly CommandOption[] = [
  { flags: '--api <url>', text: 'where the daemon is (WEIR_API; default: what the state directory says)' },
  { flags: '--token-file <file>', text: 'the token to use (or WEIR_TOKEN; default: cli.token of the state directory)' },
  STATE_OPTION,
];

/** Returns all options a command takes: its own, then the shared ones. */
export function optionsOf(command: Command): readonly CommandOption[] {
  return [
    ...command.options,
    ...(command.json ? [JSON_OPTION] : []),
    ...(command.needs === 'daemon' ? DAEMON_OPTIONS : command.needs === 'state' ? [STATE_OPTION] : []),
  ];
}

/** Returns the long flag of an option: `--confirm`. */
export function longFlag({ flags }: CommandOption): string {
  return /--[a-z-]+/.exec(flags)?.[0] ?? flags;
}

/** Returns commander's values behind the typed interface; an optional value that was left out reads as a flag. */
export function typedOptions(values: Readonly<Record<string, unknown>>): Options {
  return {
    flag: (name) => values[name] === true,
    text: (name) => {
      const value = values[name];
      return typeof value === 'string' ? value : undefined;
    },
  };
}
