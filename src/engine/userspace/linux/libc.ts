/**
 * The system calls the fast path makes, through koffi. Pointers are passed as numbers (below 2^53), from `Memory` only:
 * a bad pointer ends the process without a word, so nothing else in weir makes one.
 */
import koffi from 'koffi';

export const AF_INET = 2;
export const AF_INET6 = 10;
export const SOCK_DGRAM_NONBLOCK_CLOEXEC = 2 | 0o4000 | 0o2000000;
export const SOL_SOCKET = 1;
export const SO_RCVBUF = 8;
export const SO_SNDBUF = 7;
export const SO_REUSEPORT = 15;
export const SO_RCVBUFFORCE = 33;
export const SO_MEMINFO = 55;
export const SOL_IP = 0;
export const IP_PKTINFO = 8;
export const IP_MTU_DISCOVER = 10;
export const IP_RECVERR = 11;
export const IP_BIND_ADDRESS_NO_PORT = 24;
export const SOL_IPV6 = 41;
export const IPV6_V6ONLY = 26;
export const IPV6_RECVERR = 25;
export const IPV6_RECVPKTINFO = 49;
export const IPV6_PKTINFO = 50;
export const SOL_UDP = 17;
export const UDP_SEGMENT = 103;
export const UDP_GRO = 104;
export const MSG_DONTWAIT = 0x40;
export const MSG_ERRQUEUE = 0x2000;
export const EPOLLIN = 1;
export const EPOLLERR = 8;
export const EPOLLET = 0x80000000 | 0;
export const EPOLL_CTL_ADD = 1;
export const EPOLL_CTL_DEL = 2;
/** struct epoll_event is packed on x86-64 only (include/uapi/linux/eventpoll.h). */
export const EPOLL_EVENT_WORDS = process.arch === 'x64' ? 3 : 4;
export const EPOLL_DATA_WORD = process.arch === 'x64' ? 1 : 2;

export const EPERM = 1;
export const EINTR = 4;
export const EIO = 5;
export const EAGAIN = 11;
export const EACCES = 13;
export const EINVAL = 22;
export const EMFILE = 24;
export const EPROTO = 71;
export const EMSGSIZE = 90;
export const ENOPROTOOPT = 92;
export const EADDRINUSE = 98;
export const EADDRNOTAVAIL = 99;
export const ENETUNREACH = 101;
export const ENOBUFS = 105;
export const ECONNREFUSED = 111;
export const EHOSTUNREACH = 113;

/** The calls, each returning what the kernel returns; after -1 ask `errno()`. */
export interface Libc {
  socket(family: number, type: number, protocol: number): number;
  bind(fd: number, address: number, length: number): number;
  getsockname(fd: number, address: number, length: number): number;
  setsockopt(fd: number, level: number, name: number, value: number, length: number): number;
  getsockopt(fd: number, level: number, name: number, value: number, length: number): number;
  close(fd: number): number;
  epoll_create1(flags: number): number;
  epoll_ctl(epoll: number, op: number, fd: number, event: number): number;
  epoll_wait(epoll: number, events: number, max: number, timeoutMs: number): number;
  eventfd(initial: number, flags: number): number;
  read(fd: number, buffer: number, length: number): number;
  write(fd: number, buffer: number, length: number): number;
  recvmmsg(fd: number, messages: number, count: number, flags: number, timeout: number): number;
  sendmmsg(fd: number, messages: number, count: number, flags: number): number;
  sendto(fd: number, buffer: number, length: number, flags: number, address: number, addressLength: number): number;
  recvmsg(fd: number, message: number, flags: number): number;
  prlimit(pid: number, resource: number, next: number, old: number): number;
  /** fcntl(2) of the commands that take a number. */
  fcntl(fd: number, command: number, argument: number): number;
  mallopt(parameter: number, value: number): number;
  errno(): number;
}

