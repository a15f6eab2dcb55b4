/** Check programs of other balancers, as weir's `execcheck`: a name in one directory, with arguments and no shell. */
import { quoted } from './quoted.ts';

/** `option` null: weir cannot run it, and `why` says that; else `why` says what is to be done or is different. */
export interface ProgramCheck {
  readonly option: string | null;
  readonly why: string;
}

/** Words of a command line that only a shell understands. */
const SHELL = /[|&;<>()$`*?[\]{}~!'"\\\n]/;
const NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]*$/;

/** Returns the check of a command line: a path and arguments, parted by spaces. */
export function programCheck(command: string, { dynamic }: { readonly dynamic: boolean }): ProgramCheck {
  const [path = '', ...args] = command.trim().split(/\s+/);
  if (SHELL.test(command)) return { option: null, why: 'it needs a shell, and weir runs programs without one: put it into a script and name that with option execcheck; its server is not checked' };
  const name = path.slice(path.lastIndexOf('/') + 1);
  if (!NAME.test(name)) return { option: null, why: 'not a name that a check program may have (letters, digits, . - _): its server is not checked' };
  return {
    option: ['execcheck', 'run', name, ...args.flatMap((arg) => ['arg', quoted(arg)]), ...(dynamic ? ['dynamic'] : [])].join(' '),
    why: `weir runs the file ${name} of /etc/weir/checks (weir run --checks): put it there. It is told of the server in WEIR_ADDRESS and WEIR_PORT`,
  };
}
