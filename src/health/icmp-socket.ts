/**
 * ICMP echo through koffi, for Node has no such socket: one non-blocking socket per family and source address serves all targets.
 * First the unprivileged kind (SOCK_DGRAM, allowed by net.ipv4.ping_group_range), then the raw one (CAP_NET_RAW).
 * Rules of koffi kept here: every Buffer handed to C is held until the call returned, nothing is `.async`, the poll handle is referenced.
 */
import { randomBytes } from 'node:crypto';
import { endianness } from 'node:os';
import { ipBytes, ipFromBytes, type Ip } from '../net/ip.ts';
import { cannot, errorFinding, pass, type Finding } from './checks/attempt.ts';
import { internetChecksum } from './checksum.ts';
import { errnoError, errnoName, loadLibc, type Libc } from './libc.ts';

export interface IcmpSockets {
  /** Sends one echo request; `answer` gets the reply, or why none was sent. Returns what forgets the request. */
  echo(request: { readonly ip: Ip; readonly source: Ip | null; readonly answer: (finding: Finding) => void }): () => void;
  close(): void;
}

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_DGRAM = 2;
const SOCK_RAW = 3;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const IPPROTO_ICMP = 1;
const IPPROTO_ICMPV6 = 58;
const SOL_RAW = 255;
const ICMP_FILTER = 1;
const ICMP6_FILTER = 1;
const ECHO = { 4: { request: 8, reply: 0 }, 6: { request: 128, reply: 129 } } as const;
const TOKEN_BYTES = 16;
/** Replies read per wake-up, so that a flood cannot hold the event loop. */
const READ_BATCH = 256;
/** Sockets are one per source address; a configuration has few. */
const MAX_SOCKETS = 64;

interface Pending {
  readonly ip: string;
  readonly token: Buffer;
  readonly answer: (finding: Finding) => void;
}

interface Socket {
  readonly fd: number;
  readonly raw: boolean;
  readonly id: number;
  readonly pending: Map<number, Pending>;
  nextSeq: number;
  stop(): void;
}

