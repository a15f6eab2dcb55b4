/**
 * Who may call: users with a password (browser sign-ins) and bearer tokens, each admin or viewer. Secrets are told once and kept as hashes.
 * Changes are written before they count: when auth.json cannot be written, nothing has changed.
 */
import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import type { Role, TokenView } from '../../client/types.ts';
import { Refusal } from '../../daemon/control.ts';
import { readAccounts, readOwn, writeAccounts, writePrivate, type Accounts, type StoredToken } from './auth-file.ts';
import { createPasswords, type ScryptCost } from './password.ts';
import { createSignIns, sameSecret, sha256, ABSOLUTE_MS, type SignIn } from './sign-ins.ts';

/** Who makes a call. `key` names the sign-in or the token; `user` is set for a sign-in. */
export type Caller =
  | { readonly via: 'cookie'; readonly who: string; readonly role: Role; readonly key: string; readonly user: string; readonly csrf: string; readonly expiresAtMs: number }
  | { readonly via: 'token'; readonly who: string; readonly role: Role; readonly key: string; readonly expiresAtMs: number | null };

export interface Auth {
  /** Makes what is missing: the user admin (its password is returned this once) and the CLI's token file. Idempotent. */
  bootstrap(): Promise<{ readonly adminPassword: string | null; readonly cliTokenFile: string }>;
  /** Returns the cookie and the caller, or null when user and password do not match. Throws PasswordBusy. */
  signIn(user: string, password: string, address: string): Promise<{ readonly cookie: string; readonly caller: Caller } | null>;
  signOut(caller: Caller): void;
  /** Ends every sign-in of the caller's user. */
  signOutEverywhere(user: string): void;
  byCookie(cookie: string): Caller | undefined;
  byToken(token: string): Caller | undefined;
  /** True while the caller's sign-in or token is still good. */
  isLive(caller: Caller): boolean;
  hasUser(name: string): boolean;
  tokens(): readonly TokenView[];
  /** Throws Refusal. */
  createToken(options: { readonly name: string; readonly role: Role; readonly expiresInMs?: number }): Promise<TokenView & { readonly token: string }>;
  /** Returns what was revoked. Throws Refusal. */
  revokeToken(id: string): Promise<TokenView>;
  /** Changes a password and ends the user's sign-ins but `keep`. Without `oldPassword` none is asked for. Returns false when the old one is wrong. */
  passwd(options: { readonly user: string; readonly oldPassword: string | null; readonly newPassword: string; readonly keep?: string }): Promise<boolean>;
  /** Calls back after a sign-in or a token ended before its time. */
  onEnd(listener: () => void): void;
  readonly signedIn: number;
  /** Writes what is not yet on disk (when tokens were last used). */
  close(): Promise<void>;
}

export const ADMIN = 'admin';
export const CLI_TOKEN_NAME = 'cli';
const MAX_TOKENS = 1000;
/** Last use of a token is written at most this often. */
const LAST_USED_EVERY_MS = 60_000;
/** Expired tokens stay in the list this long. */
const KEEP_EXPIRED_MS = 30 * 24 * 3_600_000;

