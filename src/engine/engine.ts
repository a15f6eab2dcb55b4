/**
 * The contract every engine keeps. test/contract holds each engine to it.
 * An engine knows plans and desired states; it never sees configuration text, health checks or the API.
 */
import type { Desired } from '../plan/desired.ts';
import type { Plan } from '../plan/plan.ts';
import type { DropReason } from './drops.ts';

export type EngineName = 'userspace' | 'xdp' | 'lvs';

/** A data plane. Methods may be called in any order after construction; calls never overlap (the daemon serialises them). */
export interface Engine {
  readonly name: EngineName;
  /** Tries the real thing (opens, loads, sends to itself) and says what was refused, each with its cure. */
  probe(): Promise<Probe>;
  /** Returns everything in `desired` this engine cannot do; empty when it can do all. Pure. */
  unsupported(desired: Desired): readonly Unsupported[];
  /** Returns what the data plane does now, read back from it where it can be read. */
  observe(): Promise<Desired>;
  /** Makes the data plane do `plan.next`. All of it, or none and EngineError; EngineError.landed names steps that could not be taken back. */
  apply(plan: Plan): Promise<void>;
  /** Returns all counters. Monotonic while `epoch` stays the same. */
  read(): Promise<Reading>;
  /** Returns one page of live sessions; never stalls the data plane for more than a page. */
  sessions(filter: SessionFilter, page: PageRequest): Promise<SessionPage>;
  /** Ends the sessions that match; returns how many. */
  purge(filter: SessionFilter): Promise<number>;
  /**
   * Moves live sessions of one client to a server of their director, where they stay as any session does; returns how many are there now
   * (0: the client has none). Late replies of the server they left still arrive. EngineError when director or server are not there, when the
   * sessions are not two-way, or when they would not stay (the server is dead, disabled, or drained with `on drain move`). Unsupported where an engine cannot.
   */
  pin(request: PinRequest): Promise<number>;
  /** Says where a datagram from `client` to `vip` would go now, and why, without sending or changing anything. */
  explain(query: ExplainQuery): Promise<Explanation>;
  /** 'remove' takes everything down; 'leave' leaves traffic flowing where the engine can. */
  close(how: 'leave' | 'remove'): Promise<void>;
  /** How its work passes to an engine of another process. Absent where traffic does not end with the process: close('leave') and a new start do the same there. */
  readonly succession?: Succession | undefined;
}

export interface Succession {
  /** What a successor must know to get ready; text that means something to the same engine alone. */
  terms(): Promise<string>;
  /**
   * Stops moving datagrams, which wait in their sockets, and calls `give`: when that resolves, a successor has the traffic and this engine only
   * waits for close; when it rejects, this one goes on as if nothing had happened, and the error is passed on.
   */
  handOver(give: (handover: EngineHandover) => Promise<void>): Promise<void>;
}

/** What a successor needs: `parts` mean something to the same engine alone, `descriptors` are open files of this process. */
export interface EngineHandover {
  readonly parts: readonly Uint8Array[];
  readonly descriptors: readonly number[];
}

/** What an engine tells on its own account; given at construction as `onEvent`. */
export type EngineEvent =
  /** ICMP port-unreachable (or host-unreachable) came back from a server: evidence at once. `atMs` is Date.now() time. */
  | { readonly kind: 'refused'; readonly director: string; readonly server: string; readonly atMs: number; readonly detail: string }
  | { readonly kind: 'fault'; readonly detail: string; readonly recovered: boolean };

export type Probe =
  | { readonly ok: true; readonly notes: readonly string[] }
  | { readonly ok: false; readonly refusals: readonly { readonly what: string; readonly cure: string }[] };

/** One thing this engine cannot do: a value for reports, an Error where it must stop an apply. */
export class Unsupported extends Error {
  readonly engine: EngineName;
  readonly what: string;
  readonly director: string | undefined;
  constructor(engine: EngineName, what: string, director?: string) {
    super(`engine ${engine} cannot do ${what}${director === undefined ? '' : ` (director ${director})`}`);
    this.name = 'Unsupported';
    this.engine = engine;
    this.what = what;
    this.director = director;
  }
}

