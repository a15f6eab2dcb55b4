/** Datagrams with their IP header, as a packet socket sends and sees them. Pure. */
import { ipBytes, ipFromBytes, type Ip } from '../../net/ip.ts';
import { internetChecksum } from '../checksum.ts';

export interface Datagram {
  readonly from: Ip;
  readonly fromPort: number;
  readonly to: Ip;
  readonly toPort: number;
  readonly payload: Uint8Array;
}

/** What came back: a datagram, or a host's word (ICMP unreachable) about one that was sent from `from`:`fromPort` to `to`:`toPort`. */
export type Seen = (Datagram & { readonly kind: 'datagram' }) | (Omit<Datagram, 'payload'> & { readonly kind: 'unreachable'; readonly port: boolean });

const UDP = 17;
const ICMP = 1;
const ICMP6 = 58;
const HOPS = 64;
const V4_HEADER = 20;
const V6_HEADER = 40;
const UDP_HEADER = 8;
/** ICMP unreachable: its type, and the code that says the port (RFC 792, RFC 4443 section 3.1). */
const UNREACHABLE = { 4: { type: 3, port: 3 }, 6: { type: 1, port: 4 } } as const;
/** The first 8 bytes of an ICMP error stand before the packet it is about. */
const ICMP_HEADER = 8;

/** Returns the packet of a datagram, checksums included (RFC 791, RFC 768, RFC 8200). Both addresses are of one family. */
export function packetOf({ from, fromPort, to, toPort, payload }: Datagram): Buffer {
  const header = from.family === 4 ? V4_HEADER : V6_HEADER;
  const length = UDP_HEADER + payload.length;
  const packet = Buffer.alloc(header + length);
  const addresses = header === V4_HEADER ? 12 : 8;
  packet.set(ipBytes(from), addresses);
  packet.set(ipBytes(to), addresses + ipBytes(from).length);
  packet.writeUInt16BE(fromPort, header);
  packet.writeUInt16BE(toPort, header + 2);
  packet.writeUInt16BE(length, header + 4);
  packet.set(payload, header + UDP_HEADER);
  // The pseudo header of UDP is addresses, protocol and length; a sum of zero is sent as all ones.
  const sum = internetChecksum(packet.subarray(addresses), UDP + length);
  packet.writeUInt16BE(sum === 0 ? 0xffff : sum, header + 6);
  if (header === V6_HEADER) {
    packet[0] = 0x60;
    packet.writeUInt16BE(length, 4);
    packet[6] = UDP;
    packet[7] = HOPS;
  } else {
    packet[0] = 0x45;
    packet.writeUInt16BE(packet.length, 2);
    packet[8] = HOPS;
    packet[9] = UDP;
    packet.writeUInt16BE(internetChecksum(packet.subarray(0, V4_HEADER)), 10);
  }
  return packet;
}

/** Returns what a packet of this family says; null for fragments, extension headers, what is cut short, and all else. Checksums are the network card's affair, and unset on a virtual one. */
export function seen(packet: Buffer, family: 4 | 6): Seen | null {
  const outer = headerOf(packet, family);
  if (outer === null) return null;
  const { from, to, protocol, rest } = outer;
  if (protocol === UDP) {
    const ports = portsOf(rest);
    if (ports === null) return null;
    const length = rest.readUInt16BE(4);
    if (length < UDP_HEADER || length > rest.length) return null;
    return { kind: 'datagram', from, to, ...ports, payload: rest.subarray(UDP_HEADER, length) };
  }
  const { type, port } = UNREACHABLE[family];
  if (protocol !== (family === 4 ? ICMP : ICMP6) || rest.length < ICMP_HEADER || rest[0] !== type) return null;
  const inner = headerOf(rest.subarray(ICMP_HEADER), family);
  const ports = inner === null || inner.protocol !== UDP ? null : portsOf(inner.rest);
  return inner === null || ports === null ? null : { kind: 'unreachable', from: inner.from, to: inner.to, ...ports, port: rest[1] === port };
}

function headerOf(packet: Buffer, family: 4 | 6): { readonly from: Ip; readonly to: Ip; readonly protocol: number; readonly rest: Buffer } | null {
  if (family === 6) {
    if (packet.length < V6_HEADER || packet[0] === undefined || packet[0] >> 4 !== 6) return null;
    return { from: ipFromBytes(packet.subarray(8, 24)), to: ipFromBytes(packet.subarray(24, 40)), protocol: packet[6] ?? 0, rest: packet.subarray(V6_HEADER) };
  }
  if (packet.length < V4_HEADER || packet[0] === undefined || packet[0] >> 4 !== 4) return null;
  const length = (packet[0] & 15) * 4;
  if (length < V4_HEADER || packet.length < length || (packet.readUInt16BE(6) & 0x3fff) !== 0) return null;
  return { from: ipFromBytes(packet.subarray(12, 16)), to: ipFromBytes(packet.subarray(16, 20)), protocol: packet[9] ?? 0, rest: packet.subarray(length) };
}

function portsOf(udp: Buffer): { readonly fromPort: number; readonly toPort: number } | null {
  return udp.length < UDP_HEADER ? null : { fromPort: udp.readUInt16BE(0), toPort: udp.readUInt16BE(2) };
}
