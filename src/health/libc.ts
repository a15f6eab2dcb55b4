/** The C library's calls for the sockets of checks that node:dgram cannot open, through koffi. */
import { createRequire } from 'node:module';
import { constants } from 'node:os';

/** The calls of the C library used here; each returns -1 and sets errno on failure. */
export interface Libc {
  socket(family: number, type: number, protocol: number): number;
  bind(fd: number, address: Buffer, length: number): number;
  setsockopt(fd: number, level: number, name: number, value: Buffer, length: number): number;
  sendto(fd: number, data: Buffer, length: number, flags: number, to: Buffer, toLength: number): number;
  recvfrom(fd: number, data: Buffer, length: number, flags: number, from: Buffer, fromLength: Buffer): number;
  close(fd: number): number;
  /** Where a Buffer lies, for structures that hold pointers; it must be held as long as they are used. */
  address(buffer: Buffer): bigint;
  errno(): number;
  /** Calls back whenever `fd` is readable; the returned function stops that. Keeps no event loop alive. */
  poll(fd: number, onReadable: () => void): () => void;
}

let loaded: Libc | Error | undefined;

/** Returns the C library through koffi, loaded once; an Error where koffi or Linux is missing. */
export function loadLibc(): Libc | Error {
  loaded ??= load();
  return loaded;
}

function load(): Libc | Error {
  if (process.platform !== 'linux') return new Error(`this is ${process.platform}`);
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
    const lib = koffi.load(null);
    const calls = {
      socket: lib.func('int socket(int family, int type, int protocol)'),
      bind: lib.func('int bind(int fd, const void *address, uint32_t length)'),
      setsockopt: lib.func('int setsockopt(int fd, int level, int name, const void *value, uint32_t length)'),
      sendto: lib.func('intptr_t sendto(int fd, const void *data, size_t length, int flags, const void *to, uint32_t to_length)'),
      recvfrom: lib.func('intptr_t recvfrom(int fd, void *data, size_t length, int flags, void *from, void *from_length)'),
      close: lib.func('int close(int fd)'),
    };
    return {
      ...(calls as unknown as Omit<Libc, 'errno' | 'poll' | 'address'>),
      errno: () => koffi.errno(),
      address: (buffer) => BigInt(koffi.address(buffer)),
      poll(fd, onReadable) {
        const handle = koffi.node.poll(fd, { readable: true }, onReadable);
        handle.unref();
        return () => handle.close();
      },
    };
  } catch (cause) {
    return cause instanceof Error ? cause : new Error(String(cause));
  }
}

/** Returns the name of the last call's error: `EPERM`. */
export function errnoName(c: Libc): string {
  const number = c.errno();
  return Object.entries(constants.errno).find(([, value]) => value === number)?.[0] ?? `errno ${number}`;
}

/** Returns an Error as Node's own have it, with `code`. */
export function errnoError(name: string): Error {
  return Object.assign(new Error(name), { code: name });
}
