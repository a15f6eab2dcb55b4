/**
 * `option quiccheck`: a packet of a QUIC version that nobody speaks is answered with Version Negotiation (RFC 9000 section 6.1, RFC 8999).
 * It costs the server no handshake and needs no keys; the datagram has 1,200 bytes, for servers ignore smaller ones.
 */
import { randomBytes } from 'node:crypto';
import { fail, pass, type Check, type Finding } from './attempt.ts';
import { exchangeCheck } from './exchange.ts';

const DATAGRAM_BYTES = 1200;
const ID_BYTES = 8;
/** Versions of this form are reserved to force negotiation (RFC 9000 section 15). */
const RESERVED_VERSION = 0x1a2a_3a4a;
const LONG_HEADER = 0xc0;

/** A check that sends one packet of a reserved version. */
export const quicCheck: Check = exchangeCheck((_target, took) => {
  const [destination, source] = [randomBytes(ID_BYTES), randomBytes(ID_BYTES)];
  return { payload: quicPacket(destination, source), judge: (reply) => judgeQuic(reply, destination, source, took) };
});

/** Returns a long-header packet of a reserved version, padded with random bytes. */
export function quicPacket(destination: Buffer, source: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head[0] = LONG_HEADER;
  head.writeUInt32BE(RESERVED_VERSION, 1);
  const ids = Buffer.concat([Buffer.from([destination.length]), destination, Buffer.from([source.length]), source]);
  return Buffer.concat([head, ids, randomBytes(DATAGRAM_BYTES - head.length - ids.length)]);
}

/** Returns what a packet says to the one with these ids, or null when it is not the Version Negotiation for it (RFC 8999 section 6). */
export function judgeQuic(reply: Buffer, destination: Buffer, source: Buffer, took: () => string): Finding | null {
  if (reply.length < 7 || ((reply[0] ?? 0) & 0x80) === 0 || reply.readUInt32BE(1) !== 0) return null;
  const to = idAt(reply, 5);
  const from = to === null ? null : idAt(reply, to.end);
  // The ids come back the other way round; without that it is no answer to us.
  if (to === null || from === null || !to.id.equals(source) || !from.id.equals(destination)) return null;
  const versions: string[] = [];
  for (let at = from.end; at + 4 <= reply.length && versions.length < 16; at += 4) {
    const version = reply.readUInt32BE(at);
    if ((version & 0x0f0f_0f0f) !== 0x0a0a_0a0a) versions.push(versionText(version));
  }
  return versions.length === 0 ? fail('Version Negotiation without a version') : pass(`QUIC ${versions.join(', ')} in ${took()}`);
}

function idAt(packet: Buffer, at: number): { readonly id: Buffer; readonly end: number } | null {
  const size = packet[at];
  const end = at + 1 + (size ?? 0);
  return size === undefined || end > packet.length ? null : { id: packet.subarray(at + 1, end), end };
}

function versionText(version: number): string {
  return version === 1 ? 'v1' : version === 0x6b33_43cf ? 'v2' : `0x${version.toString(16).padStart(8, '0')}`;
}
