/** struct sockaddr_in and sockaddr_in6 in memory: written for bind and send, read from what recvmmsg filled in. */
import { ipBytes, ipFromBytes, type Ip } from '../../../net/ip.ts';
import { AF_INET, AF_INET6, Memory } from './libc.ts';
import { NAME_BYTES, NAME_WORDS } from './messages.ts';

/** Writes address and port at `offset` bytes; returns the length in bytes (16 or 28). */
export function writeSockaddr(memory: Memory, offset: number, ip: Ip, port: number): number {
  const { bytes } = memory;
  bytes.fill(0, offset, offset + NAME_BYTES);
  bytes.writeUInt16LE(ip.family === 4 ? AF_INET : AF_INET6, offset);
  bytes.writeUInt16BE(port, offset + 2);
  bytes.set(ipBytes(ip), offset + (ip.family === 4 ? 4 : 8));
  return ip.family === 4 ? 16 : 28;
}

/** Returns the address and port of a sockaddr at `offset` bytes. */
export function readSockaddr(memory: Memory, offset: number): { ip: Ip; port: number } {
  const { bytes } = memory;
  const v4 = bytes.readUInt16LE(offset) === AF_INET;
  const at = offset + (v4 ? 4 : 8);
  return { ip: ipFromBytes(Uint8Array.from(bytes.subarray(at, at + (v4 ? 4 : 16)))), port: bytes.readUInt16BE(offset + 2) };
}

/** Many sockaddrs by number, in chunks that never move: sendmmsg holds pointers into them. */
export class SockaddrTable {
  readonly #chunks: Memory[] = [];
  readonly #bases: number[] = [];
  static readonly CHUNK = 4096;

  /** Returns the address of entry i, for a send; the entry must have been written. */
  pointer(i: number): number {
    return this.#bases[i >>> 12] + (i & 4095) * NAME_BYTES;
  }

  /** Copies the sockaddr that starts at word `from` of `words` into entry i. */
  copy(i: number, words: Int32Array, from: number): void {
    const chunk = this.#chunk(i);
    const to = (i & 4095) * 8;
    for (let w = 0; w < 7; w++) chunk.ints[to + w] = words[from + w]!;
  }

  /** Copies entry `from` into entry `to`. */
  duplicate(from: number, to: number): void {
    this.copy(to, this.#chunk(from).ints, (from & 4095) * 8);
  }

  /** Returns a copy of entries 0..count-1, eight words each. */
  words(count: number): Int32Array {
    const words = new Int32Array(count * NAME_WORDS);
    for (let i = 0; i < count; i += SockaddrTable.CHUNK) {
      words.set(this.#chunk(i).ints.subarray(0, Math.min(SockaddrTable.CHUNK, count - i) * NAME_WORDS), i * NAME_WORDS);
    }
    return words;
  }

  /** Writes entries from 0 on from what `words` returned. */
  adopt(words: Int32Array): void {
    for (let at = 0; at < words.length; at += SockaddrTable.CHUNK * NAME_WORDS) {
      this.#chunk(at / NAME_WORDS).ints.set(words.subarray(at, at + SockaddrTable.CHUNK * NAME_WORDS));
    }
  }

  /** Writes entry i; returns its length in bytes. */
  write(i: number, ip: Ip, port: number): number {
    return writeSockaddr(this.#chunk(i), (i & 4095) * NAME_BYTES, ip, port);
  }

  #chunk(i: number): Memory {
    const n = i >>> 12;
    while (this.#chunks.length <= n) {
      const chunk = new Memory(SockaddrTable.CHUNK * NAME_BYTES);
      this.#chunks.push(chunk);
      this.#bases.push(chunk.address);
    }
    return this.#chunks[n];
  }
}
