/**
 * auth.json: users and tokens, hashes only, mode 0600. Written whole to a temporary name, synced and renamed:
 * a kill at any instant leaves the old or the new. A file that cannot be read stops the start; it is never replaced by an empty one.
 */
import { constants } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { Type, type Static } from 'typebox';
import { Check } from 'typebox/value';
import { parseHash } from './password.ts';

const Role = Type.Unsafe<'admin' | 'viewer'>({ type: 'string', enum: ['admin', 'viewer'] });
const User = Type.Object({ name: Type.String(), role: Role, password: Type.String(), changedAtMs: Type.Number() }, { additionalProperties: false });
const Token = Type.Object(
  {
    id: Type.String({ pattern: '^[0-9a-f]{16}$' }),
    name: Type.String(),
    role: Role,
    sha256: Type.String({ pattern: '^[0-9a-f]{64}$' }),
    createdAtMs: Type.Number(),
    expiresAtMs: Type.Unsafe<number | null>({ type: ['number', 'null'] }),
    lastUsedAtMs: Type.Unsafe<number | null>({ type: ['number', 'null'] }),
  },
  { additionalProperties: false },
);
const Accounts = Type.Object({ version: Type.Literal(1), users: Type.Array(User), tokens: Type.Array(Token) }, { additionalProperties: false });

export type StoredUser = Static<typeof User>;
export type StoredToken = Static<typeof Token>;
export type Accounts = Static<typeof Accounts>;

/** auth.json could not be used. `cure` says what to do. */
export class AuthFileError extends Error {
  readonly cure: string;
  constructor(message: string, cure: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'AuthFileError';
    this.cure = cure;
  }
}

/** Returns what the file holds and whether others could read it (then its mode is corrected); empty when there is none. Throws AuthFileError. */
export async function readAccounts(file: string): Promise<{ readonly accounts: Accounts; readonly wasOpen: boolean }> {
  let text: string;
  let wasOpen = false;
  try {
    ({ text, wasOpen } = await readOwn(file));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { accounts: { version: 1, users: [], tokens: [] }, wasOpen };
    throw new AuthFileError(`cannot read ${file}: ${(error as Error).message}`, 'run weir as the owner of its state directory, or correct the permissions', error);
  }
  const cure = `bring it back from a backup, or move it away: the next start then makes a new admin password and a new cli.token, and all other tokens are gone`;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new AuthFileError(`${file} is not JSON`, cure);
  }
  if (!Check(Accounts, value)) throw new AuthFileError(`${file} does not hold users and tokens as weir writes them`, cure);
  for (const user of value.users) {
    try {
      parseHash(user.password);
    } catch (error) {
      throw new AuthFileError(`${file}: the password of user ${JSON.stringify(user.name)} is ${(error as Error).message}`, cure, error);
    }
  }
  return { accounts: value, wasOpen };
}

/** Returns a private file's text and whether others could read it; then its mode is corrected. Throws the system's error; ELOOP for a link. */
export async function readOwn(file: string): Promise<{ readonly text: string; readonly wasOpen: boolean }> {
  // By its descriptor: a link would have the mode of another file changed.
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const status = await handle.stat();
    if (!status.isFile()) throw new Error(`expected a file: ${file}`);
    const wasOpen = (status.mode & 0o077) !== 0;
    if (wasOpen) await handle.chmod(0o600);
    return { text: await handle.readFile('utf8'), wasOpen };
  } finally {
    await handle.close();
  }
}

/** Replaces the file. Throws the system's error; then the old one stands. */
export async function writeAccounts(file: string, accounts: Accounts): Promise<void> {
  await writePrivate(file, `${JSON.stringify(accounts, null, 2)}\n`);
}

/** Writes `text` to `file` with mode 0600 so that a kill leaves the old or the new; file and directory are synced. */
export async function writePrivate(file: string, text: string): Promise<void> {
  const temporary = `${file}.tmp`;
  await rm(temporary, { force: true });
  const handle = await open(temporary, 'wx', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, file);
  const directory = await open(path.dirname(file), 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
