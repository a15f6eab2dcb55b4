/**
 * IP addresses as plain frozen values: parsed once at the edge, then compared by canonical text.
 * Strict forms only: `010.1.2.3`, `0x7f.1`, `10.1` and `1::2::3` are refused (ip-address does the parsing).
 */
import { Address4, Address6 } from 'ip-address';

/** An IPv4 or IPv6 address. `text` is canonical (dotted quad; RFC 5952, v4-mapped as `::ffff:192.0.2.1`). */
export interface Ip {
  readonly family: 4 | 6;
  readonly text: string;
}

/** Returns the address `text` spells, or undefined when it is not a strict IPv4 or IPv6 address (no zone, no prefix). */
export function parseIp(text: string): Ip | undefined {
  if (text.length > 45 || text.includes('/') || text.includes('%')) return undefined;
  if (text.includes(':')) {
    if (!Address6.isValid(text)) return undefined;
    return ipFromBytes(Uint8Array.from(new Address6(text).toUnsignedByteArray(), (b) => b & 255), 16);
  }
  if (!/^\d{1,3}(\.\d{1,3}){3}$/.test(text) || !Address4.isValid(text)) return undefined;
  return Object.freeze({ family: 4, text });
}

/** Returns the address held in 4 or 16 network-order bytes; `size` pads a shorter array on the left. Throws RangeError on another length. */
export function ipFromBytes(bytes: Uint8Array, size: number = bytes.length): Ip {
  if (size === 4 && bytes.length === 4) return Object.freeze({ family: 4, text: bytes.join('.') });
  if (size !== 16 || bytes.length > 16) throw new RangeError(`an IP address has 4 or 16 bytes, got ${bytes.length}`);
  const full = new Uint8Array(16);
  full.set(bytes, 16 - bytes.length);
  if (isV4Mapped(full)) return Object.freeze({ family: 6, text: `::ffff:${full.subarray(12).join('.')}` });
  return Object.freeze({ family: 6, text: Address6.fromUnsignedByteArray([...full]).correctForm() });
}

/** Returns the address as 4 or 16 network-order bytes. */
export function ipBytes(ip: Ip): Uint8Array {
  if (ip.family === 4) return Uint8Array.from(ip.text.split('.'), Number);
  const short = Uint8Array.from(new Address6(ip.text).toUnsignedByteArray(), (b) => b & 255);
  if (short.length === 16) return short;
  const full = new Uint8Array(16);
  full.set(short, 16 - short.length);
  return full;
}

/** Returns the text that identifies the address in maps: its canonical form. */
export function ipKey(ip: Ip): string {
  return ip.text;
}

/** True for `0.0.0.0` and `::`, the addresses that stand for every local one. */
export function isUnspecified(ip: Ip): boolean {
  return ip.text === '0.0.0.0' || ip.text === '::';
}

/** True for 127.0.0.0/8 and ::1. */
export function isLoopback(ip: Ip): boolean {
  return ip.family === 4 ? ip.text.startsWith('127.') : ip.text === '::1';
}

function isV4Mapped(bytes: Uint8Array): boolean {
  for (let i = 0; i < 10; i++) if (bytes[i] !== 0) return false;
  return bytes[10] === 255 && bytes[11] === 255;
}
