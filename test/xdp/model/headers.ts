/**
 * What becomes of a frame's bytes, from what it is to say: written field by field into a copy. A checksum that covers a changed field is the one
 * number (one's complement, so modulo 65535) that leaves it as right or as wrong as it was.
 */

/** New addresses (latin1 of their bytes) and ports (host order). */
export interface Ends {
  readonly src: string;
  readonly dst: string;
  readonly sport: number;
  readonly dport: number;
}

/** The Ethernet header that a frame leaves with. */
export interface Way {
  readonly link: number;
  /** latin1 of the neighbour's MAC address. */
  readonly mac: string;
}

/** Returns the checksum after fields whose sums were `before` became `after`. Never 0xffff. */
export function corrected(checksum: number, before: number, after: number): number {
  return (((checksum + before - after) % 0xffff) + 0xffff) % 0xffff;
}

/** Returns the sum of the 16-bit words from `start` to `end`, which lie an even number of bytes apart. */
export function words(bytes: Buffer, start: number, end: number): number {
  let sum = 0;
  for (let i = start; i < end; i += 2) sum += (bytes[i] << 8) | bytes[i + 1];
  return sum;
}

/** Writes addresses and ports of a datagram (`ip`, `udp`: where its headers lie), its UDP checksum, and an IPv4 header's. `zero`: what a UDP checksum of zero is. */
export function rewrite(bytes: Buffer, ip: number, udp: number, family: 4 | 6, ends: Ends, zero: 'kept' | 'patched' = 'kept'): void {
  const [from, to] = addressSpan(ip, family);
  const addresses = words(bytes, from, to);
  const ports = words(bytes, udp, udp + 4);
  bytes.write(ends.src, from, 'latin1');
  bytes.write(ends.dst, from + ends.src.length, 'latin1');
  bytes.writeUInt16BE(ends.sport, udp);
  bytes.writeUInt16BE(ends.dport, udp + 2);
  const now = words(bytes, from, to);
  if (family === 4) bytes.writeUInt16BE(corrected(bytes.readUInt16BE(ip + 10), addresses, now), ip + 10);
  const checksum = bytes.readUInt16BE(udp + 6);
  if (checksum !== 0 || zero === 'patched') bytes.writeUInt16BE(corrected(checksum, addresses + ports, now + words(bytes, udp, udp + 4)) || 0xffff, udp + 6);
}

/** Writes addresses alone, for a fragment that has no UDP header. */
export function readdress(bytes: Buffer, ip: number, family: 4 | 6, ends: Pick<Ends, 'src' | 'dst'>): void {
  const [from, to] = addressSpan(ip, family);
  const before = words(bytes, from, to);
  bytes.write(ends.src, from, 'latin1');
  bytes.write(ends.dst, from + ends.src.length, 'latin1');
  if (family === 4) bytes.writeUInt16BE(corrected(bytes.readUInt16BE(ip + 10), before, words(bytes, from, to)), ip + 10);
}

/** One hop less. */
export function age(bytes: Buffer, ip: number, family: 4 | 6): void {
  if (family === 6) {
    bytes[ip + 7] -= 1;
    return;
  }
  bytes[ip + 8] -= 1;
  bytes.writeUInt16BE(corrected(bytes.readUInt16BE(ip + 10), 0x100, 0), ip + 10);
}

/** Another identification, given as the program's counter: its bytes as they lie in memory. */
export function renumber(bytes: Buffer, ip: number, family: 4 | 6, fragment: number, counter: number): void {
  if (family === 6) {
    bytes.writeUInt32LE(counter >>> 0, fragment + 4);
    return;
  }
  const before = bytes.readUInt16BE(ip + 4);
  bytes.writeUInt16LE(counter & 0xffff, ip + 4);
  bytes.writeUInt16BE(corrected(bytes.readUInt16BE(ip + 10), before, bytes.readUInt16BE(ip + 4)), ip + 10);
}

