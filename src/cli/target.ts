/** How commands name a server: two words, or `director/server` in one. */
import { CliError } from './failure.ts';

/** Returns director and server. Throws CliError `usage` when it is not exactly one of each. */
export function serverTarget(args: readonly string[]): readonly [director: string, server: string] {
  const parts = args.length === 1 ? (args[0] ?? '').split('/') : args;
  const [director = '', server = ''] = parts;
  if (parts.length !== 2 || director === '' || server === '') {
    throw new CliError('usage', `expected a director and a server, found '${args.join(' ')}'`, { cure: '`weir servers` lists them' });
  }
  return [director, server];
}
