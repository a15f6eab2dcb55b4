/** The headers that bench/bpf/carousel.bpf.c writes over the packet before each pass: Ethernet, IPv4 without options, UDP. */
import { clientEndpoint, ip4, macBytes, type TrafficPlace } from '../traffic/layout.ts';

/** HEADER_LEN of the program. */
const HEADER_BYTES = 42;
/** One element of its header_map, which holds 131,072 of them. */
export const STRIDE = 48;
const TTL = 64;
/** Of the IPv4 packet in a 64-byte frame. */
const PACKET_BYTES = 50;
const DONT_FRAGMENT = 0x4000;
const UDP = 17;

/** Returns the element for a datagram of client number `client` to `target`, as the generator sends it. */
export function requestHeader(place: TrafficPlace, client: number, target: { readonly ip: TrafficPlace['serverIp']; readonly port: number }): Buffer {
  const { ip, port } = clientEndpoint(place, client);
  return header({ to: macBytes(place.balancerMac), from: macBytes(place.clientMac) }, { from: ip, to: ip4(target.ip), fromPort: port, toPort: target.port });
}

/** Returns the element for a server's answer to a datagram as the program under test sent it on: everything the other way round. Throws RangeError when it is not UDP over IPv4. */
export function replyHeader(sent: Buffer): Buffer {
  if (sent.length < HEADER_BYTES || sent.readUInt16BE(12) !== 0x0800 || sent[14] !== 0x45 || sent[23] !== UDP) {
    throw new RangeError(`expected a UDP datagram over IPv4 without options, got ${sent.subarray(0, HEADER_BYTES).toString('hex')}`);
  }
  return header(
    { to: [...sent.subarray(6, 12)], from: [...sent.subarray(0, 6)] },
    { from: sent.readUInt32BE(30), to: sent.readUInt32BE(26), fromPort: sent.readUInt16BE(36), toPort: sent.readUInt16BE(34) },
  );
}

function header(macs: { to: readonly number[]; from: readonly number[] }, path: { from: number; to: number; fromPort: number; toPort: number }): Buffer {
  const bytes = Buffer.alloc(STRIDE);
  bytes.set(macs.to, 0);
  bytes.set(macs.from, 6);
  bytes.writeUInt16BE(0x0800, 12);
  bytes[14] = 0x45;
  bytes.writeUInt16BE(PACKET_BYTES, 16);
  bytes.writeUInt16BE(DONT_FRAGMENT, 20);
  bytes[22] = TTL;
  bytes[23] = UDP;
  bytes.writeUInt32BE(path.from, 26);
  bytes.writeUInt32BE(path.to, 30);
  bytes.writeUInt16BE(checksum(bytes.subarray(14, 34)), 24);
  bytes.writeUInt16BE(path.fromPort, 34);
  bytes.writeUInt16BE(path.toPort, 36);
  bytes.writeUInt16BE(PACKET_BYTES - 20, 38);
  return bytes;
}

/** RFC 1071. */
function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += bytes.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
