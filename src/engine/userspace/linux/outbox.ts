/**
 * Datagrams waiting to go out, grouped by the socket they leave from: one sendmmsg a socket and flush. Payloads stay where they were received.
 * Datagrams of one size in a row to one destination leave as a single UDP GSO send (UDP_SEGMENT, man 7 udp): the kernel cuts them again, so
 * boundaries stay exact. Where a device or socket refuses that, they go out one by one.
 * Bounded by its capacity; the loop flushes before it could run over.
 */
import {
  ECONNREFUSED, EHOSTUNREACH, EINTR, EINVAL, EIO, EMSGSIZE, ENETUNREACH, ENOPROTOOPT, EPROTO, Memory, MSG_DONTWAIT, SOL_UDP, UDP_SEGMENT, type Libc,
} from './libc.ts';
import { HDR_BYTES, SendHeaders } from './messages.ts';

/** What happened to a datagram; `tag` and `tag2` are what `add` was given. */
export interface OutboxEvents {
  /** A send begins; `sent` and `failed` for its datagrams follow. */
  sending(): void;
  sent(tag: number, tag2: number, length: number): void;
  failed(tag: number, tag2: number, length: number, errno: number): void;
  /** A socket returned the error of an earlier datagram (ICMP): read its error queue, then the send is tried again. */
  pendingError(socket: number): void;
  /** A datagram exceeds what the socket sends in one piece (EMSGSIZE); true: it may now, try again. */
  tooBig(socket: number): boolean;
}

/** Larger datagrams may exceed the path's MTU, which UDP_SEGMENT refuses; they are few and large, so little is lost. */
const SEGMENT_MAX = 1400;
const SEGMENTS_MAX = 64;
const GSO_BYTES_MAX = 65_000;
const CMSG_BYTES = 24;

export class Outbox {
  readonly capacity: number;
  pending = 0;
  sendCalls = 0;
  /** Datagrams that left as part of a UDP_SEGMENT send. */
  segmented = 0;
  readonly #libc: Libc;
  readonly #events: OutboxEvents;
  readonly #send: SendHeaders;
  readonly #segmentControl: Memory;
  readonly #payload: Float64Array;
  readonly #length: Int32Array;
  readonly #name: Float64Array;
  readonly #nameLength: Int32Array;
  readonly #control: Float64Array;
  readonly #controlLength: Int32Array;
  readonly #tag: Int32Array;
  readonly #tag2: Int32Array;
  readonly #next: Int32Array;
  /** Datagrams in the order they are sent, and for each header the first of its datagrams (its end is the next header's first). */
  readonly #order: Int32Array;
  readonly #firstOf: Int32Array;
  readonly #touched: Int32Array;
  #touchedCount = 0;
  #head = new Int32Array(1024).fill(-1);
  #tail = new Int32Array(1024);
  #gsoWorks = true;

  constructor(options: { readonly libc: Libc; readonly capacity: number; readonly events: OutboxEvents }) {
    const n = options.capacity;
    this.capacity = n;
    this.#libc = options.libc;
    this.#events = options.events;
    this.#send = new SendHeaders(n);
    this.#segmentControl = new Memory(n * CMSG_BYTES);
    for (let i = 0; i < n; i++) {
      // struct cmsghdr { size_t len; int level; int type } and a 16-bit segment size.
      this.#segmentControl.words[i * 6] = 18;
      this.#segmentControl.words[i * 6 + 2] = SOL_UDP;
      this.#segmentControl.words[i * 6 + 3] = UDP_SEGMENT;
    }
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
    this.#firstOf = new Int32Array(n + 1);
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
    for (let t = 0; t < this.#touchedCount; t++) {
      const socket = this.#touched[t];
      const headers = this.#fill(this.#head[socket]);
      this.#head[socket] = -1;
      this.#sendAll(socket, fds[socket], headers);
    }
    this.#touchedCount = 0;
    this.pending = 0;
  }