/** Makes the UDP checksum whole where it was left to a device or, in IPv6, left out. */
export function complete(bytes: Buffer, ip: number, udp: number, family: 4 | 6): void {
  const checksum = bytes.readUInt16BE(udp + 6);
  const length = bytes.readUInt16BE(udp + 4);
  const [from, to] = addressSpan(ip, family);
  const pseudo = words(bytes, from, to) + 17 + length;
  if (checksum === 0 ? family === 4 : checksum !== folded(pseudo)) return;
  let sum = pseudo - checksum + words(bytes, udp, udp + (length & ~1));
  if (length % 2 === 1) sum += bytes[udp + length - 1] << 8;
  bytes.writeUInt16BE(~folded(sum) & 0xffff || 0xffff, udp + 6);
}

/** Returns the packet in an outer header of its own. */
export function tunnelled(packet: Buffer, family: 4 | 6, src: string, dst: string, length: number): Buffer {
  const outer = Buffer.alloc(family === 4 ? 20 : 40);
  if (family === 4) {
    outer[0] = 0x45;
    outer.writeUInt16BE(length + 20, 2);
    outer.writeUInt16BE(0x4000, 6);
    outer[8] = 64;
    outer[9] = 4;
    outer.write(src + dst, 12, 'latin1');
    outer.writeUInt16BE(~folded(words(outer, 0, 20)) & 0xffff, 10);
  } else {
    outer[0] = 0x60;
    outer.writeUInt16BE(length, 4);
    outer[6] = 41;
    outer[7] = 64;
    outer.write(src + dst, 8, 'latin1');
  }
  return Buffer.concat([outer, packet]);
}

/** Returns the "too big" about the packet at `ip`, from whom it was for, with the MTU that would have done. */
export function tooBig(bytes: Buffer, ip: number, family: 4 | 6, mtu: number): Buffer {
  const quoted = bytes.subarray(ip, ip + (family === 4 ? 28 : 56));
  const [from, to] = addressSpan(0, family);
  const half = (to - from) / 2;
  const outer = Buffer.alloc(family === 4 ? 20 : 40);
  const message = Buffer.concat([Buffer.alloc(8), quoted]);
  quoted.copy(outer, from, from + half, to);
  quoted.copy(outer, from + half, from, from + half);
  message.writeUInt32BE(mtu, 4);
  if (family === 4) {
    outer.writeUInt16BE(0x4500, 0);
    outer.writeUInt16BE(outer.length + message.length, 2);
    outer.writeUInt16BE(64 << 8 | 1, 8);
    outer.writeUInt16BE(~folded(words(outer, 0, 20)) & 0xffff, 10);
    message.writeUInt16BE(3 << 8 | 4, 0);
    message.writeUInt16BE(~folded(words(message, 0, message.length)) & 0xffff, 2);
  } else {
    outer.writeUInt32BE(0x60000000, 0);
    outer.writeUInt16BE(message.length, 4);
    outer.writeUInt16BE(58 << 8 | 64, 6);
    message[0] = 2;
    message.writeUInt16BE(~folded(words(outer, from, to) + 58 + message.length + words(message, 0, message.length)) & 0xffff, 2);
  }
  return Buffer.concat([outer, message]);
}

/** Returns the frame: the packet behind an Ethernet header, in the link's VLAN. */
export function framed(packet: Buffer, family: 4 | 6, neighbour: string, own: Buffer, tci: number): Buffer {
  const header = Buffer.allocUnsafe(tci === 0 ? 14 : 18);
  header.write(neighbour, 0, 'latin1');
  own.copy(header, 6);
  if (tci !== 0) {
    header.writeUInt16BE(0x8100, 12);
    header.writeUInt16BE(tci, 14);
  }
  header.writeUInt16BE(family === 4 ? 0x0800 : 0x86dd, header.length - 2);
  return Buffer.concat([header, packet]);
}

function folded(sum: number): number {
  let left = sum;
  while (left > 0xffff) left = (left % 0x10000) + Math.floor(left / 0x10000);
  return left;
}

function addressSpan(ip: number, family: 4 | 6): readonly [number, number] {
  return family === 4 ? [ip + 12, ip + 20] : [ip + 8, ip + 40];
}
