/**
 * A generic netlink socket through koffi: one request, all its answers, by system calls that do not wait, for the kernel answers
 * within the send. Every Buffer handed to C is held until the call returned; nothing is `.async`.
 */
import koffi from 'koffi';
import {
  AttributeTable, NLM_F_ACK, NLM_F_DUMP, NLMSG_DONE, NLMSG_ERROR, decodeMessages, encodeRequest, errorOf, replyAttributes, text, type NetlinkMessage,
} from './netlink.ts';

/** The kernel refused a request; `errno` is its number. */
export class NetlinkError extends Error {
  override readonly name = 'NetlinkError';
  readonly errno: number;
  constructor(what: string, errno: number) {
    super(`${what}: ${ERRNO_TEXT[errno] ?? `error ${errno}`}`);
    this.errno = errno;
  }
}

export const EPERM = 1;
export const ENOENT = 2;
export const ESRCH = 3;
export const EEXIST = 17;

const ERRNO_TEXT: Readonly<Record<number, string>> = {
  1: 'operation not permitted (EPERM)', 2: 'no such thing (ENOENT)', 3: 'no such service (ESRCH)', 12: 'out of memory (ENOMEM)', 17: 'it exists already (EEXIST)',
  22: 'invalid argument (EINVAL)', 34: 'out of range (ERANGE)', 11: 'no answer (EAGAIN)', 95: 'not supported (EOPNOTSUPP)', 97: 'address family not supported (EAFNOSUPPORT)',
  105: 'no buffer space (ENOBUFS)',
};

const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
const NETLINK_GENERIC = 16;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_RCVTIMEO = 20;
const GENL_ID_CTRL = 16;
const CTRL_CMD_GETFAMILY = 3;
const CTRL_ATTR_FAMILY_ID = 1;
const CTRL_ATTR_FAMILY_NAME = 2;
const RECEIVE_BYTES = 1 << 18;
/** A dump that a change interrupts is asked for again, so often. */
const DUMP_TRIES = 20;

interface Libc {
  socket(family: number, type: number, protocol: number): number;
  setsockopt(fd: number, level: number, name: number, value: Buffer, length: number): number;
  send(fd: number, data: Buffer, length: number, flags: number): number;
  recv(fd: number, data: Buffer, length: number, flags: number): number;
  close(fd: number): number;
}

/** One generic netlink family over one socket. */
export interface GenlSocket {
  /** Sends a command that changes something. Throws NetlinkError. */
  command(what: string, command: number, attributes: readonly Buffer[]): void;
  /** Returns the answers to a question; `dump` asks for all there are. Throws NetlinkError. */
  ask(what: string, command: number, attributes: readonly Buffer[], dump: boolean): AttributeTable[];
  close(): void;
}

/** Returns a socket to the family `name`; asking for it makes the kernel load its module. Throws NetlinkError (ENOENT: the kernel has none). */
export function openGenl(name: string, version: number): GenlSocket {
  const libc = loadLibc();
  const fd = libc.socket(AF_NETLINK, SOCK_RAW_CLOEXEC, NETLINK_GENERIC);
  if (fd < 0) throw new NetlinkError('a netlink socket', koffi.errno());
  const buffer = Buffer.alloc(RECEIVE_BYTES);
  let seq = 0;
  let family = GENL_ID_CTRL;

  function exchange(what: string, command: number, attributes: readonly Buffer[], flags: number): NetlinkMessage[] {
    seq = (seq + 1) >>> 0;
    const request = encodeRequest({ family, command, version: family === GENL_ID_CTRL ? 1 : version, flags, seq, attributes });
    if (libc.send(fd, request, request.length, 0) < 0) throw new NetlinkError(what, koffi.errno());
    const answers: NetlinkMessage[] = [];
    for (;;) {
      const got = libc.recv(fd, buffer, buffer.length, 0);
      if (got < 0) throw new NetlinkError(what, koffi.errno());
      // A copy: the buffer is written again by the next receive.
      for (const message of decodeMessages(Buffer.from(buffer.subarray(0, got)))) {
        // What is left of an exchange that was given up.
        if (message.seq !== seq) continue;
        if (message.type === NLMSG_ERROR || message.type === NLMSG_DONE) {
          const errno = errorOf(message);
          if (errno !== 0) throw new NetlinkError(what, errno);
          return answers;
        }
        answers.push(message);
      }
    }
  }

  function ask(what: string, command: number, attributes: readonly Buffer[], dump: boolean): AttributeTable[] {
    for (let tries = 1; ; tries++) {
      const answers = exchange(what, command, attributes, dump ? NLM_F_DUMP : NLM_F_ACK);
      if (tries < DUMP_TRIES && answers.some((m) => m.interrupted)) continue;
      return answers.map((m) => new AttributeTable(replyAttributes(m)));
    }
  }

  try {
    const timeout = Buffer.alloc(16);
    timeout.writeBigInt64LE(2n, 0);
    libc.setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, timeout, 16);
    const size = Buffer.alloc(4);
    size.writeUInt32LE(1 << 20);
    libc.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, size, 4);
    const [found] = ask(`the netlink family ${name}`, CTRL_CMD_GETFAMILY, [text(CTRL_ATTR_FAMILY_NAME, name)], false);
    family = found?.u16(CTRL_ATTR_FAMILY_ID) ?? 0;
    if (family === 0) throw new NetlinkError(`the netlink family ${name}`, ENOENT);
  } catch (error) {
    libc.close(fd);
    throw error;
  }
  return {
    command: (what, command, attributes) => void exchange(what, command, attributes, NLM_F_ACK),
    ask,
    close: () => void libc.close(fd),
  };
}

let loaded: Libc | undefined;

function loadLibc(): Libc {
  if (process.platform !== 'linux') throw new Error(`ip_vs is part of Linux, this is ${process.platform}`);
  if (loaded !== undefined) return loaded;
  const lib = koffi.load('libc.so.6');
  loaded = {
    socket: lib.func('int socket(int, int, int)'),
    setsockopt: lib.func('int setsockopt(int, int, int, void *, unsigned int)'),
    send: lib.func('intptr_t send(int, void *, size_t, int)'),
    recv: lib.func('intptr_t recv(int, void *, size_t, int)'),
    close: lib.func('int close(int)'),
  };
  return loaded;
}
