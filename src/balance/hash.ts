/**
 * 32-bit hashes that a BPF program repeats exactly: MurmurHash3_x86_32 over whole 32-bit words (Austin Appleby, public domain),
 * so test/vectors/hash.json can be held against any other implementation. An address is hashed as words of network-order bytes
 * read as big-endian numbers (10.0.0.1 is 0x0a000001): one word for IPv4, four for IPv6. The seeds are part of the contract:
 * two balancers with the same servers send a client to the same one without talking to each other.
 */

/** Seed of hashes over an address alone. */
export const IP_SEED = 0x77656972;
/** Seed of hashes over an address and a port. */
export const FLOW_SEED = 0x666c6f77;
/** Seed of hashes that join two hashes. */
export const PAIR_SEED = 0x70616972;

/** Returns MurmurHash3_x86_32 (0..2^32-1) of the first `length` words, each taken as four little-endian bytes. */
export function hashWords(words: ArrayLike<number>, seed: number, length: number = words.length): number {
  let h = seed | 0;
  for (let i = 0; i < length; i++) h = mixWord(h, words[i]);
  return finish(h, length << 2);
}

/** Returns the hash of a client or destination address: 4 or 16 network-order bytes at `offset`; v4-mapped IPv6 hashes as its IPv4. Throws RangeError on another length. */
export function hashIp(bytes: Uint8Array, offset = 0, length: number = bytes.length - offset): number {
  if (length === 4) return hashIp4(wordAt(bytes, offset));
  if (length !== 16) throw new RangeError(`an IP address has 4 or 16 bytes, got ${length}`);
  const a = wordAt(bytes, offset);
  const b = wordAt(bytes, offset + 4);
  const c = wordAt(bytes, offset + 8);
  const d = wordAt(bytes, offset + 12);
  return isMapped(a, b, c) ? hashIp4(d) : hashIp6(a, b, c, d);
}

/** Returns the hash of an address and a port, the address as in hashIp. */
export function hashFlow(bytes: Uint8Array, port: number, offset = 0, length: number = bytes.length - offset): number {
  if (length === 4) return hashFlow4(wordAt(bytes, offset), port);
  if (length !== 16) throw new RangeError(`an IP address has 4 or 16 bytes, got ${length}`);
  const a = wordAt(bytes, offset);
  const b = wordAt(bytes, offset + 4);
  const c = wordAt(bytes, offset + 8);
  const d = wordAt(bytes, offset + 12);
  return isMapped(a, b, c) ? hashFlow4(d, port) : hashFlow6(a, b, c, d, port);
}

/** Returns hashIp of an IPv4 address given as one word. */
export function hashIp4(ip: number): number {
  return finish(mixWord(IP_SEED, ip), 4);
}

/** Returns hashIp of an IPv6 address given as four words, the first ones first. */
export function hashIp6(a: number, b: number, c: number, d: number): number {
  return finish(mixWord(mixWord(mixWord(mixWord(IP_SEED, a), b), c), d), 16);
}

/** Returns hashFlow of an IPv4 address given as one word. */
export function hashFlow4(ip: number, port: number): number {
  return finish(mixWord(mixWord(FLOW_SEED, ip), port), 8);
}

/** Returns hashFlow of an IPv6 address given as four words. */
export function hashFlow6(a: number, b: number, c: number, d: number, port: number): number {
  return finish(mixWord(mixWord(mixWord(mixWord(mixWord(FLOW_SEED, a), b), c), d), port), 20);
}

/** Returns one hash of two, e.g. of source and destination; the order matters. */
export function hashPair(first: number, second: number): number {
  return finish(mixWord(mixWord(PAIR_SEED, first), second), 8);
}

/** Returns MurmurHash3_x86_32 of the text's UTF-8 bytes followed by zeros up to whole words and by the byte count as a last word. */
export function hashText(text: string, seed: number): number {
  const bytes = new TextEncoder().encode(text);
  const words = new Uint32Array(Math.ceil(bytes.length / 4) + 1);
  for (let i = 0; i < bytes.length; i++) words[i >> 2] = words[i >> 2] | (bytes[i] << ((i & 3) * 8));
  words[words.length - 1] = bytes.length;
  return hashWords(words, seed);
}

/** Returns a well-mixed permutation of the 32-bit number: Murmur3's finaliser. */
export function mix32(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

function mixWord(h: number, word: number): number {
  let k = Math.imul(word, 0xcc9e2d51);
  k = Math.imul((k << 15) | (k >>> 17), 0x1b873593);
  const x = h ^ k;
  return (Math.imul((x << 13) | (x >>> 19), 5) + 0xe6546b64) | 0;
}

function finish(h: number, byteLength: number): number {
  return mix32(h ^ byteLength);
}

function wordAt(bytes: Uint8Array, i: number): number {
  return ((bytes[i] << 24) | (bytes[i + 1] << 16) | (bytes[i + 2] << 8) | bytes[i + 3]) >>> 0;
}

function isMapped(a: number, b: number, c: number): boolean {
  return a === 0 && b === 0 && c === 0xffff;
}
