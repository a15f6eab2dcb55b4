/**
 * Frames from their parts (RFC 791, 768, 792, 8200, 4443; IEEE 802.1Q). Checksums are summed up whole, over the finished packet: nothing here
 * is incremental and nothing comes from src, so that a frame built here says what one that was patched must look like.
 */
import { parseEndpoint } from '../../../src/net/endpoint.ts';
import { ipBytes, parseIp } from '../../../src/net/ip.ts';

/** What stands before the IP header. `tag` is the whole TCI of an 802.1Q tag. */
export interface Ethernet {
  readonly dst: string;
  readonly src: string;
  readonly tag?: number;
}

/** `whole`: right. `none`: 0. `partial`: the pseudo header's sum alone, as Linux leaves it to a device (CHECKSUM_PARTIAL). `wrong`: one off. */
export type Check = 'whole' | 'none' | 'partial' | 'wrong';

/** `192.0.2.1:53`, `[2001:db8::1]:53`, or what that means. */
export type End = string | { readonly bytes: Buffer; readonly port: number };

/** One UDP datagram. */
export interface Datagram {
  readonly src: End;
  readonly dst: End;
  readonly payload?: string | Buffer;
  readonly ttl?: number;
  /** IPv4 identification. */
  readonly id?: number;
  readonly tos?: number;
  /** IPv4's Don't Fragment. */
  readonly whole?: boolean;
  /** 32-bit words of IPv4 options (no-operation). */
  readonly options?: number;
  readonly check?: Check;
}

/** Addresses as text or as their bytes. */
export interface IcmpError {
  readonly src: string | Buffer;
  readonly dst: string | Buffer;
  readonly type: number;
  readonly code: number;
  /** The second word: MTU. */
  readonly rest?: number;
  /** The IP packet it is about, or as much of it as it carries. */
  readonly carries: Buffer;
  readonly ttl?: number;
}

const UDP = 17;
const ICMP = 1;
const ICMP6 = 58;
const FRAGMENT = 44;
const DEFAULT_TTL = 64;
const DONT_FRAGMENT = 0x4000;

/** Returns the frame: Ethernet header, tag, packet. The type follows from the packet's version. */
export function frame(ethernet: Ethernet, packet: Buffer): Buffer {
  const type = packet[0] >> 4 === 6 ? 0x86dd : 0x0800;
  const tag = ethernet.tag === undefined ? Buffer.alloc(0) : words16(0x8100, ethernet.tag);
  return Buffer.concat([mac(ethernet.dst), mac(ethernet.src), tag, words16(type), packet]);
}

/** Returns the IP packet that holds the datagram. */
export function udp(datagram: Datagram): Buffer {
  const [src, dst] = [endOf(datagram.src), endOf(datagram.dst)];
  const payload = typeof datagram.payload === 'string' ? Buffer.from(datagram.payload) : (datagram.payload ?? Buffer.from('weir'));
  const segment = Buffer.concat([words16(src.port, dst.port, 8 + payload.length, 0), payload]);
  const pseudo = pseudoHeader(src.bytes, dst.bytes, UDP, segment.length);
  switch (datagram.check ?? 'whole') {
    case 'none':
      break;
    case 'partial':
      segment.writeUInt16BE(onesSum(pseudo), 6);
      break;
    case 'whole':
    case 'wrong': {
      const right = ~onesSum(Buffer.concat([pseudo, segment])) & 0xffff || 0xffff;
      segment.writeUInt16BE(datagram.check === 'wrong' ? (right === 1 ? 2 : right - 1) : right, 6);
      break;
    }
  }
  return packet(src.bytes, dst.bytes, UDP, segment, datagram);
}

/** Returns the IP packet of an ICMP or ICMPv6 error, by the family of its source. */
export function icmp({ src, dst, type, code, rest = 0, carries, ttl }: IcmpError): Buffer {
  const [from, to] = [typeof src === 'string' ? address(src) : src, typeof dst === 'string' ? address(dst) : dst];
  const second = Buffer.alloc(4);
  second.writeUInt32BE(rest);
  const message = Buffer.concat([Buffer.from([type, code, 0, 0]), second, carries]);
  const pseudo = from.length === 16 ? pseudoHeader(from, to, ICMP6, message.length) : Buffer.alloc(0);
  message.writeUInt16BE(~onesSum(Buffer.concat([pseudo, message])) & 0xffff, 2);
  return packet(from, to, from.length === 16 ? ICMP6 : ICMP, message, ttl === undefined ? {} : { ttl });
}

