/**
 * A worker's session table: structure of arrays, two hash indexes over the same records (chains.ts). The arrays have their full length from the
 * start, so nothing is ever copied or hashed anew; the kernel gives the memory as records are used for the first time.
 * The client index finds a session by (listener, client address and port[, server]); the reply index by (upstream socket, server endpoint).
 * A lingering session has left the client index but still delivers late replies to its client; nothing new goes out on it.
 * Cap: `maxSessions`; at the cap `create` returns -1 and the caller drops with `table_full`.
 */
import { Chains, NONE, type ChainsHandover } from './chains.ts';

export const SESSION_FREE = 0;
export const SESSION_LIVE = 1;
export const SESSION_LINGERING = 2;

export interface SessionKey {
  listener: number;
  /** The client's port as the socket gave it (network order), only compared and copied. */
  portBe: number;
  a0: number;
  a1: number;
  a2: number;
  a3: number;
}

/** The arrays of a record, by name: what a successor takes over. Their names and order are part of the handover's layout (handover.ts). */
export const SESSION_COLUMNS = [
  'state', 'listener', 'portBe', 'a0', 'a1', 'a2', 'a3', 'server', 'endpoint', 'upstream', 'awaited', 'awaitedBefore',
  'expiresAt', 'createdAt', 'epochAt', 'lastAt', 'requestAt', 'packetsIn', 'bytesIn', 'packetsOut', 'bytesOut',
] as const;

/** Records 0..high-1 of a table, and its indexes: hashing a million sessions anew would hold datagrams up for most of a second. */
export interface SessionsHandover {
  readonly high: number;
  readonly clients: ChainsHandover;
  readonly replies: ChainsHandover;
  readonly columns: Readonly<Record<(typeof SESSION_COLUMNS)[number], Uint8Array | Int32Array | Float64Array>>;
}

export class SessionTable {
  /** Room for so many records, live and lingering. */
  readonly maxSessions: number;
  /** Records in use: live and lingering. */
  used = 0;
  /** One past the highest record ever used: bound for scans. */
  high = 0;

  readonly state: Uint8Array;
  readonly listener: Int32Array;
  readonly portBe: Int32Array;
  readonly a0: Int32Array;
  readonly a1: Int32Array;
  readonly a2: Int32Array;
  readonly a3: Int32Array;
  /** Server slot, endpoint and upstream socket the session is tied to. */
  readonly server: Int32Array;
  readonly endpoint: Int32Array;
  readonly upstream: Int32Array;
  /** request-reply: replies awaited from requests of this epoch and the one before. */
  readonly awaited: Int32Array;
  readonly awaitedBefore: Int32Array;
  readonly expiresAt: Float64Array;
  readonly createdAt: Float64Array;
  /** request-reply: when the awaited of now become the awaited of before. */
  readonly epochAt: Float64Array;
  readonly lastAt: Float64Array;
  /** When the last request that no reply has followed yet was sent; 0: none. */
  readonly requestAt: Float64Array;
  readonly packetsIn: Float64Array;
  readonly bytesIn: Float64Array;
  readonly packetsOut: Float64Array;
  readonly bytesOut: Float64Array;

  readonly #clients: Chains;
  readonly #replies: Chains;
  /** The record freed last, and for each freed record the one freed before it, both plus one; 0: none. */
  #freed = 0;
  readonly #freedBefore: Int32Array;
  /** Records from here on were never used. */
  #fresh = 0;

  constructor(maxSessions: number) {
    const i32 = (): Int32Array => new Int32Array(maxSessions);
    const f64 = (): Float64Array => new Float64Array(maxSessions);
    this.maxSessions = maxSessions;
    this.state = new Uint8Array(maxSessions);
    this.listener = i32();
    this.portBe = i32();
    this.a0 = i32();
    this.a1 = i32();
    this.a2 = i32();
    this.a3 = i32();
    this.server = i32();
    this.endpoint = i32();
    this.upstream = i32();
    this.awaited = i32();
    this.awaitedBefore = i32();
    this.expiresAt = f64();
    this.createdAt = f64();
    this.epochAt = f64();
    this.lastAt = f64();
    this.requestAt = f64();
    this.packetsIn = f64();
    this.bytesIn = f64();
    this.packetsOut = f64();
    this.bytesOut = f64();
    this.#freedBefore = i32();
    this.#clients = new Chains(maxSessions, (i) => clientHash(this.listener[i], this.portBe[i], this.a0[i], this.a1[i], this.a2[i], this.a3[i]));
    this.#replies = new Chains(maxSessions, (i) => replyHash(this.upstream[i], this.endpoint[i]));
  }

