/** Addresses and ports as the maps hold them: four words of network-order bytes as this little-endian machine reads them. */
import { ipBytes, ipFromBytes, type Ip } from '../../net/ip.ts';

export type Words = readonly [number, number, number, number];

/** Returns the address as four words; an IPv4 one in the last of them, the others zero. */
export function wordsOf(ip: Ip): Words {
  const bytes = new Uint8Array(16);
  const own = ipBytes(ip);
  bytes.set(own, 16 - own.length);
  return [...new Uint32Array(bytes.buffer)] as unknown as Words;
}

/** Returns the address that four words hold. */
export function ipOfWords(words: Words, family: number): Ip {
  const last = words[3];
  // A page of sessions makes two thousand of them.
  if (family === 4) return Object.freeze({ family, text: `${last & 0xff}.${(last >>> 8) & 0xff}.${(last >>> 16) & 0xff}.${last >>> 24}` });
  return ipFromBytes(new Uint8Array(Uint32Array.from(words).buffer));
}

/** Returns the words with an IPv4 address as ::ffff:a.b.c.d, as the map `vips` has it. */
export function mappedWords(ip: Ip): Words {
  const words = wordsOf(ip);
  return ip.family === 4 ? [0, 0, V4_MAPPED, words[3]] : words;
}

/** Returns a port in network byte order from one in the host's, and the other way round. */
export function swap16(port: number): number {
  return ((port & 0xff) << 8) | (port >> 8);
}

const V4_MAPPED = 0xffff_0000;
