/**
 * A worker's session table: structure of arrays, two hash chains over the same records.
 * The client index finds a session by (listener, client address and port[, server]); the reply index by (upstream socket, server endpoint).
 * A lingering session has left the client index but still delivers late replies to its client; nothing new goes out on it.
 * Cap: `maxSessions`; at the cap `create` returns -1 and the caller drops with `table_full`.
 */

export const SESSION_FREE = 0;
export const SESSION_LIVE = 1;
export const SESSION_LINGERING = 2;

const NONE = -1;
/** Growing holds datagrams up (35 ms were seen), so most tables never need to: memory that is not used yet is not there yet either. */
const FIRST_CAPACITY = 65_536;

/** Bytes one record takes in all arrays together, hash heads included (the client's sockaddr for sendmmsg is another 32). */
export const RECORD_BYTES = 4 * 14 + 1 + 8 * 9 + 2 * 4;

export interface SessionKey {
  listener: number;
  /** The client's port as the socket gave it (network order), only compared and copied. */
  portBe: number;
  a0: number;
  a1: number;
  a2: number;
  a3: number;
}

export class SessionTable {
  readonly maxSessions: number;
  capacity = 0;
  /** Records in use: live and lingering. */
  used = 0;
  /** One past the highest record ever used: bound for scans. */
  high = 0;

  state!: Uint8Array;
  listener!: Int32Array;
  portBe!: Int32Array;
  a0!: Int32Array;
  a1!: Int32Array;
  a2!: Int32Array;
  a3!: Int32Array;
  /** Server slot, endpoint and upstream socket the session is tied to. */
  server!: Int32Array;
  endpoint!: Int32Array;
  upstream!: Int32Array;
  /** request-reply: replies awaited from requests of this epoch and the one before. */
  awaited!: Int32Array;
  awaitedBefore!: Int32Array;
  expiresAt!: Float64Array;
  createdAt!: Float64Array;
  /** request-reply: when the awaited of now become the awaited of before. */
  epochAt!: Float64Array;
  lastAt!: Float64Array;
  /** When the last request that no reply has followed yet was sent; 0: none. */
  requestAt!: Float64Array;
  packetsIn!: Float64Array;
  bytesIn!: Float64Array;
  packetsOut!: Float64Array;
  bytesOut!: Float64Array;

  #clientNext!: Int32Array;
  #replyNext!: Int32Array;
  #clientHeads!: Int32Array;
  #replyHeads!: Int32Array;
  #free = NONE;
  #mask = 0;

  constructor(maxSessions: number, firstCapacity: number = FIRST_CAPACITY) {
    this.maxSessions = maxSessions;
    this.#grow(Math.min(firstCapacity, maxSessions));
  }

  /** Returns the live session of this client on this listener, or -1; `server` >= 0 asks for the one tied to that server slot. */
  findClient(listener: number, portBe: number, a0: number, a1: number, a2: number, a3: number, server: number): number {
    let i = this.#clientHeads[clientHash(listener, portBe, a0, a1, a2, a3) & this.#mask];
    while (i !== NONE) {
      if (this.portBe[i] === portBe && this.a3[i] === a3 && this.listener[i] === listener && this.a2[i] === a2
        && this.a1[i] === a1 && this.a0[i] === a0 && (server < 0 || this.server[i] === server)) return i;
      i = this.#clientNext[i]!;
    }
    return NONE;
  }

  /** Returns the session whose server endpoint answers on this upstream socket, or -1. */
  findReply(upstream: number, endpoint: number): number {
    let i = this.#replyHeads[replyHash(upstream, endpoint) & this.#mask];
    while (i !== NONE) {
      if (this.upstream[i] === upstream && this.endpoint[i] === endpoint) return i;
      i = this.#replyNext[i]!;
    }
    return NONE;
  }

  /** False at the cap: the next `create` would return -1. */
  get hasRoom(): boolean {
    return this.#free !== NONE || this.capacity < this.maxSessions;
  }

  /** Makes a live session and returns its record, or -1 at the cap. The caller has checked that neither key is taken. */
  create(key: SessionKey, tie: { server: number; endpoint: number; upstream: number }, now: number): number {
    if (this.#free === NONE) {
      if (this.capacity >= this.maxSessions) return NONE;
      this.#grow(Math.min(this.capacity * 2, this.maxSessions));
    }
    const i = this.#free;
    this.#free = this.#clientNext[i]!;
    this.used++;
    if (i >= this.high) this.high = i + 1;
    this.state[i] = SESSION_LIVE;
    this.listener[i] = key.listener;
    this.portBe[i] = key.portBe;
    this.a0[i] = key.a0;
    this.a1[i] = key.a1;
    this.a2[i] = key.a2;
    this.a3[i] = key.a3;
    this.server[i] = tie.server;
    this.endpoint[i] = tie.endpoint;
    this.upstream[i] = tie.upstream;
    this.awaited[i] = 0;
    this.awaitedBefore[i] = 0;
    this.createdAt[i] = now;
    this.epochAt[i] = 0;
    this.lastAt[i] = now;
    this.requestAt[i] = 0;
    this.packetsIn[i] = this.bytesIn[i] = this.packetsOut[i] = this.bytesOut[i] = 0;
    this.#linkClient(i);
    this.#linkReply(i);
    return i;
  }