/** An apply that failed. `cure` says what the operator can do; `landed` is what stayed changed (empty: nothing did). */
export class EngineError extends Error {
  readonly cure: string;
  readonly landed: readonly string[];
  constructor(message: string, options: { cure: string; landed?: readonly string[]; cause?: unknown }) {
    super(message, { cause: options.cause });
    this.name = 'EngineError';
    this.cure = options.cure;
    this.landed = options.landed ?? [];
  }
}

/** In = from clients towards servers; out = replies towards clients. Bytes are UDP payload bytes. */
export interface TrafficCounters {
  readonly packetsIn: number;
  readonly bytesIn: number;
  readonly packetsOut: number;
  readonly bytesOut: number;
}

export interface Reading {
  /** Changes whenever counters start again from zero. */
  readonly epoch: string;
  readonly atMs: number;
  readonly directors: readonly DirectorReading[];
  /** Gauges and counters of the engine itself, e.g. `sockets`, `session_table_capacity`. */
  readonly gauges: Readonly<Record<string, number>>;
  /** Drops that belong to no director. */
  readonly drops: Readonly<Partial<Record<DropReason, number>>>;
}

/** `packetsIn` counts datagrams received from clients; a server's counts datagrams really sent to it. in = sum(servers in) + drops. */
export interface DirectorReading extends TrafficCounters {
  readonly name: string;
  readonly sessions: number;
  readonly sessionsCreated: number;
  readonly drops: Readonly<Partial<Record<DropReason, number>>>;
  readonly servers: readonly ServerReading[];
}

export interface ServerReading extends TrafficCounters {
  readonly name: string;
  readonly address: string;
  readonly sessions: number;
  readonly sessionsCreated: number;
  /** Sessions moved away from this server by an `on` policy or evidence. */
  readonly sessionsMoved: number;
  /** Requests or sessions that ended without any reply. */
  readonly unanswered: number;
  readonly icmpErrors: number;
  /** Replies by the time since the last request before them (response-times.ts), RESPONSE_BUCKETS counts; null: this engine does not see replies. */
  readonly responseTimes: readonly number[] | null;
}

/** All given fields must match. `client` is an address or address:port. */
export interface SessionFilter {
  readonly director?: string;
  readonly server?: string;
  readonly client?: string;
}

/** `client` is an address (all its sessions) or address:port. */
export interface PinRequest {
  readonly director: string;
  readonly client: string;
  readonly server: string;
}

/** `cursor` is what the page before returned as `next`; `limit` is 1..1000. */
export interface PageRequest {
  readonly cursor?: string;
  readonly limit: number;
}

export interface SessionPage {
  readonly sessions: readonly SessionView[];
  /** null: this was the last page. */
  readonly next: string | null;
  /** All live sessions of the engine, matching or not. */
  readonly total: number;
}

export interface SessionView extends TrafficCounters {
  readonly director: string;
  readonly client: string;
  readonly vip: string;
  readonly server: string;
  readonly serverAddress: string;
  /** The balancer's own port towards the server. */
  readonly sourcePort: number;
  readonly ageMs: number;
  readonly idleMs: number;
  readonly expiresInMs: number;
  /** request-reply: replies still awaited. */
  readonly outstanding: number;
}

export interface ExplainQuery {
  readonly client: string;
  readonly vip: string;
  readonly protocol: 'udp' | 'tcp';
}

/** `server` null: it would be dropped, `why` says for what reason. */
export interface Explanation {
  readonly director: string | null;
  readonly server: string | null;
  readonly why: string;
  readonly candidates: readonly {
    readonly server: string;
    readonly state: string;
    readonly weight: number;
    readonly sessions: number;
    /** What the algorithm made of it, in words. */
    readonly note: string;
  }[];
}
