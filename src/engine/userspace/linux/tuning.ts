/**
 * Options that a socket gets only once its traffic asks for them, because every datagram pays for them.
 * - Fragments: IPv4 sockets start with IP_PMTUDISC_DO, where the kernel need not choose an IP identification (RFC 6864 section 4.1; 2.4 % of a worker).
 *   The first datagram that does not fit lets the socket fragment, and is sent again.
 * - UDP GRO: with it set, the kernel looks the socket up once more for each datagram. Bulk is worth that, single datagrams are not.
 */
import { IP_MTU_DISCOVER, Memory, SOL_IP, SOL_UDP, UDP_GRO, type Libc } from './libc.ts';

const IP_PMTUDISC_WANT = 1;
const IP_PMTUDISC_DO = 2;

const BULK_BATCH = 16;

/** True when a batch of `received` datagrams, `joined` of which left as parts of segmented sends, is bulk. */
export function isBulk(received: number, joined: number): boolean {
  return received >= BULK_BATCH && joined * 2 > received;
}

/** `whole`: it sends whole datagrams only; `bulk`: it accepts UDP GRO. */
export interface Tuned {
  readonly whole: boolean;
  readonly bulk: boolean;
}

export class SocketTuning {
  readonly #libc: Libc;
  readonly #value = new Memory(8);
  readonly #whole = new Set<number>();
  readonly #bulk = new Set<number>();

  constructor(libc: Libc) {
    this.#libc = libc;
  }

  /** Has the socket send whole datagrams only. */
  startWhole(fd: number): void {
    if (this.#set(fd, SOL_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)) this.#whole.add(fd);
  }

  /** Lets the socket fragment; true when it did not before, so that what was refused is worth another try. */
  allowFragments(fd: number): boolean {
    return this.#whole.delete(fd) && this.#set(fd, SOL_IP, IP_MTU_DISCOVER, IP_PMTUDISC_WANT);
  }

  /** The socket received bulk: from now on the kernel may hand several datagrams over as one. */
  expectBulk(fd: number): void {
    if (this.#bulk.has(fd)) return;
    this.#bulk.add(fd);
    this.#set(fd, SOL_UDP, UDP_GRO, 1);
  }

  /** Returns what the socket was given: a successor asks the kernel for nothing it has. */
  of(fd: number): Tuned {
    return { whole: this.#whole.has(fd), bulk: this.#bulk.has(fd) };
  }

  /** Notes what a socket that was taken over has. */
  adopt(fd: number, { whole, bulk }: Tuned): void {
    if (whole) this.#whole.add(fd);
    if (bulk) this.#bulk.add(fd);
  }

  /** Forgets a socket that is closed: its number may be another's soon. */
  forget(fd: number): void {
    this.#whole.delete(fd);
    this.#bulk.delete(fd);
  }

  #set(fd: number, level: number, name: number, value: number): boolean {
    this.#value.ints[0] = value;
    return this.#libc.setsockopt(fd, level, name, this.#value.address, 4) === 0;
  }
}
