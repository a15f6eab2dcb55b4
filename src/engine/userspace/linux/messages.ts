/**
 * Arrays of struct mmsghdr for recvmmsg and sendmmsg (include/linux/socket.h; 64 bytes each on 64-bit Linux), and the words in them.
 */
import { Memory, SOL_UDP, UDP_GRO } from './libc.ts';

export const HDR_BYTES = 64;
const HDR_WORDS = 16;
const NAME = 0;
const NAME_LENGTH = 2;
const IOV = 4;
const IOV_COUNT = 6;
const CONTROL = 8;
const CONTROL_LENGTH = 10;
const FLAGS = 12;
const LENGTH = 14;

/** Room for the control message of UDP_GRO: a cmsghdr and an int, padded. */
export const GRO_CONTROL_BYTES = 24;

/** Bytes kept for one peer address: sockaddr_in6 is 28. */
export const NAME_BYTES = 32;
export const NAME_WORDS = 8;
const NAME_SPACE = 28;

/** The largest UDP payload plus room; an odd number of cache lines, so that slots do not all fall into one cache set. */
export const SLOT_BYTES = 65_536 + 64 * 3;

/** Messages to receive into: each has a slot for the payload, one for the peer's address, and, if asked for, one for control data. */
export class Inbox {
  readonly count: number;
  readonly headers: Memory;
  readonly names: Memory;
  readonly controls: Memory | null;
  readonly payload: Memory;
  readonly #iov: Memory;
  readonly #controlBytes: number;

  constructor(count: number, controlBytes = 0) {
    this.count = count;
    this.headers = new Memory(count * HDR_BYTES);
    this.names = new Memory(count * NAME_BYTES);
    this.payload = new Memory(count * SLOT_BYTES);
    this.controls = controlBytes > 0 ? new Memory(count * controlBytes) : null;
    this.#iov = new Memory(count * 16);
    this.#controlBytes = controlBytes;
    for (let i = 0; i < count; i++) {
      const at = i * HDR_WORDS;
      this.#iov.putPointer(i * 4, this.slot(i));
      this.#iov.words[i * 4 + 2] = 65_536;
      this.headers.putPointer(at + NAME, this.names.address + i * NAME_BYTES);
      this.headers.putPointer(at + IOV, this.#iov.address + i * 16);
      this.headers.words[at + IOV_COUNT] = 1;
      if (this.controls) this.headers.putPointer(at + CONTROL, this.controls.address + i * controlBytes);
      this.rearm(i);
    }
  }

  /** Returns the address of slot i's payload. */
  slot(i: number): number {
    return this.payload.address + i * SLOT_BYTES;
  }

  /** Returns the address of header i. */
  header(i: number): number {
    return this.headers.address + i * HDR_BYTES;
  }

  /** Returns the payload length of received message i. */
  length(i: number): number {
    return this.headers.words[i * HDR_WORDS + LENGTH];
  }

  /** Returns the size of the datagrams that UDP_GRO joined in message i (the last may be shorter), 0 when it is one datagram. */
  segmentSize(i: number): number {
    if (this.controls === null || this.headers.words[i * HDR_WORDS + CONTROL_LENGTH] === 0) return 0;
    const at = (i * this.#controlBytes) / 4;
    const { words } = this.controls;
    return words[at + 2] === SOL_UDP && words[at + 3] === UDP_GRO ? words[at + 4] : 0;
  }

  /** Makes header i ready to receive again: the kernel overwrites the lengths of name and control data. */
  rearm(i: number): void {
    this.headers.words[i * HDR_WORDS + NAME_LENGTH] = NAME_SPACE;
    this.headers.words[i * HDR_WORDS + CONTROL_LENGTH] = this.#controlBytes;
  }
}

/** Headers to send from: `put` fills one, `putIov` one of the payload pieces that headers point at. */
export class SendHeaders {
  readonly headers: Memory;
  readonly #iov: Memory;

  constructor(count: number) {
    this.headers = new Memory(count * HDR_BYTES);
    this.#iov = new Memory(count * 16);
  }

  /** Describes piece i: `length` bytes at `payload`. */
  putIov(i: number, payload: number, length: number): void {
    const { words } = this.#iov;
    words[i * 4] = payload;
    words[i * 4 + 1] = payload / 0x1_0000_0000;
    words[i * 4 + 2] = length;
  }

  /** Describes message i: its pieces, destination, and control data (0, 0 for none). */
  put(i: number, firstIov: number, iovCount: number, name: number, nameLength: number, control: number, controlLength: number): void {
    const { words } = this.headers;
    const at = i * HDR_WORDS;
    const iov = this.#iov.address + firstIov * 16;
    words[at + NAME] = name;
    words[at + NAME + 1] = name / 0x1_0000_0000;
    words[at + NAME_LENGTH] = nameLength;
    words[at + IOV] = iov;
    words[at + IOV + 1] = iov / 0x1_0000_0000;
    words[at + IOV_COUNT] = iovCount;
    words[at + CONTROL] = control;
    words[at + CONTROL + 1] = control / 0x1_0000_0000;
    words[at + CONTROL_LENGTH] = controlLength;
    words[at + FLAGS] = 0;
  }
}