/** Returns the C library's calls. Throws when this is not Linux or the library cannot be loaded. */
export function loadLibc(): Libc {
  if (process.platform !== 'linux') throw new Error(`the fast path needs Linux, this is ${process.platform}`);
  if (process.arch !== 'x64' && process.arch !== 'arm64') throw new Error(`the fast path knows x64 and arm64, this is ${process.arch}`);
  const lib = koffi.load('libc.so.6');
  const fcntl = lib.func('int fcntl(int, int, ...)') as (fd: number, command: number, type: 'int', argument: number) => number;
  return {
    socket: lib.func('int socket(int, int, int)'),
    bind: lib.func('int bind(int, uintptr_t, unsigned int)'),
    getsockname: lib.func('int getsockname(int, uintptr_t, uintptr_t)'),
    setsockopt: lib.func('int setsockopt(int, int, int, uintptr_t, unsigned int)'),
    getsockopt: lib.func('int getsockopt(int, int, int, uintptr_t, uintptr_t)'),
    close: lib.func('int close(int)'),
    epoll_create1: lib.func('int epoll_create1(int)'),
    epoll_ctl: lib.func('int epoll_ctl(int, int, int, uintptr_t)'),
    epoll_wait: lib.func('int epoll_wait(int, uintptr_t, int, int)'),
    eventfd: lib.func('int eventfd(unsigned int, int)'),
    read: lib.func('intptr_t read(int, uintptr_t, size_t)'),
    write: lib.func('intptr_t write(int, uintptr_t, size_t)'),
    recvmmsg: lib.func('int recvmmsg(int, uintptr_t, unsigned int, int, uintptr_t)'),
    sendmmsg: lib.func('int sendmmsg(int, uintptr_t, unsigned int, int)'),
    sendto: lib.func('intptr_t sendto(int, uintptr_t, size_t, int, uintptr_t, unsigned int)'),
    recvmsg: lib.func('intptr_t recvmsg(int, uintptr_t, int)'),
    prlimit: lib.func('int prlimit(int, int, uintptr_t, uintptr_t)'),
    fcntl: (fd, command, argument) => fcntl(fd, command, 'int', argument),
    mallopt: lib.func('int mallopt(int, int)'),
    errno: () => koffi.errno(),
  };
}

/** A block of zeroed memory at a fixed address, seen as bytes and as 32-bit words. It lives as long as the object does. */
export class Memory {
  readonly bytes: Buffer;
  readonly words: Uint32Array;
  readonly ints: Int32Array;
  readonly address: number;

  constructor(size: number) {
    this.bytes = Buffer.alloc(Math.ceil(size / 8) * 8);
    this.words = new Uint32Array(this.bytes.buffer, this.bytes.byteOffset, this.bytes.length / 4);
    this.ints = new Int32Array(this.bytes.buffer, this.bytes.byteOffset, this.bytes.length / 4);
    this.address = Number(koffi.address(this.bytes));
  }

  /** Stores a pointer at the 32-bit word index (low word first). */
  putPointer(word: number, pointer: number): void {
    this.words[word] = pointer;
    this.words[word + 1] = pointer / 0x1_0000_0000;
  }
}

const RLIMIT_NOFILE = 7;

/** Raises the process's soft limit of open files to its hard one; returns the limit in force (descriptors). */
export function raiseOpenFiles(libc: Libc): number {
  const limit = new Memory(16);
  if (libc.prlimit(0, RLIMIT_NOFILE, 0, limit.address) !== 0) return 1024;
  limit.words[0] = limit.words[2]!;
  limit.words[1] = limit.words[3]!;
  libc.prlimit(0, RLIMIT_NOFILE, limit.address, 0);
  return limit.words[3] === 0 ? limit.words[2] : 0x7fffffff;
}

const EFD_CLOEXEC = 0o2000000;
const F_DUPFD_CLOEXEC = 1030;

/**
 * Makes room for `count` descriptors in the process's table, as far as the limit allows; 8 bytes each. The kernel doubles the table when it is full, and with threads each doubling
 * waits for an RCU grace period (fs/file.c, expand_fdtable): 5 to 15 ms, on a busy machine 100, in which a worker that opens an upstream socket moves no datagram. It never shrinks.
 */
export function reserveDescriptors(libc: Libc, count: number): void {
  const some = libc.eventfd(0, EFD_CLOEXEC);
  if (some < 0) return;
  const highest = libc.fcntl(some, F_DUPFD_CLOEXEC, count - 1);
  if (highest >= 0) libc.close(highest);
  libc.close(some);
}

const M_MMAP_THRESHOLD = -3;
const LARGE_BYTES = 1 << 20;

/**
 * Has blocks of 1 MiB and more come from the kernel, zeroed by it page by page as they are touched, and go back to it when they are freed (mallopt(3)).
 * Left to itself glibc stops doing so for blocks as large as the first it frees: the tables of every packet worker after one that died would be touched whole (docs/adr/0028).
 */
export function keepLargeBlocksApart(libc: Pick<Libc, 'mallopt'>): void {
  libc.mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
}
