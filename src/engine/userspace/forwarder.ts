/**
 * Decides, for every datagram of one worker, where it goes. Knows sessions, policies and counters; knows nothing of sockets:
 * the loops (linux/, portable/) hand in addresses as words and carry out what it says. Time comes in as milliseconds.
 */
import type { OnAction } from '../../balance/terms.ts';
import { DROP_ID } from '../drops.ts';
import { responseBucket } from '../response-times.ts';
import { Chooser } from './chooser.ts';
import { Counts } from './counts.ts';
import { ONE_WAY, REQUEST_REPLY, TWO_WAY, policyOf, runtimeDirector, type RuntimeDirector, type SharedClock } from './director.ts';
import type { SlottedDirector } from './protocol.ts';
import { Rates } from './rates.ts';
import { POLICY_DROP, POLICY_KEEP, POLICY_MOVE, POLICY_NONE, ServerSlots, type SlotsHandover } from './server-slots.ts';
import { SESSION_FREE, SESSION_LIVE, SESSION_LINGERING, SessionTable, type SessionKey, type SessionsHandover } from './sessions.ts';
import { DIRECTOR_COUNTER, DIRECTOR_STRIDE, SERVER_COUNTER, SERVER_STRIDE, WORKER_COUNTER, type SharedViews } from './shared.ts';
import type { PoolsHandover, UpstreamPools } from './upstreams.ts';

/** How long a session that moved away still delivers replies of its old server to its client. */
export const LINGER_MS = 5_000;
/** How long a source port rests towards a server: after silence, and after a request that was answered in full. */
export const REST_MS = 30_000;
export const REST_ANSWERED_MS = 1_000;
/** How long a request-reply session stays after its last answer, so that a client that asks again finds it. */
export const ANSWERED_IDLE_MS = 1_000;
/** How long ICMP evidence blocks a server unless an apply decides otherwise, in deciseconds. */
export const BLOCK_DS = 100;

const C = SERVER_COUNTER;
const D = DIRECTOR_COUNTER;

/** A VIP address and port that datagrams arrive on. A wildcard VIP has one for each local address that was hit. */
export interface Listener {
  readonly id: number;
  readonly directorSlot: number;
  readonly vipPort: number;
}

export interface ForwarderHandover {
  readonly sessions: SessionsHandover;
  readonly slots: SlotsHandover;
  readonly pools: PoolsHandover;
  readonly orphanReplies: number;
  readonly noDirector: number;
  readonly persistenceEvictions: number;
  readonly sourceEvictions: number;
}

export class Forwarder {
  readonly table: SessionTable;
  readonly slots: ServerSlots;
  readonly chooser: Chooser;
  readonly rates: Rates;
  readonly shared: SharedViews;
  readonly clock: SharedClock = { ds: 0 };
  /** By director slot. */
  readonly directors: (RuntimeDirector | undefined)[] = [];
  /** By listener id. */
  readonly listeners: (Listener | undefined)[] = [];

  /** Where fromClient says the datagram goes. `session` is -1 for one-way. */
  toEndpoint = -1;
  toUpstream = -1;
  session = -1;
  serverSlot = -1;
  /** True when fromClient has just made `session`. */
  created = false;
  orphanReplies = 0;
  /** Datagrams of directors that were just removed. */
  noDirector = 0;

  readonly #upstreams: UpstreamPools;
  readonly #servers: Float64Array;
  readonly #directors: Float64Array;
  readonly #counts: Counts;
  readonly #onRefused: (serverSlot: number, detail: string) => void;
  readonly #key: SessionKey = { listener: 0, portBe: 0, a0: 0, a1: 0, a2: 0, a3: 0 };
  #now = 0;
  #sweepAt = 0;
  #sweepCursor = 0;

  constructor(options: {
    readonly shared: SharedViews; readonly worker: number; readonly maxSessions: number; readonly upstreams: UpstreamPools;
    readonly onRefused: (serverSlot: number, detail: string) => void;
  }) {
    this.shared = options.shared;
    this.table = new SessionTable(options.maxSessions);
    this.slots = new ServerSlots(options.shared.limits.servers);
    this.chooser = new Chooser(options.shared, this.clock);
    this.rates = new Rates(options.shared, this.clock);
    this.#upstreams = options.upstreams;
    this.#servers = options.shared.serverCounters[options.worker];
    this.#directors = options.shared.directorCounters[options.worker];
    this.#counts = new Counts(options.shared, options.worker);
    this.#onRefused = options.onRefused;
    // A worker that was started again counts on where the one before it died: counters never go back.
    const before = options.shared.workerCounters[options.worker];
    this.orphanReplies = before[WORKER_COUNTER.orphanReplies];
    this.noDirector = before[WORKER_COUNTER.noDirector];
    this.chooser.persistence.evictions = before[WORKER_COUNTER.persistenceEvictions];
    this.rates.sources.evictions = before[WORKER_COUNTER.sourceEvictions];
  }

