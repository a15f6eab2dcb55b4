/** Who may do what: tokens and the password. */
import type { TokenView } from '../../client/types.ts';
import type { Command } from '../command.ts';
import { formatDuration, formatTime, parseDuration } from '../duration.ts';
import { CliError } from '../failure.ts';
import { clean, plural, table, type Style } from '../text.ts';

const PASSWORD_CAP = 4096;

export const tokenList: Command = {
  name: 'token list',
  group: 'Access',
  short: 'list the tokens, without their secrets',
  args: [],
  options: [],
  needs: 'daemon',
  json: true,
  examples: [],
  async run({ client }) {
    const list = await (await client()).tokens();
    return { data: list, text: (style) => tokensText(list, style) };
  },
};

export const tokenCreate: Command = {
  name: 'token create',
  group: 'Access',
  short: 'make a token; its secret is shown this once',
  args: [{ form: '<name>', text: 'what it is for' }],
  options: [
    { flags: '--role <role>', text: 'what it may do (default viewer: read alone)', choices: ['admin', 'viewer'] },
    { flags: '--expires <time>', text: 'when it ends by itself, like `30d` (default never)' },
  ],
  needs: 'daemon',
  json: true,
  examples: ['weir token create grafana', 'weir token create ci --role admin --expires 90d > ci.token'],
  async run({ args: [name = ''], options, client, io }) {
    const expires = options.text('expires');
    const expiresInMs = expires === undefined ? undefined : parseDuration(expires);
    if (expiresInMs === null || expiresInMs === 0) throw new CliError('usage', `--expires must be a time like 30d, got '${expires}'`);
    const role = options.text('role') === 'admin' ? 'admin' : 'viewer';
    const made = await (await client()).createToken({ name, role, ...(expiresInMs === undefined ? {} : { expiresInMs }) });
    if (!options.flag('json')) {
      io.err(clean(`token '${made.name}' (${made.role}, id ${made.id})${made.expiresAtMs === null ? '' : `, until ${formatTime(made.expiresAtMs)}`}; it is not shown again:`) + '\n');
    }
    // Alone on stdout, so that it can go to a file.
    return { data: made, text: () => `${clean(made.token)}\n` };
  },
};

export const tokenRevoke: Command = {
  name: 'token revoke',
  group: 'Access',
  short: 'end a token at once',
  args: [{ form: '<id>', text: 'its id in `weir token list`' }],
  options: [],
  needs: 'daemon',
  json: true,
  examples: [],
  async run({ args: [id = ''], client }) {
    await (await client()).revokeToken(id);
    return { data: { revoked: id }, text: () => `token ${clean(id)} is revoked\n` };
  },
};

export const passwd: Command = {
  name: 'passwd',
  group: 'Access',
  short: "change a user's password and end their other sign-ins",
  details: 'Asks for the new password twice on a terminal; with --stdin it is the first line of standard input. It is never an argument: arguments can be read by every user of the machine.',
  args: [],
  options: [
    { flags: '--user <name>', text: 'whose password (default admin)' },
    { flags: '--stdin', text: 'read the new password from standard input' },
  ],
  needs: 'daemon',
  json: true,
  examples: ['weir passwd', 'weir passwd --stdin < new-password'],
  async run({ options, client, io }) {
    const api = await client();
    const newPassword = options.flag('stdin') ? await fromStdin(io.stdin(PASSWORD_CAP)) : await asked((question) => io.secret(question));
    const user = options.text('user');
    await api.passwd({ newPassword, ...(user === undefined ? {} : { user }) });
    return { data: { changed: user ?? 'admin' }, text: () => `the password of ${clean(user ?? 'admin')} is changed\n` };
  },
};

async function fromStdin(bytes: Promise<Uint8Array>): Promise<string> {
  const [line = ''] = new TextDecoder('utf-8', { fatal: true }).decode(await bytes).split(/\r?\n/, 1);
  if (line === '') throw new CliError('usage', 'expected the new password on standard input, found nothing');
  return line;
}

async function asked(secret: (question: string) => Promise<string | null>): Promise<string> {
  const first = await secret('new password: ');
  if (first === null) throw new CliError('usage', 'there is no terminal to ask for the password', { cure: 'use --stdin' });
  const second = await secret('again: ');
  if (first !== second) throw new CliError('failed', 'the two are not equal; nothing was changed');
  if (first === '') throw new CliError('failed', 'the password is empty; nothing was changed');
  return first;
}

function tokensText(list: readonly TokenView[], style: Style): string {
  const rows = list.map((t) => [
    t.id, t.name, t.role, formatTime(t.createdAtMs),
    t.expiresAtMs === null ? 'never' : formatTime(t.expiresAtMs),
    t.lastUsedAtMs === null ? 'never' : `${formatDuration(style.nowMs - t.lastUsedAtMs)} ago`,
  ]);
  return rows.length === 0 ? `${plural(0, 'token')}\n` : table(['ID', 'NAME', 'ROLE', 'CREATED', 'EXPIRES', 'LAST USED'], rows, style);
}