  // Writes the headers for one socket's chain; returns how many. Neighbours that UDP_SEGMENT can carry share a header.
  #fill(first: number): number {
    let headers = 0;
    let k = 0;
    let i = first;
    while (i !== -1) {
      const start = k;
      const length = this.#length[i];
      this.#firstOf[headers] = k;
      this.#send.putIov(k, this.#payload[i], length);
      this.#order[k++] = i;
      let next = this.#next[i];
      if (next !== -1 && this.#name[next] === this.#name[i] && this.#gsoWorks && length > 0 && length <= SEGMENT_MAX && this.#control[i] === 0) {
        let bytes = length;
        // All segments have the first one's size, only the last may be shorter.
        while (next !== -1 && this.#name[next] === this.#name[i] && k - start < SEGMENTS_MAX && this.#length[next] <= length
          && this.#length[next] > 0 && bytes + this.#length[next] <= GSO_BYTES_MAX) {
          bytes += this.#length[next];
          this.#send.putIov(k, this.#payload[next], this.#length[next]);
          this.#order[k++] = next;
          const shorter = this.#length[next] < length;
          next = this.#next[next];
          if (shorter) break;
        }
      }
      if (k - start === 1) {
        this.#send.put(headers, start, 1, this.#name[i], this.#nameLength[i], this.#control[i], this.#controlLength[i]);
      } else {
        this.#segmentControl.words[headers * 6 + 4] = length;
        this.#send.put(headers, start, k - start, this.#name[i], this.#nameLength[i], this.#segmentControl.address + headers * CMSG_BYTES, CMSG_BYTES);
      }
      headers++;
      i = next;
    }
    this.#firstOf[headers] = k;
    return headers;
  }

  #sendAll(socket: number, fd: number, headers: number): void {
    let at = 0;
    let retried = -1;
    while (at < headers) {
      const sent = this.#sendSome(fd, at, headers);
      for (let n = 0; n < sent; n++) this.#report(at++, -1);
      if (at === headers) return;
      if (sent > 0) continue;
      const errno = this.#libc.errno();
      if (errno === EINTR) continue;
      if (isAsyncError(errno) && retried !== at) {
        // The error may belong to an earlier datagram: this one gets one more try.
        retried = at;
        this.#events.pendingError(socket);
      } else if (errno === EMSGSIZE && this.#events.tooBig(socket)) {
        continue;
      } else if (this.#firstOf[at + 1] - this.#firstOf[at] > 1 && (errno === EINVAL || errno === EIO || errno === EMSGSIZE)) {
        this.#sendOneByOne(fd, at++, errno);
      } else {
        this.#report(at++, errno);
      }
    }
  }

  // Returns how many headers went out, 0 with errno set when the first did not.
  #sendSome(fd: number, at: number, headers: number): number {
    this.sendCalls++;
    this.#events.sending();
    const i = this.#order[this.#firstOf[at]];
    if (headers - at === 1 && this.#firstOf[at + 1] - this.#firstOf[at] === 1 && this.#controlLength[i] === 0) {
      return this.#libc.sendto(fd, this.#payload[i], this.#length[i], MSG_DONTWAIT, this.#name[i], this.#nameLength[i]) < 0 ? 0 : 1;
    }
    return Math.max(0, this.#libc.sendmmsg(fd, this.#send.headers.address + at * HDR_BYTES, headers - at, MSG_DONTWAIT));
  }

  #report(header: number, errno: number): void {
    const end = this.#firstOf[header + 1];
    if (end - this.#firstOf[header] > 1 && errno < 0) this.segmented += end - this.#firstOf[header];
    for (let k = this.#firstOf[header]; k < end; k++) {
      const i = this.#order[k];
      if (errno < 0) this.#events.sent(this.#tag[i], this.#tag2[i], this.#length[i]);
      else this.#events.failed(this.#tag[i], this.#tag2[i], this.#length[i], errno);
    }
  }

  // EIO: the way out cannot checksum segments (no offload, IPsec): it never will. The others depend on the path's MTU.
  #sendOneByOne(fd: number, header: number, errno: number): void {
    if (errno === EIO) this.#gsoWorks = false;
    for (let k = this.#firstOf[header]; k < this.#firstOf[header + 1]; k++) {
      const i = this.#order[k];
      this.sendCalls++;
      if (this.#libc.sendto(fd, this.#payload[i], this.#length[i], MSG_DONTWAIT, this.#name[i], this.#nameLength[i]) >= 0) this.#events.sent(this.#tag[i], this.#tag2[i], this.#length[i]);
      else this.#events.failed(this.#tag[i], this.#tag2[i], this.#length[i], this.#libc.errno());
    }
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
