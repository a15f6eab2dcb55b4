/**
 * The server endpoints (address and port) a worker sends to, numbered: sessions, ports and reply look-ups use the number.
 * Addresses are four words and ports one, both as the socket gives them (network order), so replies are found without conversion.
 */
import { ipBytes, type Ip } from '../../net/ip.ts';

export class EndpointTable {
  count = 0;
  a0 = new Int32Array(64);
  a1 = new Int32Array(64);
  a2 = new Int32Array(64);
  a3 = new Int32Array(64);
  portBe = new Int32Array(64);
  /** The server slots that stand for the endpoint now (one a director that uses it). */
  readonly slots: number[][] = [];
  readonly ips: Ip[] = [];
  readonly ports: number[] = [];
  #heads = new Int32Array(128).fill(-1);
  #next = new Int32Array(64);

  /** Returns the number of the endpoint, or -1 when it was never used. */
  find(portBe: number, a0: number, a1: number, a2: number, a3: number): number {
    let i = this.#heads[hash(portBe, a0, a1, a2, a3) & (this.#heads.length - 1)];
    while (i >= 0) {
      if (this.portBe[i] === portBe && this.a3[i] === a3 && this.a2[i] === a2 && this.a1[i] === a1 && this.a0[i] === a0) return i;
      i = this.#next[i]!;
    }
    return -1;
  }

  /** Returns the number of the endpoint, numbering it if new. */
  intern(ip: Ip, port: number): number {
    const [a0, a1, a2, a3] = ipWords(ip);
    const portBe = swap16(port);
    const known = this.find(portBe, a0, a1, a2, a3);
    if (known >= 0) return known;
    if (this.count === this.a0.length) this.#grow();
    const i = this.count++;
    this.a0[i] = a0;
    this.a1[i] = a1;
    this.a2[i] = a2;
    this.a3[i] = a3;
    this.portBe[i] = portBe;
    this.slots[i] = [];
    this.ips[i] = ip;
    this.ports[i] = port;
    this.#link(i);
    return i;
  }

  #link(i: number): void {
    const bucket = hash(this.portBe[i], this.a0[i], this.a1[i], this.a2[i], this.a3[i]) & (this.#heads.length - 1);
    this.#next[i] = this.#heads[bucket]!;
    this.#heads[bucket] = i;
  }

  #grow(): void {
    const size = this.a0.length * 2;
    for (const name of ['a0', 'a1', 'a2', 'a3', 'portBe'] as const) {
      const bigger = new Int32Array(size);
      bigger.set(this[name]);
      this[name] = bigger;
    }
    this.#next = new Int32Array(size);
    this.#heads = new Int32Array(size * 2).fill(-1);
    for (let i = 0; i < this.count; i++) this.#link(i);
  }
}

/** Returns the address as four words, each the little-endian reading of four network-order bytes; IPv4 is the last word, the others 0. */
export function ipWords(ip: Ip): [number, number, number, number] {
  const bytes = ipBytes(ip);
  const word = (at: number): number => bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
  return ip.family === 4 ? [0, 0, 0, word(0)] : [word(0), word(4), word(8), word(12)];
}

/** Returns a 16-bit number with its bytes swapped: a port between host and network order. */
export function swap16(port: number): number {
  return ((port & 0xff) << 8) | (port >>> 8);
}

/** Returns a 32-bit number with its bytes swapped, unsigned: a raw address word as the number hashes take. */
export function swap32(word: number): number {
  return (((word & 0xff) << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)) >>> 0;
}

function hash(portBe: number, a0: number, a1: number, a2: number, a3: number): number {
  let h = Math.imul(a3 ^ Math.imul(portBe, 0x9e3779b1), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 15) ^ a2 ^ Math.imul(a1, 0x27d4eb2f) ^ a0, 0xc2b2ae35);
  return h ^ (h >>> 13);
}
