/**
 * What Node.js cannot do on a unix socket: tell who is at the other end, and pass open files (man 7 unix: SO_PEERCRED, SCM_RIGHTS).
 * Calls do not wait; every Buffer given to C is held until the call has returned.
 */
import { createRequire } from 'node:module';

const AF_UNIX = 1;
const SOCK_STREAM_CLOEXEC = 1 | 0o2000000;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const SO_PEERCRED = 17;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x40000000;
const MFD_CLOEXEC = 1;
const CMSG_HEADER = 16;
/** The kernel takes no more in one message (include/net/scm.h, SCM_MAX_FD). */
export const MOST_DESCRIPTORS = 253;
const PATH_MAX = 107;

/** A call the kernel refused. */
export class UnixError extends Error {
  readonly errno: number;
  constructor(call: string, errno: number) {
    super(`${call}: errno ${errno}`);
    this.name = 'UnixError';
    this.errno = errno;
  }
}

export const EAGAIN = 11;
/** Too many descriptors under way for one user: the other end has to take some first. */
export const ETOOMANYREFS = 109;

export interface Credentials {
  readonly pid: number;
  readonly uid: number;
}

export interface Unix {
  /** Returns a socket connected to `path`. Throws UnixError; ENOENT (2) and ECONNREFUSED (111): nobody listens there. */
  connect(path: string): number;
  /** Returns the process at the other end, as it was when the connection was made. */
  peer(socket: number): Credentials;
  /** Sends one byte with up to MOST_DESCRIPTORS descriptors. Throws UnixError. */
  sendDescriptors(socket: number, descriptors: readonly number[]): void;
  /** Sends text; it must fit the socket's buffer. Throws UnixError. */
  send(socket: number, text: string): void;
  /** Returns what has come, and the descriptors that came with it; null when nothing is there yet. No bytes: the other end is gone. */
  receive(socket: number): { readonly bytes: Buffer; readonly descriptors: readonly number[] } | null;
  /** Returns a file in memory that no other process can name. */
  memoryFile(): number;
}

/** Returns the calls. Throws where koffi or the C library cannot be loaded. */
export function loadUnix(): Unix {
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
  const lib = koffi.load('libc.so.6');
  const socket = lib.func('int socket(int, int, int)') as (family: number, type: number, protocol: number) => number;
  const connect = lib.func('int connect(int, void*, unsigned int)') as (fd: number, address: Buffer, length: number) => number;
  const getsockopt = lib.func('int getsockopt(int, int, int, void*, void*)') as (fd: number, level: number, name: number, value: Buffer, length: Buffer) => number;
  const sendmsg = lib.func('intptr_t sendmsg(int, void*, int)') as (fd: number, message: Buffer, flags: number) => number;
  const recvmsg = lib.func('intptr_t recvmsg(int, void*, int)') as (fd: number, message: Buffer, flags: number) => number;
  const send = lib.func('intptr_t send(int, void*, size_t, int)') as (fd: number, data: Buffer, length: number, flags: number) => number;
  const close = lib.func('int close(int)') as (fd: number) => number;
  const memfd = lib.func('int memfd_create(const char*, unsigned int)') as (name: string, flags: number) => number;
  const payload = Buffer.alloc(65_536);
  const control = Buffer.alloc(CMSG_HEADER + MOST_DESCRIPTORS * 4 + 4);
  const done = <T extends number>(call: string, result: T): T => {
    if (result < 0) throw new UnixError(call, koffi.errno());
    return result;
  };
  // A struct msghdr of one piece and a control message; `hold` keeps the memory it points to until it is called.
  const message = (data: Buffer, dataLength: number, ancillary: Buffer, ancillaryLength: number): { header: Buffer; hold(): void } => {
    const iov = Buffer.alloc(16);
    iov.writeBigUInt64LE(BigInt(koffi.address(data)), 0);
    iov.writeBigUInt64LE(BigInt(dataLength), 8);
    const header = Buffer.alloc(56);
    header.writeBigUInt64LE(BigInt(koffi.address(iov)), 16);
    header.writeBigUInt64LE(1n, 24);
    header.writeBigUInt64LE(BigInt(koffi.address(ancillary)), 32);
    header.writeBigUInt64LE(BigInt(ancillaryLength), 40);
    const held = [iov, data, ancillary];
    return { header, hold: () => void held.length };
  };
  return {
    connect(path) {
      const bytes = Buffer.from(path);
      if (bytes.length > PATH_MAX) throw new UnixError(`connect to a path of ${bytes.length} bytes (the kernel takes ${PATH_MAX})`, 36);
      const address = Buffer.alloc(2 + PATH_MAX + 1);
      address.writeUInt16LE(AF_UNIX, 0);
      bytes.copy(address, 2);
      const fd = done('socket', socket(AF_UNIX, SOCK_STREAM_CLOEXEC, 0));
      if (connect(fd, address, address.length) === 0) return fd;
      const errno = koffi.errno();
      close(fd);
      throw new UnixError('connect', errno);
    },
    peer(fd) {
      const value = Buffer.alloc(12);
      const length = Buffer.alloc(4);
      length.writeUInt32LE(12);
      done('getsockopt', getsockopt(fd, SOL_SOCKET, SO_PEERCRED, value, length));
      return { pid: value.readInt32LE(0), uid: value.readUInt32LE(4) };
    },
    sendDescriptors(fd, descriptors) {
      if (descriptors.length > MOST_DESCRIPTORS) throw new RangeError(`${descriptors.length} descriptors in one message`);
      // A space between two lines is nothing to JSON.
      payload.write(' ', 0);
      const length = CMSG_HEADER + descriptors.length * 4;
      control.writeBigUInt64LE(BigInt(length), 0);
      control.writeInt32LE(SOL_SOCKET, 8);
      control.writeInt32LE(SCM_RIGHTS, 12);
      descriptors.forEach((descriptor, i) => control.writeInt32LE(descriptor, CMSG_HEADER + i * 4));
      const { header, hold } = message(payload, 1, control, length);
      done('sendmsg', sendmsg(fd, header, MSG_DONTWAIT | MSG_NOSIGNAL));
      hold();
    },
    send(fd, text) {
      const bytes = Buffer.from(text);
      const sent = done('send', send(fd, bytes, bytes.length, MSG_NOSIGNAL));
      if (sent !== bytes.length) throw new UnixError(`send of ${bytes.length} bytes took ${sent}`, EAGAIN);
    },
    receive(fd) {
      const { header, hold } = message(payload, payload.length, control, control.length);
      const got = recvmsg(fd, header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
      if (got < 0) {
        const errno = koffi.errno();
        if (errno === EAGAIN) return null;
        // A reset is an end.
        if (errno === 104) return { bytes: Buffer.alloc(0), descriptors: [] };
        throw new UnixError('recvmsg', errno);
      }
      const controlLength = Number(header.readBigUInt64LE(40));
      const descriptors: number[] = [];
      if (controlLength >= CMSG_HEADER && control.readInt32LE(12) === SCM_RIGHTS) {
        const end = Number(control.readBigUInt64LE(0));
        for (let at = CMSG_HEADER; at + 4 <= end; at += 4) descriptors.push(control.readInt32LE(at));
      }
      hold();
      return { bytes: Buffer.from(payload.subarray(0, got)), descriptors };
    },
    memoryFile: () => done('memfd_create', memfd('weir-takeover', MFD_CLOEXEC)),
  };
}
