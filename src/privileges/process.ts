/**
 * The privileges of this process, and giving them up. A capability belongs to a thread, and Node.js has threads before the first line of
 * JavaScript runs, so they are given up where all threads begin anew: by executing the same program again (capabilities(7), "Transformation of
 * capabilities during execve"; what root has afterwards is its bounding set).
 */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { maskOf, parseStatus, type Capability, type Privileges } from './capabilities.ts';

/** The kernel did not let privileges be given up. */
export class PrivilegeError extends Error {
  override readonly name = 'PrivilegeError';
}

const PR_CAPBSET_DROP = 24;
const PR_SET_NO_NEW_PRIVS = 38;
const PR_CAP_AMBIENT = 47;
const PR_CAP_AMBIENT_CLEAR_ALL = 4;
const F_SETFD = 2;
/** linux/capability.h, _LINUX_CAPABILITY_VERSION_3: two words of 32 bits a set. */
const CAPABILITY_VERSION_3 = 0x20080522;

/** Returns what this process may do; null where there is no /proc (not Linux). */
export function ownPrivileges(): Privileges | null {
  return existsSync('/proc/self/status') ? parseStatus(readFileSync('/proc/self/status', 'utf8')) : null;
}

/**
 * Keeps `capabilities` and no others, for good: this thread and whatever it executes cannot get them back. Other threads of the process have
 * what they had until `executeAgain`. Needs CAP_SETPCAP. Throws PrivilegeError; some may be gone then.
 */
export function keepOnly(capabilities: readonly Capability[]): void {
  const koffi = loadKoffi();
  const libc = koffi.load('libc.so.6');
  const prctl = libc.func('int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long)') as (option: number, a: number, b: number, c: number, d: number) => number;
  const capset = libc.func('int capset(void *, void *)') as (header: Buffer, data: Buffer) => number;
  const must = (what: string, result: number): void => {
    if (result !== 0) throw new PrivilegeError(`${what}: errno ${koffi.errno()}`);
  };
  const keep = maskOf(capabilities);
  must('prctl(PR_SET_NO_NEW_PRIVS)', prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  const last = Number(readFileSync('/proc/sys/kernel/cap_last_cap', 'utf8'));
  for (let n = 0; n <= last; n++) {
    if (((keep >> BigInt(n)) & 1n) === 0n) must(`prctl(PR_CAPBSET_DROP, ${n})`, prctl(PR_CAPBSET_DROP, n, 0, 0, 0));
  }
  must('prctl(PR_CAP_AMBIENT_CLEAR_ALL)', prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
  const header = Buffer.alloc(8);
  header.writeUInt32LE(CAPABILITY_VERSION_3, 0);
  const data = Buffer.alloc(24);
  const permitted = keep & (ownPrivileges()?.permitted ?? 0n);
  for (const word of [0, 1]) {
    const bits = Number((permitted >> BigInt(word * 32)) & 0xffff_ffffn);
    data.writeUInt32LE(bits, word * 12);
    data.writeUInt32LE(bits, word * 12 + 4);
  }
  must('capset', capset(header, data));
}

/** Executes this program again, with the same words and the same process id; returns only by throwing PrivilegeError. */
export function executeAgain(environment: Readonly<Record<string, string | undefined>>): never {
  const koffi = loadKoffi();
  const libc = koffi.load('libc.so.6');
  const execve = libc.func('int execve(const char *, const char **, const char **)') as (path: string, argv: readonly (string | null)[], env: readonly (string | null)[]) => number;
  const fcntl = libc.func('int fcntl(int, int, int)') as (fd: number, command: number, argument: number) => number;
  // Node.js marks all it has inherited to be closed.
  for (const fd of [0, 1, 2]) fcntl(fd, F_SETFD, 0);
  const words = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const env = Object.entries(environment).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`]));
  execve(process.execPath, [...words, null], [...env, null]);
  throw new PrivilegeError(`execve of ${process.execPath}: errno ${koffi.errno()}`);
}

/** Loaded when asked for: weir runs without it. */
function loadKoffi(): typeof import('koffi') {
  return createRequire(import.meta.url)('koffi') as typeof import('koffi');
}