/** Returns the ICMP sockets of this process; none is open until the first echo. `libc` gives an Error where koffi cannot be had. */
export function createIcmpSockets(libc: () => Libc | Error = loadLibc): IcmpSockets {
  const sockets = new Map<string, Socket>();
  const data = Buffer.alloc(2048);
  const from = Buffer.alloc(28);
  const fromLength = Buffer.alloc(4);

  function read(c: Libc, socket: Socket, family: 4 | 6): void {
    for (let n = 0; n < READ_BATCH; n++) {
      writeHost32(fromLength, from.length);
      const length = c.recvfrom(socket.fd, data, data.length, 0, from, fromLength);
      if (length < 0) return;
      const message = socket.raw && family === 4 ? data.subarray(((data[0] ?? 0) & 15) * 4, length) : data.subarray(0, length);
      if (message.length < 8 + TOKEN_BYTES || message[0] !== ECHO[family].reply) continue;
      const seq = message.readUInt16BE(6);
      const pending = socket.pending.get(seq);
      if (pending === undefined || !message.subarray(8, 8 + TOKEN_BYTES).equals(pending.token)) continue;
      const sender = ipFromBytes(family === 4 ? from.subarray(4, 8) : from.subarray(8, 24)).text;
      if (sender !== pending.ip) continue;
      socket.pending.delete(seq);
      pending.answer(pass('echo reply'));
    }
  }

  function open(c: Libc, family: 4 | 6, source: Ip | null): Socket | Finding {
    if (sockets.size >= MAX_SOCKETS) return cannot(`more than ${MAX_SOCKETS} source addresses for ICMP checks`);
    const af = family === 4 ? AF_INET : AF_INET6;
    const protocol = family === 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
    let raw = false;
    let fd = c.socket(af, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    const first = fd < 0 ? errnoName(c) : '';
    if (fd < 0) {
      raw = true;
      fd = c.socket(af, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    }
    if (fd < 0) {
      const second = errnoName(c);
      if (second !== 'EPERM' && second !== 'EACCES') return errorFinding(errnoError(second));
      return cannot(
        `this process may not send ICMP echo (datagram socket ${first}, raw socket ${second}): ` +
          'set sysctl net.ipv4.ping_group_range to hold its group ("0 2147483647" for all) or give it CAP_NET_RAW',
      );
    }
    if (raw) {
      const filter = family === 4 ? onlyBits(4, ECHO[4].reply) : onlyBits(32, ECHO[6].reply);
      c.setsockopt(fd, family === 4 ? SOL_RAW : IPPROTO_ICMPV6, family === 4 ? ICMP_FILTER : ICMP6_FILTER, filter, filter.length);
    }
    if (source !== null) {
      const address = sockaddr(source);
      if (c.bind(fd, address, address.length) < 0) {
        const name = errnoName(c);
        c.close(fd);
        return errorFinding(errnoError(name));
      }
    }
    const socket: Socket = { fd, raw, id: randomBytes(2).readUInt16BE(), pending: new Map(), nextSeq: 0, stop: () => undefined };
    socket.stop = c.poll(fd, () => read(c, socket, family));
    return socket;
  }

  return {
    echo({ ip, source, answer }) {
      const c = libc();
      const nothing = (): void => undefined;
      if (c instanceof Error) {
        answer(cannot(`ICMP needs the npm package koffi on Linux: ${c.message}`));
        return nothing;
      }
      const key = `${ip.family}|${source?.text ?? ''}`;
      const known = sockets.get(key);
      const socket = known ?? open(c, ip.family, source);
      if ('detail' in socket) {
        answer(socket);
        return nothing;
      }
      if (known === undefined) sockets.set(key, socket);
      if (socket.pending.size >= 0x10000) {
        answer(cannot('65,536 ICMP echo requests wait for their replies'));
        return nothing;
      }
      while (socket.pending.has(socket.nextSeq)) socket.nextSeq = (socket.nextSeq + 1) & 0xffff;
      const seq = socket.nextSeq;
      socket.nextSeq = (seq + 1) & 0xffff;
      const token = randomBytes(TOKEN_BYTES);
      const request = echoRequest({ family: ip.family, id: socket.id, seq, token });
      const to = sockaddr(ip);
      const pending: Pending = { ip: ip.text, token, answer };
      socket.pending.set(seq, pending);
      if (c.sendto(socket.fd, request, request.length, 0, to, to.length) < 0) {
        const name = errnoName(c);
        socket.pending.delete(seq);
        answer(name === 'EAGAIN' ? cannot('the ICMP socket is full (EAGAIN)') : errorFinding(errnoError(name)));
        return nothing;
      }
      return () => {
        if (socket.pending.get(seq) === pending) socket.pending.delete(seq);
      };
    },
    close() {
      if (sockets.size === 0) return;
      const c = libc();
      for (const socket of sockets.values()) {
        socket.stop();
        if (!(c instanceof Error)) c.close(socket.fd);
      }
      sockets.clear();
    },
  };
}

/** Returns an ICMP echo request (RFC 792, RFC 4443 section 4.1); the kernel fills in the checksum of IPv6, and the id on a datagram socket. */
export function echoRequest(echo: { readonly family: 4 | 6; readonly id: number; readonly seq: number; readonly token: Uint8Array }): Buffer {
  const message = Buffer.alloc(8 + echo.token.length);
  message[0] = ECHO[echo.family].request;
  message.writeUInt16BE(echo.id, 4);
  message.writeUInt16BE(echo.seq, 6);
  message.set(echo.token, 8);
  if (echo.family === 4) message.writeUInt16BE(internetChecksum(message), 2);
  return message;
}

/** A filter of ICMP types in the kernel's words of 32 bits: a set bit is blocked, all are but `type`. */
function onlyBits(bytes: number, type: number): Buffer {
  const filter = Buffer.alloc(bytes, 0xff);
  writeHost32(filter, ~(1 << (type & 31)) >>> 0, (type >> 5) * 4);
  return filter;
}

function sockaddr(ip: Ip): Buffer {
  const address = Buffer.alloc(ip.family === 4 ? 16 : 28);
  const family = ip.family === 4 ? AF_INET : AF_INET6;
  if (endianness() === 'LE') address.writeUInt16LE(family, 0);
  else address.writeUInt16BE(family, 0);
  address.set(ipBytes(ip), ip.family === 4 ? 4 : 8);
  return address;
}

function writeHost32(to: Buffer, value: number, at = 0): void {
  if (endianness() === 'LE') to.writeUInt32LE(value, at);
  else to.writeUInt32BE(value, at);
}