  /** Returns the live session of this client on this listener, or -1; `server` >= 0 asks for the one tied to that server slot. */
  findClient(listener: number, portBe: number, a0: number, a1: number, a2: number, a3: number, server: number): number {
    let i = this.#clients.first(clientHash(listener, portBe, a0, a1, a2, a3));
    while (i !== NONE) {
      if (this.portBe[i] === portBe && this.a3[i] === a3 && this.listener[i] === listener && this.a2[i] === a2
        && this.a1[i] === a1 && this.a0[i] === a0 && (server < 0 || this.server[i] === server)) return i;
      i = this.#clients.after(i);
    }
    return NONE;
  }

  /** Returns the session whose server endpoint answers on this upstream socket, or -1. */
  findReply(upstream: number, endpoint: number): number {
    let i = this.#replies.first(replyHash(upstream, endpoint));
    while (i !== NONE) {
      if (this.upstream[i] === upstream && this.endpoint[i] === endpoint) return i;
      i = this.#replies.after(i);
    }
    return NONE;
  }

  /** False at the cap: the next `create` would return -1. */
  get hasRoom(): boolean {
    return this.used < this.maxSessions;
  }

  /** Makes a live session and returns its record, or -1 at the cap. The caller has checked that neither key is taken. */
  create(key: SessionKey, tie: { server: number; endpoint: number; upstream: number }, now: number): number {
    if (!this.hasRoom) return NONE;
    let i = this.#freed - 1;
    if (i === NONE) i = this.#fresh++;
    else this.#freed = this.#freedBefore[i]!;
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
    this.#clients.link(i);
    this.#replies.link(i);
    return i;
  }

  /** Takes a live session out of the client index; its replies still find it. */
  linger(i: number): void {
    if (this.state[i] !== SESSION_LIVE) return;
    this.state[i] = SESSION_LINGERING;
    this.#clients.unlink(i);
  }

  /** Returns all records, as views that later changes show in. */
  handover(): SessionsHandover {
    const { high } = this;
    const columns = Object.fromEntries(SESSION_COLUMNS.map((name) => [name, this[name].subarray(0, high)])) as SessionsHandover['columns'];
    return { high, columns, clients: this.#clients.handover(high), replies: this.#replies.handover(high) };
  }

  /** Takes over another table's records under their numbers; this table must be empty. Throws RangeError when they are more than fit. */
  adopt({ high, columns, clients, replies }: SessionsHandover): void {
    if (high > this.maxSessions) throw new RangeError(`${high} session records for a table of ${this.maxSessions}`);
    for (const name of SESSION_COLUMNS) this[name].set(columns[name]);
    this.#clients.adopt(clients);
    this.#replies.adopt(replies);
    this.high = this.#fresh = high;
    this.used = high;
    for (let i = high - 1; i >= 0; i--) {
      if (this.state[i] !== SESSION_FREE) continue;
      this.#freedBefore[i] = this.#freed;
      this.#freed = i + 1;
      this.used--;
    }
  }

  /** Frees the record. */
  remove(i: number): void {
    if (this.state[i] === SESSION_FREE) return;
    if (this.state[i] === SESSION_LIVE) this.#clients.unlink(i);
    this.#replies.unlink(i);
    this.state[i] = SESSION_FREE;
    this.#freedBefore[i] = this.#freed;
    this.#freed = i + 1;
    this.used--;
    while (this.high > 0 && this.state[this.high - 1] === SESSION_FREE) this.high--;
  }
}

/** Hashes of one key each: they tell two programs apart whose indexes do not fit together. */
export const HASH_SAMPLE = [clientHash(1, 2, 3, 4, 5, 6), replyHash(7, 8)] as const;

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
