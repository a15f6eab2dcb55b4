/**
 * Passwords as scrypt hashes. One hash at a time: each takes 64 MiB and a quarter of a second, so a short queue
 * and a refusal beyond it keep a flood of sign-ins from taking the machine.
 */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';

/** N is a power of two; memory is 128 * N * r bytes. */
export interface ScryptCost {
  readonly N: number;
  readonly r: number;
  readonly p: number;
}

/** 64 MiB and about 0.26 s on the development machines. */
export const SCRYPT_COST: ScryptCost = { N: 2 ** 16, r: 8, p: 1 };
export const MIN_PASSWORD = 12;
export const MAX_PASSWORD = 256;

const KEY_BYTES = 32;
const MAX_WAITING = 8;
/** Upper bound on what a hash in auth.json may ask for, so that a tampered file cannot take all memory. */
const MAX_MEMORY = 512 * 1024 * 1024;

/** Thrown when the queue of hashes is full. */
export class PasswordBusy extends Error {
  constructor() {
    super(`more than ${MAX_WAITING} passwords wait to be checked`);
    this.name = 'PasswordBusy';
  }
}

/** Hashes and checks passwords, one at a time. */
export interface Passwords {
  /** Returns `scrypt$N$r$p$salt$hash` (base64url). */
  hash(password: string): Promise<string>;
  /** True when the password is the hash's. With null (no such user) takes as long and returns false. Throws PasswordBusy, and Error on a malformed hash. */
  verify(password: string, hash: string | null): Promise<boolean>;
}

/** Returns the hasher; `cost` is for new hashes, kept hashes carry their own. */
export function createPasswords(cost: ScryptCost = SCRYPT_COST): Passwords {
  let waiting = 0;
  let tail: Promise<unknown> = Promise.resolve();

  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    if (waiting >= MAX_WAITING) return Promise.reject(new PasswordBusy());
    waiting++;
    const done = tail.then(work, work).finally(() => waiting--);
    tail = done.catch(() => undefined);
    return done;
  };

  return {
    hash: (password) =>
      inTurn(async () => {
        const salt = randomBytes(16);
        const key = await derive(password, salt, cost);
        return ['scrypt', cost.N, cost.r, cost.p, salt.toString('base64url'), key.toString('base64url')].join('$');
      }),
    verify: (password, hash) =>
      inTurn(async () => {
        const kept = hash === null ? { cost, salt: Buffer.alloc(16), key: Buffer.alloc(KEY_BYTES) } : parseHash(hash);
        const key = await derive(password, kept.salt, kept.cost);
        return timingSafeEqual(key, kept.key) && hash !== null;
      }),
  };
}

/** Returns the parts of a kept hash; throws Error when it is not one. */
export function parseHash(hash: string): { readonly cost: ScryptCost; readonly salt: Buffer; readonly key: Buffer } {
  const match = /^scrypt\$(\d{1,8})\$(\d{1,3})\$(\d{1,3})\$([A-Za-z0-9_-]{22,64})\$([A-Za-z0-9_-]{43})$/.exec(hash);
  const [N, r, p] = [Number(match?.[1]), Number(match?.[2]), Number(match?.[3])];
  if (!match || N < 2 || (N & (N - 1)) !== 0 || r < 1 || p < 1 || 128 * N * r > MAX_MEMORY) throw new Error('not a scrypt hash that weir wrote');
  return { cost: { N, r, p }, salt: Buffer.from(match[4] ?? '', 'base64url'), key: Buffer.from(match[5] ?? '', 'base64url') };
}

function derive(password: string, salt: Buffer, cost: ScryptCost): Promise<Buffer> {
  // NFKC, so that the same password typed on another keyboard gives the same bytes.
  return new Promise((resolve, reject) => {
    scrypt(password.normalize('NFKC'), salt, KEY_BYTES, { ...cost, maxmem: 128 * cost.N * cost.r * 2 }, (error, key) => (error ? reject(error) : resolve(key)));
  });
}
