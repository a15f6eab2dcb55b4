/**
 * Who is signed in with a browser: a table in memory, keyed by the hash of the cookie, so that reading it gives no cookie.
 * A restart ends all sign-ins. At the cap the one unused longest is ended.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Role } from '../../client/types.ts';

export const IDLE_MS = 30 * 60_000;
export const ABSOLUTE_MS = 12 * 3_600_000;
const MAX_SIGN_INS = 1000;

export interface SignIn {
  /** sha256 of the cookie, hex. */
  readonly key: string;
  readonly user: string;
  readonly role: Role;
  readonly csrf: string;
  readonly sinceMs: number;
  readonly address: string;
}

export interface SignIns {
  /** Starts a sign-in; `cookie` is told once and never kept. */
  start(user: { readonly name: string; readonly role: Role }, address: string): { readonly cookie: string; readonly signIn: SignIn };
  /** Returns the sign-in of a cookie and counts it as used; undefined when there is none or it is over. */
  use(cookie: string): SignIn | undefined;
  /** True while the sign-in lasts; does not count as use. */
  isLive(key: string): boolean;
  end(key: string): void;
  /** Ends all sign-ins of a user but `except`. */
  endAll(user: string, except?: string): void;
  readonly size: number;
}

/** Returns an empty table; `now` is in ms. */
export function createSignIns(now: () => number, max: number = MAX_SIGN_INS): SignIns {
  /** In order of use: the first is the one unused longest. */
  const table = new Map<string, { readonly signIn: SignIn; usedMs: number }>();

  const live = (key: string): { readonly signIn: SignIn; usedMs: number } | undefined => {
    const entry = table.get(key);
    if (entry === undefined) return undefined;
    const atMs = now();
    if (atMs - entry.usedMs < IDLE_MS && atMs - entry.signIn.sinceMs < ABSOLUTE_MS) return entry;
    table.delete(key);
    return undefined;
  };

  return {
    start(user, address) {
      for (const key of table.keys()) {
        if (live(key) !== undefined && table.size < max) break;
        table.delete(key);
      }
      const cookie = randomBytes(32).toString('base64url');
      const signIn: SignIn = Object.freeze({ key: sha256(cookie), user: user.name, role: user.role, csrf: randomBytes(32).toString('base64url'), sinceMs: now(), address });
      table.set(signIn.key, { signIn, usedMs: now() });
      return { cookie, signIn };
    },
    use(cookie) {
      if (!/^[A-Za-z0-9_-]{43}$/.test(cookie)) return undefined;
      const key = sha256(cookie);
      const entry = live(key);
      if (entry === undefined) return undefined;
      table.delete(key);
      entry.usedMs = now();
      table.set(key, entry);
      return entry.signIn;
    },
    isLive: (key) => live(key) !== undefined,
    end: (key) => void table.delete(key),
    endAll(user, except) {
      for (const [key, entry] of table) if (entry.signIn.user === user && key !== except) table.delete(key);
    },
    get size() {
      return table.size;
    },
  };
}

/** Returns the sha256 of a text, hex. */
export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** True when both texts are equal; takes as long wherever they differ. */
export function sameSecret(a: string, b: string): boolean {
  return timingSafeEqual(Buffer.from(sha256(a), 'hex'), Buffer.from(sha256(b), 'hex'));
}