  /** Takes a live session out of the client index; its replies still find it. */
  linger(i: number): void {
    if (this.state[i] !== SESSION_LIVE) return;
    this.state[i] = SESSION_LINGERING;
    unlink(this.#clientHeads, this.#clientNext, this.#clientBucket(i), i);
  }

  /** Frees the record. */
  remove(i: number): void {
    if (this.state[i] === SESSION_FREE) return;
    if (this.state[i] === SESSION_LIVE) unlink(this.#clientHeads, this.#clientNext, this.#clientBucket(i), i);
    unlink(this.#replyHeads, this.#replyNext, replyHash(this.upstream[i], this.endpoint[i]) & this.#mask, i);
    this.state[i] = SESSION_FREE;
    this.#clientNext[i] = this.#free;
    this.#free = i;
    this.used--;
    while (this.high > 0 && this.state[this.high - 1] === SESSION_FREE) this.high--;
  }

  #clientBucket(i: number): number {
    return clientHash(this.listener[i], this.portBe[i], this.a0[i], this.a1[i], this.a2[i], this.a3[i]) & this.#mask;
  }

  #linkClient(i: number): void {
    const b = this.#clientBucket(i);
    this.#clientNext[i] = this.#clientHeads[b]!;
    this.#clientHeads[b] = i;
  }

  #linkReply(i: number): void {
    const b = replyHash(this.upstream[i], this.endpoint[i]) & this.#mask;
    this.#replyNext[i] = this.#replyHeads[b]!;
    this.#replyHeads[b] = i;
  }

  #grow(capacity: number): void {
    const from = this.capacity;
    const i32 = (old: Int32Array | undefined): Int32Array => copyInto(new Int32Array(capacity), old);
    const f64 = (old: Float64Array | undefined): Float64Array => copyInto(new Float64Array(capacity), old);
    const state = new Uint8Array(capacity);
    if (this.state) state.set(this.state);
    this.state = state;
    this.listener = i32(this.listener);
    this.portBe = i32(this.portBe);
    this.a0 = i32(this.a0);
    this.a1 = i32(this.a1);
    this.a2 = i32(this.a2);
    this.a3 = i32(this.a3);
    this.server = i32(this.server);
    this.endpoint = i32(this.endpoint);
    this.upstream = i32(this.upstream);
    this.awaited = i32(this.awaited);
    this.awaitedBefore = i32(this.awaitedBefore);
    this.expiresAt = f64(this.expiresAt);
    this.createdAt = f64(this.createdAt);
    this.epochAt = f64(this.epochAt);
    this.lastAt = f64(this.lastAt);
    this.requestAt = f64(this.requestAt);
    this.packetsIn = f64(this.packetsIn);
    this.bytesIn = f64(this.bytesIn);
    this.packetsOut = f64(this.packetsOut);
    this.bytesOut = f64(this.bytesOut);
    this.#clientNext = i32(this.#clientNext);
    this.#replyNext = i32(this.#replyNext);
    this.capacity = capacity;
    let buckets = 1;
    while (buckets < capacity) buckets *= 2;
    this.#mask = buckets - 1;
    this.#clientHeads = new Int32Array(buckets).fill(NONE);
    this.#replyHeads = new Int32Array(buckets).fill(NONE);
    for (let i = 0; i < from; i++) {
      if (this.state[i] === SESSION_LIVE) this.#linkClient(i);
      if (this.state[i] !== SESSION_FREE) this.#linkReply(i);
    }
    // Growth happens only when the free list is empty, so the new records are the whole list, lowest first.
    for (let i = capacity - 1; i >= from; i--) {
      this.#clientNext[i] = this.#free;
      this.#free = i;
    }
  }
}

function copyInto<T extends Int32Array | Float64Array>(target: T, old: T | undefined): T {
  if (old) target.set(old);
  return target;
}

function unlink(heads: Int32Array, next: Int32Array, bucket: number, i: number): void {
  let at = heads[bucket];
  if (at === i) {
    heads[bucket] = next[i]!;
    return;
  }
  while (at !== NONE) {
    const after = next[at];
    if (after === i) {
      next[at] = next[i]!;
      return;
    }
    at = after;
  }
}

function clientHash(listener: number, portBe: number, a0: number, a1: number, a2: number, a3: number): number {
  let h = Math.imul(a3 ^ Math.imul(portBe, 0x9e3779b1), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 15) ^ a2, 0xc2b2ae35);
  h = Math.imul(h ^ (h >>> 13) ^ a1 ^ Math.imul(a0, 0x27d4eb2f) ^ (listener << 7), 0x165667b1);
  return h ^ (h >>> 16);
}

function replyHash(upstream: number, endpoint: number): number {
  let h = Math.imul(upstream, 0x9e3779b1) ^ Math.imul(endpoint + 1, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 15), 0xc2b2ae35);
  return h ^ (h >>> 13);
}