/** Returns the packet inside another (RFC 2003, RFC 2473), as weir's tunnel makes the outer header. */
export function encapsulated(src: string, dst: string, inner: Buffer): Buffer {
  const [from, to] = [address(src), address(dst)];
  if (from.length === 16) return packet(from, to, 41, inner, {});
  const outer = packet(from, to, 4, inner, {});
  outer.writeUInt16BE(DONT_FRAGMENT, 6);
  return withHeaderSum(outer);
}

/** Cuts a packet into fragments whose parts have these many bytes (multiples of 8), and what is left. `id` is the identification of all. */
export function fragments(whole: Buffer, id: number, ...sizes: readonly number[]): Buffer[] {
  const six = whole[0] >> 4 === 6;
  const header = whole.subarray(0, six ? 40 : (whole[0] & 15) * 4);
  const body = whole.subarray(header.length);
  const parts: Buffer[] = [];
  let at = 0;
  for (const size of [...sizes, body.length]) {
    const part = body.subarray(at, Math.min(at + size, body.length));
    const more = at + part.length < body.length ? 1 : 0;
    parts.push(six ? fragment6(header, part, at, more, id) : fragment4(header, part, at, more, id));
    at += part.length;
    if (more === 0) break;
  }
  return parts;
}

/** Returns the one's complement sum of 16-bit words, an odd last byte followed by zero (RFC 1071). */
export function onesSum(bytes: Buffer): number {
  let sum = 0;
  for (let i = 0; i + 1 < bytes.length; i += 2) sum += bytes.readUInt16BE(i);
  if (bytes.length % 2 === 1) sum += bytes[bytes.length - 1] << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}

/** Returns a MAC address's six bytes. */
export function mac(text: string): Buffer {
  return Buffer.from(text.replaceAll(':', ''), 'hex');
}

/** Returns an address's 4 or 16 bytes. Throws when it is none. */
export function address(text: string): Buffer {
  const ip = parseIp(text);
  if (ip === undefined) throw new RangeError(`'${text}' is no address`);
  return Buffer.from(ipBytes(ip));
}

/** Returns an endpoint's address bytes and port. Throws when it is none. */
export function endpoint(text: string): { readonly bytes: Buffer; readonly port: number } {
  const parsed = parseEndpoint(text);
  if (parsed === undefined) throw new RangeError(`'${text}' is no address and port`);
  return { bytes: Buffer.from(ipBytes(parsed.ip)), port: parsed.port };
}

function endOf(end: End): { readonly bytes: Buffer; readonly port: number } {
  return typeof end === 'string' ? endpoint(end) : end;
}

function packet(src: Buffer, dst: Buffer, protocol: number, body: Buffer, { ttl = DEFAULT_TTL, id = 0, tos = 0, options = 0, whole = false }: Pick<Datagram, 'ttl' | 'id' | 'tos' | 'options' | 'whole'>): Buffer {
  if (src.length === 16) {
    return Buffer.concat([Buffer.from([0x60 | (tos >> 4), (tos & 15) << 4, 0, 0, body.length >> 8, body.length & 255, protocol, ttl]), src, dst, body]);
  }
  const length = 20 + 4 * options + body.length;
  const header = Buffer.concat([Buffer.from([0x45 + options, tos]), words16(length, id, whole ? DONT_FRAGMENT : 0), Buffer.from([ttl, protocol, 0, 0]), src, dst, Buffer.alloc(4 * options, 1)]);
  return withHeaderSum(Buffer.concat([header, body]));
}

/** Makes an IPv4 header's checksum anew. */
export function withHeaderSum(ip: Buffer): Buffer {
  ip.writeUInt16BE(0, 10);
  ip.writeUInt16BE(~onesSum(ip.subarray(0, (ip[0] & 15) * 4)) & 0xffff, 10);
  return ip;
}

function fragment4(header: Buffer, part: Buffer, at: number, more: number, id: number): Buffer {
  const ip = Buffer.concat([header, part]);
  ip.writeUInt16BE(ip.length, 2);
  ip.writeUInt16BE(id & 0xffff, 4);
  ip.writeUInt16BE((more << 13) | (at >> 3), 6);
  return withHeaderSum(ip);
}

function fragment6(header: Buffer, part: Buffer, at: number, more: number, id: number): Buffer {
  const extension = Buffer.from([header[6], 0, at >> 8, (at & 0xf8) | more, id >>> 24, (id >> 16) & 255, (id >> 8) & 255, id & 255]);
  const ip = Buffer.concat([header, extension, part]);
  ip[6] = FRAGMENT;
  ip.writeUInt16BE(8 + part.length, 4);
  return ip;
}

function pseudoHeader(src: Buffer, dst: Buffer, protocol: number, length: number): Buffer {
  return Buffer.concat([src, dst, words16(0, length, 0, protocol)]);
}

function words16(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(2 * values.length);
  values.forEach((value, i) => bytes.writeUInt16BE(value, 2 * i));
  return bytes;
}
