/** The error queue of an upstream socket: which server an ICMP error came back for (man 7 ip, IP_RECVERR; struct sock_extended_err). */
import { ECONNREFUSED, EHOSTUNREACH, IP_RECVERR, IPV6_RECVERR, Memory, MSG_DONTWAIT, MSG_ERRQUEUE, SOL_IP, SOL_IPV6, type Libc } from './libc.ts';

/** A cmsghdr of 16 bytes and sock_extended_err of 16. */
const CONTROL_LEAST = 32;
const ORIGIN_ICMP = 2;
const ORIGIN_ICMP6 = 3;
/** Destination unreachable (RFC 792, RFC 4443). Others, as a time to live that ended on the way, become the same errno and say nothing of the server. */
const UNREACHABLE = 3;
const UNREACHABLE6 = 1;
/** Errors read per visit: the queue is bounded by the socket's receive buffer, the visit by this. */
const MOST = 64;

/** `names` holds the destination of the datagram that caused the error, as a sockaddr at word 0. */
export interface ErrorQueueEvents {
  unreachable(names: Int32Array, detail: string): void;
}

export class ErrorQueue {
  readonly #libc: Libc;
  readonly #message = new Memory(64);
  readonly #name = new Memory(32);
  readonly #control = new Memory(512);
  readonly #iov = new Memory(16);
  readonly #payload = new Memory(64);

  constructor(libc: Libc) {
    this.#libc = libc;
    this.#message.putPointer(0, this.#name.address);
    this.#message.putPointer(4, this.#iov.address);
    this.#message.words[6] = 1;
    this.#message.putPointer(8, this.#control.address);
    this.#iov.putPointer(0, this.#payload.address);
    this.#iov.words[2] = 64;
  }

  /** Reads what is queued on `fd` (which also clears the socket's pending error) and reports each unreachable server. */
  drain(fd: number, events: ErrorQueueEvents): void {
    for (let n = 0; n < MOST; n++) {
      this.#message.words[2] = 28;
      this.#message.words[10] = 512;
      if (this.#libc.recvmsg(fd, this.#message.address, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) return;
      // One control message: 16 bytes of cmsghdr, then sock_extended_err. Where the kernel put none, or another, what lies here is of an error before.
      const [level, kind] = [this.#control.words[2], this.#control.words[3]];
      const told = (level === SOL_IP && kind === IP_RECVERR) || (level === SOL_IPV6 && kind === IPV6_RECVERR);
      if (this.#message.words[10] < CONTROL_LEAST || !told) continue;
      const errno = this.#control.words[4];
      const origin = this.#control.bytes[20];
      const type = this.#control.bytes[21];
      const code = this.#control.bytes[22];
      if (!(origin === ORIGIN_ICMP && type === UNREACHABLE) && !(origin === ORIGIN_ICMP6 && type === UNREACHABLE6)) continue;
      if (errno === ECONNREFUSED) events.unreachable(this.#name.ints, 'ICMP port unreachable');
      else if (errno === EHOSTUNREACH) events.unreachable(this.#name.ints, `ICMP host unreachable (code ${code})`);
    }
  }
}