/** Opens `auth.json` in `directory` (the directory is made when missing). Throws AuthFileError. `now` is ms since 1970. */
export async function openAuth(options: {
  readonly directory: string;
  readonly now?: () => number;
  readonly cost?: ScryptCost;
  /** Told when the file was readable by others; its mode has been corrected. */
  readonly warn?: (text: string) => void;
}): Promise<Auth> {
  const { directory, now = Date.now, cost, warn } = options;
  const file = path.join(directory, 'auth.json');
  const cliTokenFile = path.join(directory, 'cli.token');
  const passwords = createPasswords(cost);
  const signIns = createSignIns(now);
  const listeners: (() => void)[] = [];
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const first = await readAccounts(file);
  if (first.wasOpen) warn?.(`${file} was readable by others; its mode is 0600 now. Change the password and replace the tokens if they may have read it`);
  let accounts: Accounts = first.accounts;
  let lastUsedWrittenMs = now();
  let lastUsedDirty = false;

  let tail: Promise<unknown> = Promise.resolve();
  /** Changes accounts one after the other; what `make` returns counts only once it is on disk. */
  const change = <T>(make: (old: Accounts) => { readonly accounts: Accounts; readonly result: T } | Promise<{ readonly accounts: Accounts; readonly result: T }>): Promise<T> => {
    const done = tail.then(async () => {
      const made = await make(accounts);
      try {
        await writeAccounts(file, made.accounts);
      } catch (error) {
        throw new Refusal('STORE_FAILED', `cannot write ${file}: ${(error as Error).message}`, { cause: error });
      }
      accounts = made.accounts;
      lastUsedDirty = false;
      return made.result;
    });
    tail = done.catch(() => undefined);
    return done;
  };

  const ended = (): void => listeners.forEach((listener) => listener());
  const expired = (token: StoredToken): boolean => token.expiresAtMs !== null && token.expiresAtMs <= now();
  const cookieCaller = (signIn: SignIn): Caller => ({
    via: 'cookie', who: signIn.user, role: signIn.role, key: signIn.key, user: signIn.user, csrf: signIn.csrf, expiresAtMs: signIn.sinceMs + ABSOLUTE_MS,
  });

  const touch = (token: StoredToken): void => {
    token.lastUsedAtMs = now();
    lastUsedDirty = true;
    if (now() - lastUsedWrittenMs < LAST_USED_EVERY_MS) return;
    lastUsedWrittenMs = now();
    // A failed write of a last use loses nothing that matters; the next change reports the trouble.
    change((old) => ({ accounts: old, result: undefined })).catch(() => undefined);
  };

  const mint = (old: Accounts, wanted: { readonly name: string; readonly role: Role; readonly expiresInMs?: number | undefined }) => {
    const id = randomBytes(8).toString('hex');
    const secret = `weir_${id}_${randomBytes(32).toString('base64url')}`;
    const expiresAtMs = wanted.expiresInMs === undefined ? null : now() + wanted.expiresInMs;
    const token: StoredToken = { id, name: wanted.name, role: wanted.role, sha256: sha256(secret), createdAtMs: now(), expiresAtMs, lastUsedAtMs: null };
    return { token, secret, accounts: { ...old, tokens: [...old.tokens, token] } };
  };

  const byToken = (text: string): StoredToken | undefined => {
    const id = /^weir_([0-9a-f]{16})_[A-Za-z0-9_-]{43}$/.exec(text)?.[1];
    if (id === undefined) return undefined;
    const token = accounts.tokens.find((t) => t.id === id);
    if (token === undefined || expired(token) || !sameSecret(sha256(text), token.sha256)) return undefined;
    return token;
  };

  return {
    async bootstrap() {
      let adminPassword: string | null = null;
      if (!accounts.users.some((u) => u.name === ADMIN)) {
        // 100 bits in groups that a person can type.
        const made = randomPassword();
        const password = await passwords.hash(made);
        await change((old) => ({ accounts: { ...old, users: [...old.users, { name: ADMIN, role: 'admin' as const, password, changedAtMs: now() }] }, result: undefined }));
        adminPassword = made;
      }
      const { text: kept, wasOpen } = await readOwn(cliTokenFile).catch(() => ({ text: '', wasOpen: false }));
      if (wasOpen) warn?.(`${cliTokenFile} was readable by others; it holds a new token now`);
      if (wasOpen || byToken(kept.trim())?.role !== 'admin') {
        // The file first: a kill in between leaves a token nobody knows of, which the next start replaces.
        await change(async (old) => {
          const minted = mint({ ...old, tokens: old.tokens.filter((t) => t.name !== CLI_TOKEN_NAME) }, { name: CLI_TOKEN_NAME, role: 'admin' });
          await writePrivate(cliTokenFile, `${minted.secret}\n`);
          return { accounts: minted.accounts, result: undefined };
        });
      }
      return { adminPassword, cliTokenFile };
    },

    async signIn(name, password, address) {
      const user = accounts.users.find((u) => u.name === name);
      if (!(await passwords.verify(password, user?.password ?? null)) || user === undefined) return null;
      // The password may have changed while this one was checked.
      if (accounts.users.find((u) => u.name === name)?.password !== user.password) return null;
      const { cookie, signIn } = signIns.start(user, address);
      return { cookie, caller: cookieCaller(signIn) };
    },

    signOut(caller) {
      if (caller.via !== 'cookie') return;
      signIns.end(caller.key);
      ended();
    },

    signOutEverywhere(user) {
      signIns.endAll(user);
      ended();
    },

    byCookie(cookie) {
      const signIn = signIns.use(cookie);
      return signIn === undefined ? undefined : cookieCaller(signIn);
    },

    byToken(text) {
      const token = byToken(text);
      if (token === undefined) return undefined;
      touch(token);
      return { via: 'token', who: `token:${token.name}`, role: token.role, key: token.id, expiresAtMs: token.expiresAtMs };
    },

    isLive(caller) {
      if (caller.via === 'cookie') return signIns.isLive(caller.key);
      const token = accounts.tokens.find((t) => t.id === caller.key);
      return token !== undefined && !expired(token);
    },

    hasUser: (name) => accounts.users.some((u) => u.name === name),
    tokens: () => accounts.tokens.map(tokenView),

    createToken: (wanted) =>
      change((before) => {
        const old = { ...before, tokens: before.tokens.filter((t) => t.expiresAtMs === null || t.expiresAtMs > now() - KEEP_EXPIRED_MS) };
        if (old.tokens.some((t) => t.name === wanted.name && !expired(t))) {
          throw new Refusal('BAD_REQUEST', `a token named ${wanted.name} exists already`, { cure: 'choose another name, or revoke that one first' });
        }
        if (old.tokens.length >= MAX_TOKENS) throw new Refusal('BAD_REQUEST', `expected at most ${MAX_TOKENS} tokens`, { cure: 'revoke tokens that are not used' });
        const minted = mint(old, wanted);
        return { accounts: minted.accounts, result: { ...tokenView(minted.token), token: minted.secret } };
      }),

    async revokeToken(id) {
      const gone = await change((old) => {
        const token = old.tokens.find((t) => t.id === id);
        if (token === undefined) throw new Refusal('NOT_FOUND', 'no token has this id', { cure: 'GET /api/v1/tokens lists the ids' });
        return { accounts: { ...old, tokens: old.tokens.filter((t) => t !== token) }, result: tokenView(token) };
      });
      ended();
      return gone;
    },

    async passwd({ user: name, oldPassword, newPassword, keep }) {
      const user = accounts.users.find((u) => u.name === name);
      if (user === undefined) throw new Refusal('NOT_FOUND', 'no user has this name', { cure: `the user that every weir has is ${ADMIN}` });
      if (oldPassword !== null && !(await passwords.verify(oldPassword, user.password))) return false;
      const password = await passwords.hash(newPassword);
      await change((old) => ({ accounts: { ...old, users: old.users.map((u) => (u.name === name ? { ...u, password, changedAtMs: now() } : u)) }, result: undefined }));
      signIns.endAll(name, keep);
      ended();
      return true;
    },

    onEnd: (listener) => void listeners.push(listener),
    get signedIn() {
      return signIns.size;
    },
    async close() {
      if (lastUsedDirty) await change((old) => ({ accounts: old, result: undefined })).catch(() => undefined);
      await tail;
    },
  };
}

function tokenView({ id, name, role, createdAtMs, expiresAtMs, lastUsedAtMs }: StoredToken): TokenView {
  return { id, name, role, createdAtMs, expiresAtMs, lastUsedAtMs };
}

/** Letters and digits without those that look alike; 32 of them, so 5 bits each. */
const ALPHABET = 'abcdefghijkmnpqrstuvwxyz23456789';

function randomPassword(): string {
  const letters = Array.from(randomBytes(20), (b) => ALPHABET[b & 31]).join('');
  return (letters.match(/.{5}/g) ?? []).join('-');
}
