/**
 * Datagrams waiting to go out, grouped by the socket they leave from: one sendmmsg a socket and flush.
 * Bounded by its capacity; the loop flushes before it could run over. Payloads stay where they were received.
 */
import { ECONNREFUSED, EHOSTUNREACH, EINTR, ENETUNREACH, ENOPROTOOPT, EPROTO, MSG_DONTWAIT, type Libc } from './libc.ts';
import { HDR_BYTES, SendHeaders } from './messages.ts';

/** What happened to a datagram; `tag` and `tag2` are what `add` was given. */
export interface OutboxEvents {
  sent(tag: number, tag2: number, length: number): void;
  failed(tag: number, tag2: number, length: number, errno: number): void;
  /** A socket returned the error of an earlier datagram (ICMP): read its error queue, then the send is tried again. */
  pendingError(socket: number): void;
}

export class Outbox {
  readonly capacity: number;
  pending = 0;
  sendCalls = 0;
  readonly #libc: Libc;
  readonly #events: OutboxEvents;
  readonly #send: SendHeaders;
  readonly #payload: Float64Array;
  readonly #length: Int32Array;
  readonly #name: Float64Array;
  readonly #nameLength: Int32Array;
  readonly #control: Float64Array;
  readonly #controlLength: Int32Array;
  readonly #tag: Int32Array;
  readonly #tag2: Int32Array;
  readonly #next: Int32Array;
  readonly #order: Int32Array;
  readonly #touched: Int32Array;
  #touchedCount = 0;
  #head = new Int32Array(1024).fill(-1);
  #tail = new Int32Array(1024);

  constructor(options: { readonly libc: Libc; readonly capacity: number; readonly events: OutboxEvents }) {
    const n = options.capacity;
    this.capacity = n;
    this.#libc = options.libc;
    this.#events = options.events;
    this.#send = new SendHeaders(n);
    this.#payload = new Float64Array(n);
    this.#length = new Int32Array(n);
    this.#name = new Float64Array(n);
    this.#nameLength = new Int32Array(n);
    this.#control = new Float64Array(n);
    this.#controlLength = new Int32Array(n);
    this.#tag = new Int32Array(n);
    this.#tag2 = new Int32Array(n);
    this.#next = new Int32Array(n);
    this.#order = new Int32Array(n);
    this.#touched = new Int32Array(n);
  }

  /** Queues one datagram to leave from `socket` (a small number, not a descriptor). The caller keeps `pending < capacity`. */
  add(socket: number, payload: number, length: number, name: number, nameLength: number, tag: number, tag2: number, control: number, controlLength: number): void {
    const i = this.pending++;
    this.#payload[i] = payload;
    this.#length[i] = length;
    this.#name[i] = name;
    this.#nameLength[i] = nameLength;
    this.#control[i] = control;
    this.#controlLength[i] = controlLength;
    this.#tag[i] = tag;
    this.#tag2[i] = tag2;
    this.#next[i] = -1;
    if (socket >= this.#head.length) this.#growSockets(socket);
    if (this.#head[socket] === -1) {
      this.#head[socket] = i;
      this.#touched[this.#touchedCount++] = socket;
    } else {
      this.#next[this.#tail[socket]] = i;
    }
    this.#tail[socket] = i;
  }

  /** Sends all that waits; `fds` maps socket numbers to descriptors. */
  flush(fds: ArrayLike<number>): void {
    let k = 0;
    for (let t = 0; t < this.#touchedCount; t++) {
      const socket = this.#touched[t];
      const first = k;
      for (let i = this.#head[socket]; i !== -1; i = this.#next[i]!) {
        this.#order[k] = i;
        this.#send.put(k++, this.#payload[i], this.#length[i], this.#name[i], this.#nameLength[i], this.#control[i], this.#controlLength[i]);
      }
      this.#head[socket] = -1;
      this.#sendGroup(socket, fds[socket], first, k);
    }
    this.#touchedCount = 0;
    this.pending = 0;
  }

  #sendGroup(socket: number, fd: number, first: number, end: number): void {
    let at = first;
    let retried = -1;
    while (at < end) {
      const sent = this.#sendSome(fd, at, end);
      for (let n = 0; n < sent; n++) {
        const i = this.#order[at++];
        this.#events.sent(this.#tag[i], this.#tag2[i], this.#length[i]);
      }
      if (at === end) return;
      if (sent > 0) continue;
      const errno = this.#libc.errno();
      if (errno === EINTR) continue;
      if (retried !== at && isAsyncError(errno)) {
        // The error may belong to an earlier datagram: this one gets one more try.
        retried = at;
        this.#events.pendingError(socket);
        continue;
      }
      const i = this.#order[at++];
      this.#events.failed(this.#tag[i], this.#tag2[i], this.#length[i], errno);
    }
  }

  // Returns how many went out, 0 with errno set when the first did not.
  #sendSome(fd: number, at: number, end: number): number {
    this.sendCalls++;
    const i = this.#order[at];
    if (end - at === 1 && this.#controlLength[i] === 0) {
      return this.#libc.sendto(fd, this.#payload[i], this.#length[i], MSG_DONTWAIT, this.#name[i], this.#nameLength[i]) < 0 ? 0 : 1;
    }
    return Math.max(0, this.#libc.sendmmsg(fd, this.#send.headers.address + at * HDR_BYTES, end - at, MSG_DONTWAIT));
  }

  #growSockets(socket: number): void {
    const size = 2 ** Math.ceil(Math.log2(socket + 1));
    const head = new Int32Array(size).fill(-1);
    head.set(this.#head);
    const tail = new Int32Array(size);
    tail.set(this.#tail);
    this.#head = head;
    this.#tail = tail;
  }
}

// Errors that IP_RECVERR may leave pending on a socket: they may be another datagram's (net/ipv4/icmp.c, icmp_err_convert).
function isAsyncError(errno: number): boolean {
  return errno === ECONNREFUSED || errno === EHOSTUNREACH || errno === ENETUNREACH || errno === ENOPROTOOPT || errno === EPROTO;
}
