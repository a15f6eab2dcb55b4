/** All commands of `weir`, in the order of the help. */
import type { Command } from './command.ts';
import { completion, version } from './commands/about.ts';
import { passwd, tokenCreate, tokenList, tokenRevoke } from './commands/access.ts';
import { apply, confirm, edit, plan, save } from './commands/apply.ts';
import { check } from './commands/check.ts';
import { fmt } from './commands/fmt.ts';
import { importCommand } from './commands/import.ts';
import { events, metrics, traffic } from './commands/live.ts';
import { disable, drain, enable, reset } from './commands/override.ts';
import { diff, revisions, rollback, show } from './commands/revisions.ts';
import { nat } from './commands/nat.ts';
import { run } from './commands/run.ts';
import { service, services } from './commands/services.ts';
import { send } from './commands/send.ts';
import { explain, pin, purge, sessions } from './commands/sessions.ts';
import { servers, status } from './commands/status.ts';

export const COMMANDS: readonly Command[] = [
  run, status, events, traffic, services, service, metrics,
  check, fmt, importCommand, edit, show, diff, plan, apply, confirm, save, revisions, rollback,
  servers, drain, disable, enable, reset, sessions, purge, pin, explain, nat,
  tokenList, tokenCreate, tokenRevoke, passwd,
  send, completion(() => COMMANDS), version,
];
