/** The model's session table: records as the program hands them out, found by the keys of either direction. */
import type { Way } from './headers.ts';

export type State = 'free' | 'claimed' | 'live' | 'lingering' | 'resting';

/** Addresses are latin1 of their bytes, ports host order, times the model's. */
export interface Session {
  readonly record: number;
  state: State;
  family: 4 | 6;
  kind: Kind;
  client: string;
  clientPort: number;
  vip: string;
  vipPort: number;
  source: string;
  /** 0: no port is taken (gateway, tunnel). */
  sourcePort: number;
  serverPort: number;
  server: number;
  director: number;
  expires: number;
  last: number;
  epoch: number;
  awaited: number;
  awaitedBefore: number;
  asked: boolean;
  way: Way;
  packetsOut: number;
  /** What replies are held against, and what they came to. */
  bytesIn: number;
  bytesOut: number;
}

export type Kind = 'two_way' | 'request_reply' | 'one_way';

export const ALLOC_PROBES = 16;
export const FULL_PROBES = 144;

export class Table {
  readonly capacity: number;
  readonly records: Session[];
  limit: number;
  cursor = 0;
  /** Sessions by the key of their clients' datagrams: two-way ones, while live. */
  readonly forward = new Map<string, Session>();
  /** Request-reply ones by that key and the server's slot. */
  readonly requests = new Map<string, Session>();
  /** Whoever has taken the tuple of a server's answers: until it is free again. */
  readonly reply = new Map<string, Session>();

  constructor(capacity: number, limit: number) {
    this.capacity = capacity;
    this.limit = limit;
    this.records = Array.from({ length: capacity }, (_, record) => blank(record));
  }

  /** Returns a record for a new session, or null. `age` takes a step with one whose time has come and returns true when that set it free. */
  claim(age: (s: Session) => boolean): Session | null {
    for (let i = 0; i < FULL_PROBES; i++) {
      if (i === ALLOC_PROBES && this.limit < this.capacity) {
        this.cursor = this.limit;
        this.limit *= 2;
      } else if (i !== 0 && i % ALLOC_PROBES === 0) {
        this.cursor += Math.floor(this.limit / 2) + Math.floor(this.limit / 8);
      }
      const s = this.records[(this.cursor++ >>> 0) % this.limit];
      if (s.state === 'free' || age(s)) {
        s.state = 'claimed';
        return s;
      }
    }
    return null;
  }
}

/** Returns the key of a client's datagrams. */
export function forwardKey(s: Session): string {
  return s.client + s.vip + port(s.clientPort) + port(s.vipPort);
}

/** Returns the key of a server's answers. */
export function replyKey(s: Session, serverAddress: string): string {
  return serverAddress + s.source + port(s.serverPort) + port(s.sourcePort);
}

/** Returns a port as it lies on the wire. */
export function port(value: number): string {
  return String.fromCharCode(value >> 8, value & 255);
}

function blank(record: number): Session {
  return {
    record, state: 'free', family: 4, kind: 'two_way', client: '', clientPort: 0, vip: '', vipPort: 0, source: '', sourcePort: 0, serverPort: 0, server: 0, director: 0,
    expires: 0, last: 0, epoch: 0, awaited: 0, awaitedBefore: 0, asked: false, way: { link: 0, mac: '' }, packetsOut: 0, bytesIn: 0, bytesOut: 0,
  };
}