  /** Sets the time for the datagrams that follow; once a batch. `now` is milliseconds since the shared epoch. */
  tick(now: number): void {
    this.#now = now;
    this.clock.ds = Math.floor(now / 100);
  }

  /**
   * A datagram of `length` payload bytes from a client. True: send it to `toEndpoint` from `toUpstream`, then call `sent`.
   * False: it is dropped and counted.
   */
  fromClient(listener: number, portBe: number, a0: number, a1: number, a2: number, a3: number, length: number, now: number): boolean {
    const l = this.listeners[listener];
    const d = l === undefined ? undefined : this.directors[l.directorSlot];
    if (l === undefined || d === undefined) {
      this.noDirector++;
      return false;
    }
    const base = d.slot * DIRECTOR_STRIDE;
    this.#directors[base + D.packetsIn]++;
    this.#directors[base + D.bytesIn] += length;
    this.created = false;
    if (d.kind === TWO_WAY) {
      let s = this.table.findClient(listener, portBe, a0, a1, a2, a3, -1);
      if (s >= 0) s = this.#stillGood(d, s, now);
      if (s === DROPPED) return false;
      if (s < 0) {
        const slot = this.chooser.choose(d, portBe, a0, a1, a2, a3);
        if (slot < 0) return this.drop(d.slot, DROP_ID.no_server);
        s = this.#create(d, l, slot, portBe, a0, a1, a2, a3, now);
        if (s < 0) return false;
      }
      this.table.expiresAt[s] = now + (this.table.packetsOut[s] > 0 ? d.repliedMs : d.unrepliedMs);
      return this.#forward(s, now);
    }
    const slot = this.chooser.choose(d, portBe, a0, a1, a2, a3);
    if (slot < 0) return this.drop(d.slot, DROP_ID.no_server);
    if (d.kind === ONE_WAY) return this.#oneWay(d, l, slot);
    let s = this.table.findClient(listener, portBe, a0, a1, a2, a3, slot);
    if (s >= 0 && now >= this.table.expiresAt[s]) {
      this.end(s, now);
      s = -1;
    }
    if (s < 0) {
      s = this.#create(d, l, slot, portBe, a0, a1, a2, a3, now);
      if (s < 0) return false;
    }
    this.table.awaited[s] += d.replies;
    this.#counts.active(slot, d.replies);
    this.table.expiresAt[s] = now + d.unrepliedMs;
    return this.#forward(s, now);
  }

