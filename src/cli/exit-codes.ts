/** The exit codes of `weir`: the one table, also of docs/reference/cli.md. Numbers are never reused. */

export const EXIT_CODES = [
  { code: 0, name: 'ok', text: 'done' },
  { code: 1, name: 'failed', text: 'refused or failed; nothing was changed unless the message says so' },
  { code: 2, name: 'invalid', text: 'the configuration has errors; all of them were printed' },
  { code: 3, name: 'unreachable', text: 'no daemon answers' },
  { code: 4, name: 'notAllowed', text: 'the daemon does not know the token, or its role may not do this' },
  { code: 5, name: 'usage', text: 'unknown command or option, or an argument is missing or malformed' },
  { code: 6, name: 'conflict', text: 'somebody else was first: the edited text changed meanwhile, an apply waits for its confirmation, or none does; or a server takes no sessions now' },
  { code: 7, name: 'unsupported', text: 'the engine cannot do what the configuration asks for' },
  { code: 8, name: 'notFound', text: 'there is no such director, server, service, revision or token' },
  { code: 70, name: 'fault', text: 'a fault of weir itself; please report it' },
] as const;

export type ExitName = (typeof EXIT_CODES)[number]['name'];

/** The code of each name. */
export const EXIT = Object.freeze(Object.fromEntries(EXIT_CODES.map(({ name, code }) => [name, code]))) as Readonly<Record<ExitName, number>>;