  /** A datagram from a server. Returns the session whose client gets it, or -1: nobody's, dropped and counted. Ask `carries` before it is sent. */
  fromServer(upstream: number, endpoint: number): number {
    const s = endpoint < 0 ? -1 : this.table.findReply(upstream, endpoint);
    if (s >= 0 && this.#now < this.table.expiresAt[s]) return s;
    if (s >= 0) this.end(s, this.#now);
    this.orphanReplies++;
    return -1;
  }

  /**
   * Returns whether datagrams go from this upstream socket to this endpoint: an ICMP error of any other pair is about nothing that was sent, whoever
   * made it. A stranger must find a port with a session to put a server out.
   */
  sendsFrom(upstream: number, endpoint: number): boolean {
    return endpoint >= 0 && (this.#upstreams.isOneWay(upstream) || this.table.findReply(upstream, endpoint) >= 0);
  }

  /** Counts a datagram of `length` bytes really sent to the server of `fromClient`'s last answer (or of the given slot and session). */
  sent(serverSlot: number, session: number, length: number): void {
    const at = serverSlot * SERVER_STRIDE;
    this.#servers[at + C.packetsIn]++;
    this.#servers[at + C.bytesIn] += length;
    if (session >= 0) {
      this.table.packetsIn[session]++;
      this.table.bytesIn[session] += length;
    }
  }

  /** A request of `session` leaves at `now`: the next reply is timed from here. Must be called before the reply can come in. */
  requested(session: number, now: number): void {
    if (session >= 0) this.table.requestAt[session] = now;
  }

  /**
   * Whether the client of session `s` gets a reply of `length` bytes that came at `now`. True: it counts as carried, since replies are sent in
   * batches; call `replied` once it is sent, `unsent` when it could not be. False: beyond `session amplification`, dropped and counted.
   */
  carries(s: number, length: number, now: number): boolean {
    const { table } = this;
    const d = this.directors[this.slots.owner(table.server[s]).directorSlot];
    if (d !== undefined && d.amplification !== Infinity && table.bytesOut[s] + length > d.amplification * table.bytesIn[s]) {
      this.#answered(s, length, now);
      return this.drop(d.slot, DROP_ID.amplification);
    }
    table.bytesOut[s] += length;
    return true;
  }

  /** Counts a reply of `length` bytes that came at `now` and was really sent to the client of `s`, and lets the session live on. */
  replied(s: number, length: number, now: number): void {
    const { table } = this;
    table.packetsOut[s]++;
    const d = this.#answered(s, length, now);
    if (d === undefined || d.kind === REQUEST_REPLY || table.state[s] !== SESSION_LIVE) return;
    table.lastAt[s] = now;
    table.expiresAt[s] = now + d.repliedMs;
  }

  /** Takes back what `carries` counted for a reply of session `s` that was not sent. */
  unsent(s: number, length: number): void {
    this.table.bytesOut[s] -= length;
  }

  /** Counts a drop of a director's datagram; always returns false. */
  drop(directorSlot: number, reason: number): false {
    this.#directors[directorSlot * DIRECTOR_STRIDE + D.drops + reason]++;
    return false;
  }

  /** ICMP unreachable came back for this endpoint: its servers are blocked in all workers at once. */
  refused(endpoint: number, detail: string): void {
    if (endpoint < 0) return;
    for (const slot of this.slots.endpoints.slots[endpoint]) {
      this.#servers[slot * SERVER_STRIDE + C.icmpErrors]++;
      // A refused server answers each datagram with an ICMP error: once a second is news enough.
      if (Atomics.load(this.shared.blockedUntil, slot) >= this.clock.ds + BLOCK_DS - 10) continue;
      Atomics.store(this.shared.blockedUntil, slot, this.clock.ds + BLOCK_DS);
      this.#onRefused(slot, detail);
    }
  }

  /** Switches to a new set of directors. Sessions whose server left are dealt with at once, as its director's `on` says. */
  apply(slotted: readonly SlottedDirector[], now: number): void {
    this.tick(now);
    const next = new Map(slotted.map((s) => [s.slot, s]));
    const present = new Set(slotted.flatMap((s) => s.serverSlots));
    const affected = new Set<number>();
    this.directors.forEach((before, slot) => {
      const after = next.get(slot)?.director;
      // What the counts of its sessions mean depends on the session kind, so they end before it changes or the director goes.
      if (before === undefined || (after?.name === before.desired.name && after.session.kind === before.desired.session.kind)) return;
      this.#endWhere((s) => this.slots.owner(this.table.server[s]).directorSlot === slot, now);
    });
    for (const s of slotted) {
      const before = this.directors[s.slot];
      const runtime = runtimeDirector(s, this.shared, this.clock, before?.desired.name === s.director.name ? before : undefined);
      this.directors[s.slot] = runtime;
      const sorryNeeded = runtime.candidates.length === 0 || runtime.sorryInUse;
      s.director.servers.forEach((server, i) => {
        const slot = s.serverSlots[i];
        this.slots.set(slot, s.slot, server);
        if (this.slots.setPolicy(slot, policyOf(s.director, server, sorryNeeded), now)) affected.add(slot);
      });
    }
    for (const slot of this.slots.present()) {
      if (present.has(slot)) continue;
      const directorSlot = this.slots.owner(slot).directorSlot;
      const director = next.get(directorSlot)?.director;
      this.slots.remove(slot);
      if (director !== undefined && this.slots.setPolicy(slot, policyOf(director, null, false), now)) affected.add(slot);
    }
    for (let slot = 0; slot < this.directors.length; slot++) if (!next.has(slot)) this.directors[slot] = undefined;
    if (affected.size > 0) this.#moveFrom(affected, now);
  }

  /** Returns a copy of everything a successor needs to go on with the sessions of this worker. */
  handover(): ForwarderHandover {
    return {
      sessions: this.table.handover(), slots: this.slots.handover(), pools: this.#upstreams.handover(),
      orphanReplies: this.orphanReplies, noDirector: this.noDirector, persistenceEvictions: this.chooser.persistence.evictions, sourceEvictions: this.rates.sources.evictions,
    };
  }

  /** Goes on where another worker's forwarder stopped, with the directors it had. Listeners are the loop's to bring back. */
  adopt(handover: ForwarderHandover, slotted: readonly SlottedDirector[], now: number): void {
    this.slots.adopt(handover.slots);
    this.apply(slotted, now);
    this.slots.adoptEndpoints(handover.slots);
    this.#upstreams.adopt(handover.pools);
    this.table.adopt(handover.sessions);
    this.orphanReplies = handover.orphanReplies;
    this.noDirector = handover.noDirector;
    this.chooser.persistence.evictions = handover.persistenceEvictions;
    this.rates.sources.evictions = handover.sourceEvictions;
    this.#sweepAt = now;
  }

  /** Sessions on listeners that are gone end at once: there is nothing left to answer from. */
  endListener(listener: number, now: number): void {
    this.#endWhere((s) => this.table.listener[s] === listener, now);
    this.listeners[listener] = undefined;
  }

  /** Expires, moves and refreshes what is due; call often, it does its share of one pass over the table a second. */
  sweep(now: number): void {
    const { table } = this;
    const due = Math.min(table.high, Math.ceil(((now - this.#sweepAt) / 1000) * table.high) + 64);
    this.#sweepAt = now;
    for (let n = 0; n < due; n++) {
      if (this.#sweepCursor >= table.high) this.#sweepCursor = 0;
      if (table.high === 0) return;
      this.#sweepOne(this.#sweepCursor++, now);
    }
  }

  /**
   * Moves live session `s` of a two-way director to another of its server slots, as an `on` policy would: late replies of the old server
   * still arrive. Returns the session it is now, or -1: no port or no room, and it stays where it was.
   */
  pin(s: number, slot: number, now: number): number {
    const { table } = this;
    if (table.server[s] === slot) return s;
    const l = this.listeners[table.listener[s]];
    const d = l === undefined ? undefined : this.directors[l.directorSlot];
    if (l === undefined || d === undefined || !table.hasRoom) return -1;
    const endpoint = this.slots.endpointOf(slot, l.vipPort);
    const upstream = this.#upstreams.take(d.desired.sourceNat, this.slots.endpoints.ips[endpoint].family, endpoint, now);
    if (upstream < 0) return -1;
    this.#moveAway(s, now);
    this.#counts.sessions(d.slot, 1);
    return this.#tie(d, l, slot, endpoint, upstream, table.portBe[s], table.a0[s], table.a1[s], table.a2[s], table.a3[s], now);
  }

  /** Ends a session of whatever state; its port rests. */
  end(s: number, now: number): void {
    const { table } = this;
    const slot = table.server[s];
    const directorSlot = this.slots.owner(slot).directorSlot;
    const d = this.directors[directorSlot];
    const unanswered = table.awaited[s] + table.awaitedBefore[s];
    const answered = table.packetsOut[s] > 0 && unanswered === 0;
    if (table.state[s] === SESSION_LIVE) {
      this.#uncount(s, slot, directorSlot);
      if (unanswered > 0 || !answered) this.#servers[slot * SERVER_STRIDE + C.unanswered] += Math.max(1, unanswered);
      if (d !== undefined && d.persistenceDs > 0) this.#persist(d, s);
    }
    table.remove(s);
    this.#counts.refs(slot, -1);
    const restMs = d?.kind === REQUEST_REPLY && answered ? REST_ANSWERED_MS : REST_MS;
    this.#upstreams.release(table.upstream[s], table.endpoint[s], now, restMs);
  }

  // The server has answered, whether or not its client may have the answer: a server is not to be judged silent for what was dropped here.
  #answered(s: number, length: number, now: number): RuntimeDirector | undefined {
    const { table } = this;
    const slot = table.server[s];
    const at = slot * SERVER_STRIDE;
    this.#servers[at + C.packetsOut]++;
    this.#servers[at + C.bytesOut] += length;
    if (table.requestAt[s] > 0) {
      this.#servers[at + C.responseTimes + responseBucket((now - table.requestAt[s]) * 1e6)]++;
      table.requestAt[s] = 0;
    }
    const d = this.directors[this.slots.owner(slot).directorSlot];
    if (d === undefined) return undefined;
    const base = d.slot * DIRECTOR_STRIDE;
    this.#directors[base + D.packetsOut]++;
    this.#directors[base + D.bytesOut] += length;
    if (d.kind === REQUEST_REPLY) this.#answerAwaited(s, slot, now);
    return d;
  }

  #answerAwaited(s: number, slot: number, now: number): void {
    const { table } = this;
    // Answers belong to recent requests nearly always; what stays in the epoch before is what was lost.
    if (table.awaited[s] > 0) table.awaited[s]--;
    else if (table.awaitedBefore[s] > 0) table.awaitedBefore[s]--;
    else return;
    if (table.state[s] !== SESSION_LIVE) return;
    this.#counts.active(slot, -1);
    if (table.awaited[s] === 0 && table.awaitedBefore[s] === 0) table.expiresAt[s] = now + ANSWERED_IDLE_MS;
  }

  #create(d: RuntimeDirector, l: Listener, slot: number, portBe: number, a0: number, a1: number, a2: number, a3: number, now: number): number {
    if (!this.rates.admit(d, a0, a1, a2, a3)) {
      this.drop(d.slot, DROP_ID.rate_limit);
      return -1;
    }
    if (this.#counts.sessions(d.slot, 1) >= d.max) return this.#refuse(d.slot, DROP_ID.session_max);
    if (!this.table.hasRoom) return this.#refuse(d.slot, DROP_ID.table_full);
    const endpoint = this.slots.endpointOf(slot, l.vipPort);
    const upstream = this.#upstreams.take(d.desired.sourceNat, this.slots.endpoints.ips[endpoint].family, endpoint, now);
    if (upstream < 0) return this.#refuse(d.slot, DROP_ID.no_port);
    return this.#tie(d, l, slot, endpoint, upstream, portBe, a0, a1, a2, a3, now);
  }

  // Makes the session for which room, endpoint and upstream socket were found and which the director's count holds already.
  #tie(d: RuntimeDirector, l: Listener, slot: number, endpoint: number, upstream: number, portBe: number, a0: number, a1: number, a2: number, a3: number, now: number): number {
    const { table } = this;
    const key = this.#key;
    key.listener = l.id;
    key.portBe = portBe;
    key.a0 = a0;
    key.a1 = a1;
    key.a2 = a2;
    key.a3 = a3;
    const s = table.create(key, { server: slot, endpoint, upstream }, now);
    this.created = true;
    this.#counts.refs(slot, 1);
    this.#counts.live(slot, 1);
    if (d.kind === TWO_WAY) this.#counts.active(slot, 1);
    this.#servers[slot * SERVER_STRIDE + C.created]++;
    this.#directors[d.slot * DIRECTOR_STRIDE + D.created]++;
    table.expiresAt[s] = now + d.unrepliedMs;
    table.epochAt[s] = now + d.unrepliedMs;
    if (d.persistenceDs > 0) this.#persist(d, s);
    return s;
  }

  #refuse(directorSlot: number, reason: number): -1 {
    this.#counts.sessions(directorSlot, -1);
    this.drop(directorSlot, reason);
    return -1;
  }

  #forward(s: number, now: number): true {
    const { table } = this;
    table.lastAt[s] = now;
    this.session = s;
    this.serverSlot = table.server[s];
    this.toEndpoint = table.endpoint[s];
    this.toUpstream = table.upstream[s];
    return true;
  }

  #oneWay(d: RuntimeDirector, l: Listener, slot: number): boolean {
    const endpoint = this.slots.endpointOf(slot, l.vipPort);
    const upstream = this.#upstreams.oneWay(d.desired.sourceNat, this.slots.endpoints.ips[endpoint].family, endpoint);
    if (upstream < 0) return this.drop(d.slot, DROP_ID.no_port);
    this.session = -1;
    this.serverSlot = slot;
    this.toEndpoint = endpoint;
    this.toUpstream = upstream;
    return true;
  }

  // Returns the session to use, -1 when a new one is wanted, DROPPED when policy drops the datagram.
  #stillGood(d: RuntimeDirector, s: number, now: number): number {
    const { table } = this;
    if (now >= table.expiresAt[s]) {
      this.end(s, now);
      return -1;
    }
    const slot = table.server[s];
    const policy = this.slots.policy[slot];
    if (policy === POLICY_NONE) {
      if (this.shared.blockedUntil[slot] <= this.clock.ds) return s;
      // Evidence alone moves a session only where there is an elsewhere: a lone server that restarts would cost a session and a port a datagram.
      if (d.desired.on.down.kind === 'move' && this.chooser.choose(d, table.portBe[s], table.a0[s], table.a1[s], table.a2[s], table.a3[s]) === slot) return s;
      return this.#byAction(d, s, d.desired.on.down.kind, now);
    }
    if (policy === POLICY_KEEP && now < this.slots.keepUntil[slot]) return s;
    return this.#byAction(d, s, policy === POLICY_DROP ? 'drop' : 'move', now);
  }

  #byAction(d: RuntimeDirector, s: number, action: OnAction['kind'], now: number): number {
    if (action === 'keep') return s;
    if (action === 'drop') {
      this.drop(d.slot, DROP_ID.on_policy);
      return DROPPED;
    }
    this.#moveAway(s, now);
    return -1;
  }

  #moveAway(s: number, now: number): void {
    const slot = this.table.server[s];
    this.#servers[slot * SERVER_STRIDE + C.moved]++;
    this.#uncount(s, slot, this.slots.owner(slot).directorSlot);
    this.table.linger(s);
    this.table.expiresAt[s] = now + LINGER_MS;
  }

  // Takes a live session out of every count but refs.
  #uncount(s: number, slot: number, directorSlot: number): void {
    const { table } = this;
    this.#counts.live(slot, -1);
    this.#counts.sessions(directorSlot, -1);
    const d = this.directors[directorSlot];
    const awaited = table.awaited[s] + table.awaitedBefore[s];
    this.#counts.active(slot, -(awaited > 0 || d?.kind === REQUEST_REPLY ? awaited : 1));
  }

  #sweepOne(s: number, now: number): void {
    const { table } = this;
    if (table.state[s] === SESSION_FREE) return;
    if (now >= table.expiresAt[s]) return this.end(s, now);
    if (table.state[s] === SESSION_LINGERING) return;
    const slot = table.server[s];
    const policy = this.slots.policy[slot];
    if (policy === POLICY_MOVE || (policy === POLICY_KEEP && now >= this.slots.keepUntil[slot])) return this.#moveAway(s, now);
    const d = this.directors[this.slots.owner(slot).directorSlot];
    if (d === undefined) return this.end(s, now);
    // Not of one that takes no new sessions: its client's next one goes elsewhere, and stays there.
    if (d.persistenceDs > 0 && policy === POLICY_NONE) this.#persist(d, s);
    if (d.kind === REQUEST_REPLY) this.#turnEpoch(d, s, slot, now);
  }

  // A request unanswered for one whole epoch (unrepliedMs) is given up: leastconn must not count the lost for ever.
  #turnEpoch(d: RuntimeDirector, s: number, slot: number, now: number): void {
    const { table } = this;
    if (now < table.epochAt[s]) return;
    const lost = table.awaitedBefore[s];
    if (lost > 0) {
      this.#servers[slot * SERVER_STRIDE + C.unanswered] += lost;
      this.#counts.active(slot, -lost);
    }
    table.awaitedBefore[s] = table.awaited[s];
    table.awaited[s] = 0;
    table.epochAt[s] = now + d.unrepliedMs;
  }

  #moveFrom(slots: ReadonlySet<number>, now: number): void {
    const { table } = this;
    for (let s = table.high - 1; s >= 0; s--) if (table.state[s] === SESSION_LIVE && slots.has(table.server[s])) this.#moveAway(s, now);
  }

  #endWhere(matches: (s: number) => boolean, now: number): void {
    for (let s = this.table.high - 1; s >= 0; s--) if (this.table.state[s] !== SESSION_FREE && matches(s)) this.end(s, now);
  }

  #persist(d: RuntimeDirector, s: number): void {
    const { table } = this;
    this.chooser.persist(d, table.server[s], table.lastAt[s], table.a0[s], table.a1[s], table.a2[s], table.a3[s]);
  }
}

const DROPPED = -2;
