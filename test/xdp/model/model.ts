/**
 * The data plane once more, in plain words and without a clock of its own: what becomes of a frame, and what everything counts afterwards.
 * It follows docs and bpf/ in what is decided, and shares nothing with it in how.
 */
import type { DropReason } from '../../../src/engine/drops.ts';
import { age, complete, corrected, framed, readdress, renumber, rewrite, tooBig, tunnelled, words, type Way } from './headers.ts';
import { count, type Counters, type Director, type Policy, type Server } from './parties.ts';
import { forwardKey, replyKey, Table, type Session } from './table.ts';
import { read, type Icmp, type Later, type Udp } from './wire.ts';

/** `out`: the frame that leaves. */
export type Outcome = { readonly verdict: 'pass' } | { readonly verdict: 'drop' } | { readonly verdict: 'redirect'; readonly out: Buffer };

export interface Link {
  readonly id: number;
  readonly mac: Buffer;
  /** 0: untagged. */
  readonly tci: number;
  readonly mtu: number;
}

/** Durations in the model's time. */
export interface Times {
  readonly linger: number;
  readonly rest: number;
  readonly restAnswered: number;
  readonly answeredIdle: number;
  readonly block: number;
}

export interface ModelOptions {
  readonly capacity: number;
  readonly limit: number;
  readonly times: Times;
  readonly links: readonly Link[];
  /** Link id of a device and VLAN id (0: none), 0 when it is in none. */
  readonly ingress: (device: string, vlan: number) => number;
  /** Director of an address and port; `whole`: of the address alone, null for none, and true when it is a VIP of whoever. */
  readonly directorAt: (address: string, port: number) => number | null;
  readonly isVip: (address: string) => boolean;
  /** Server at an endpoint, for evidence without a session. */
  readonly serverAt: (address: string, port: number) => number | null;
}

interface Fragment {
  readonly src: string;
  readonly dst: string;
  readonly way: Way | null;
  readonly counter: number;
  readonly seenAt: number;
  readonly server: Server;
  /** So are those after it. */
  readonly dropped: boolean;
}

const PASS: Outcome = { verdict: 'pass' };
const DROP: Outcome = { verdict: 'drop' };
/** The model's time goes in steps far above this, and stands still between. */
const FRAGMENT_TICKS = 30 << 10;

export class Model {
  readonly servers = new Map<number, Server>();
  readonly directors = new Map<number, Director>();
  readonly table: Table;
  readonly persisted = new Map<string, { server: number; until: number }>();
  readonly ofNone: Counters = {};
  readonly fragments = new Map<string, Fragment>();
  fragmentId = 0;
  sessions = 0;
  records = 0;
  now = 0;
  readonly #options: ModelOptions;
  readonly #links: ReadonlyMap<number, Link>;

  constructor(options: ModelOptions) {
    this.#options = options;
    this.#links = new Map(options.links.map((link) => [link.id, link]));
    this.table = new Table(options.capacity, options.limit);
  }

  /** What becomes of a frame that came in by a device. */
  frame(bytes: Buffer, device: string): Outcome {
    const seen = read(bytes);
    switch (seen?.what) {
      case undefined:
        return PASS;
      case 'udp':
        return this.#udp(bytes, seen, device);
      case 'later':
        return this.#later(bytes, seen);
      case 'icmp':
        return this.#icmp(bytes, seen);
    }
  }

  /** The sweep's step with one record: what it answers for it. */
  sweepOne(record: number): 'done' | 'freed' | 'live' | null {
    const s = this.table.records[record];
    if (s.state === 'free' || s.state === 'claimed') return null;
    if (s.expires <= this.now) return this.#aged(s);
    if (s.state !== 'live') return null;
    const server = this.#server(s);
    const { persistence, unreplied } = this.#director(s).settings;
    if (server.policy === 'move' || (server.policy === 'keep' && server.policyUntil !== 0 && server.policyUntil <= this.now)) {
      this.end(s, true);
      return 'done';
    }
    if (persistence > 0 && server.policy === 'none') this.#persist(s);
    if (s.kind === 'request_reply' && s.epoch <= this.now) {
      if (s.awaitedBefore > 0) {
        count(server.counters, 'unanswered', s.awaitedBefore);
        server.active -= s.awaitedBefore;
      }
      s.awaitedBefore = s.awaited;
      s.awaited = 0;
      s.epoch = this.now + unreplied;
    }
    return 'live';
  }

  /** Ends a live session; false when it is none. */
  end(s: Session, linger: boolean): boolean {
    if (s.state !== 'live') return false;
    const { times } = this.#options;
    const server = this.#server(s);
    const director = this.#director(s);
    this.table.forward.delete(forwardKey(s));
    this.table.requests.delete(`${forwardKey(s)}${s.server}`);
    const awaited = s.awaited + s.awaitedBefore;
    s.awaited = s.awaitedBefore = 0;
    server.live--;
    director.sessions--;
    this.sessions--;
    server.active -= s.kind === 'request_reply' ? awaited : 1;
    if (linger) count(server.counters, 'moved');
    else if (server.mode === 'nat' && (awaited > 0 || s.packetsOut === 0)) count(server.counters, 'unanswered', Math.max(1, awaited));
    if (director.settings.persistence > 0 && !linger && server.policy === 'none') this.#persist(s);
    const rest = s.kind === 'request_reply' && awaited === 0 && s.packetsOut > 0 ? times.restAnswered : times.rest;
    s.expires = this.now + (linger ? times.linger : rest);
    s.state = linger ? 'lingering' : 'resting';
    return true;
  }

  /** Moves a live two-way session to another server of its director; false when it is none, or has no place there (and ends). */
  pin(s: Session, server: Server): boolean {
    if (s.state !== 'live') return false;
    if (s.server === server.slot) return true;
    const { client, clientPort, vip, vipPort, family, director, way } = s;
    this.end(s, true);
    const made = this.#create({ client, clientPort, vip, vipPort, family, way: { link: 0, mac: '' } }, this.#of(this.directors, director), server);
    if (typeof made === 'string') return false;
    made.way = way;
    return true;
  }

  #udp(bytes: Buffer, udp: Udp, device: string): Outcome {
    const way = { link: this.#options.ingress(device, udp.tag & 0xfff), mac: bytes.toString('latin1', 6, 12) };
    const answered = this.table.reply.get(udp.key);
    if (answered !== undefined) return this.#fromServer(bytes, udp, answered, way);
    const half = udp.family === 4 ? 4 : 16;
    const from: Origin = {
      family: udp.family, client: udp.key.slice(0, half), vip: udp.key.slice(half, 2 * half), clientPort: bytes.readUInt16BE(udp.l4), vipPort: bytes.readUInt16BE(udp.l4 + 2),
      way,
    };
    const s = this.table.forward.get(udp.key);
    const standing = s === undefined ? 'none' : this.#standing(s, udp.length);
    if (standing === 'dropped') return DROP;
    if (standing === 'good') return this.#toServer(bytes, udp, s as Session, from);
    return this.#newFlow(bytes, udp, from);
  }

  /** What a live session on its server means for its client's datagram; `none`: it is no more. */
  #standing(s: Session, length: number): 'good' | 'none' | 'dropped' {
    if (s.expires <= this.now) {
      this.end(s, false);
      return 'none';
    }
    const server = this.#server(s);
    const director = this.#director(s);
    let policy: Policy = server.policy;
    if (policy === 'none') {
      if (!server.blocked(this.now)) return 'good';
      policy = director.settings.downAction;
      if (policy === 'move' && !director.hasElsewhere(server, this.now)) return 'good';
      // A director that says nothing of the down ones moves them.
      if (policy === 'none') policy = 'move';
    } else if (policy === 'keep' && server.policyUntil !== 0 && server.policyUntil <= this.now) {
      policy = 'move';
    }
    if (policy === 'keep') return 'good';
    if (policy === 'drop') {
      this.#drop(director.counters, 'on_policy', length);
      return 'dropped';
    }
    this.end(s, true);
    return 'none';
  }

  #newFlow(bytes: Buffer, udp: Udp, from: Origin): Outcome {
    const slot = this.#options.directorAt(from.vip, from.vipPort);
    if (slot === null) return PASS;
    const director = this.#of(this.directors, slot);
    const { kind, persistence, replies } = director.settings;
    const server = (persistence > 0 ? this.#persistedServer(director, from.client) : null) ?? director.choose(from.client, from.clientPort, this.now);
    if (server === null) return this.#drop(director.counters, 'no_server', udp.length);
    if (kind === 'one_way') return this.#alone(bytes, udp, from, server);
    let s = kind === 'request_reply' ? this.table.requests.get(`${udp.key}${server.slot}`) : undefined;
    if (s !== undefined && s.expires <= this.now) {
      this.end(s, false);
      s = undefined;
    }
    if (s === undefined) {
      const made = this.#create(from, director, server);
      if (typeof made === 'string') {
        if (server.mode === 'nat' || made === 'session_max') return this.#drop(director.counters, made, udp.length);
        count(director.counters, 'stateless');
        return this.#alone(bytes, udp, from, director.byFlow(server, from.client, from.clientPort, this.now));
      }
      s = made;
    }
    if (kind === 'request_reply') {
      s.awaited += replies;
      server.active += replies;
    }
    return this.#toServer(bytes, udp, s, from);
  }

  #create(from: Origin, director: Director, server: Server): Session | DropReason {
    if (director.sessions >= director.settings.max) return 'session_max';
    const s = this.table.claim((other) => this.#aged(other) === 'freed');
    if (s === null) return 'table_full';
    const { settings } = director;
    const idle = settings.mode === 'nat' ? settings.unreplied : settings.replied;
    Object.assign(s, {
      family: from.family, kind: settings.kind, client: from.client, clientPort: from.clientPort, vip: from.vip, vipPort: from.vipPort, way: from.way,
      source: server.source ?? from.client, sourcePort: 0, serverPort: server.port || from.vipPort, server: server.slot, director: settings.slot,
      expires: this.now + idle, last: this.now, epoch: this.now + settings.unreplied, awaited: 0, awaitedBefore: 0, asked: false, packetsOut: 0, bytesIn: 0, bytesOut: 0,
    } satisfies Partial<Session>);
    if (server.mode === 'nat' && !this.#takePort(s, server)) {
      s.state = 'free';
      return 'no_port';
    }
    if (settings.kind === 'two_way') this.table.forward.set(forwardKey(s), s);
    else this.table.requests.set(`${forwardKey(s)}${s.server}`, s);
    s.state = 'live';
    server.refs++;
    server.live++;
    if (settings.kind === 'two_way') server.active++;
    director.sessions++;
    this.sessions++;
    this.records++;
    count(server.counters, 'created');
    if (settings.persistence > 0) this.#persist(s);
    return s;
  }

  /** Sixteen ports are tried; without source NAT the client's own is the first of them. */
  #takePort(s: Session, server: Server): boolean {
    const [first, last] = server.ports;
    const range = last - first + 1;
    for (let tries = 0; tries < 16; tries++) {
      const own = server.source === null && tries === 0;
      if (own) {
        s.sourcePort = s.clientPort;
      } else {
        // In a wide range the third try is anywhere. None of the model's worlds gets there.
        if (tries >= 2 && range > 64) throw new Error('the model cannot know what the kernel rolls');
        const turn = server.portNext;
        server.portNext = (turn + 1) >>> 0;
        s.sourcePort = first + (turn % range);
        if (server.source !== null && server.sourceCount > 1) s.source = plus(server.source, Math.floor(turn / range) % server.sourceCount);
      }
      if (s.sourcePort === 0) continue;
      const key = replyKey(s, server.address);
      const taker = this.table.reply.get(key);
      if (taker !== undefined) {
        const same = own && taker.state === 'resting' && taker.server === s.server && forwardKey(taker) === forwardKey(s) && taker.family === s.family;
        if (!same) continue;
        this.#free(taker);
      }
      this.table.reply.set(key, s);
      return true;
    }
    s.sourcePort = 0;
    return false;
  }

  /** One step with a record whose time may have come. */
  #aged(s: Session): 'done' | 'freed' | null {
    if (s.expires > this.now) return null;
    switch (s.state) {
      case 'live':
        this.end(s, false);
        return 'done';
      case 'lingering':
        s.state = 'resting';
        s.expires = this.now + this.#options.times.rest;
        return null;
      case 'resting':
        this.#free(s);
        return 'freed';
      case 'free':
      case 'claimed':
        return null;
    }
  }

  #free(s: Session): void {
    const server = this.#server(s);
    if (s.sourcePort !== 0) this.table.reply.delete(replyKey(s, server.address));
    server.refs--;
    this.records--;
    s.state = 'free';
  }

  #toServer(bytes: Buffer, udp: Udp, s: Session, from: Origin): Outcome {
    const server = this.#server(s);
    const { unreplied, replied, amplification } = this.#director(s).settings;
    count(server.counters, 'packets_in');
    count(server.counters, 'bytes_in', udp.length);
    s.bytesIn += amplification > 0 ? Math.min(udp.length, udp.present) : udp.length;
    s.last = this.now;
    s.expires = this.now + (s.kind === 'two_way' && (s.packetsOut > 0 || server.mode !== 'nat') ? replied : unreplied);
    s.asked = true;
    s.way = from.way;
    return this.#deliver(bytes, udp, server, { there: server.way, back: from.way }, { src: s.source, dst: server.address, sport: s.sourcePort, dport: s.serverPort }, server.mode);
  }

  #alone(bytes: Buffer, udp: Udp, from: Origin, server: Server): Outcome {
    count(server.counters, 'packets_in');
    count(server.counters, 'bytes_in', udp.length);
    return this.#deliver(bytes, udp, server, { there: server.way, back: from.way }, { src: server.source ?? from.client, dst: server.address, sport: from.clientPort, dport: server.port || from.vipPort }, server.mode);
  }

  #fromServer(bytes: Buffer, udp: Udp, s: Session, from: Way): Outcome {
    const server = this.#server(s);
    if ((s.state !== 'live' && s.state !== 'lingering') || s.expires <= this.now) {
      count(this.ofNone, 'unexpected_reply');
      return DROP;
    }
    count(server.counters, 'packets_out');
    count(server.counters, 'bytes_out', udp.length);
    if (s.asked) count(server.counters, 'responses');
    s.asked = false;
    const { amplification } = this.#director(s).settings;
    const carried = amplification === 0 || s.bytesOut + udp.length <= amplification * s.bytesIn;
    if (carried) {
      s.packetsOut++;
      s.bytesOut += udp.length;
    }
    if (s.state === 'live') this.#answered(s, server, carried);
    if (!carried) {
      if (udp.fragment >= 0) this.#remember(bytes, udp, { src: '', dst: '', way: null, counter: this.fragmentId++ >>> 0, seenAt: this.now, server, dropped: true });
      return this.#lost(this.#director(s), 'amplification');
    }
    return this.#deliver(bytes, udp, server, { there: s.way, back: from }, { src: s.vip, dst: s.client, sport: s.vipPort, dport: s.clientPort }, 'nat');
  }

  #answered(s: Session, server: Server, carried: boolean): void {
    if (s.kind !== 'request_reply') {
      if (!carried) return;
      s.last = this.now;
      s.expires = this.now + this.#director(s).settings.replied;
      return;
    }
    if (s.awaited > 0) s.awaited--;
    else if (s.awaitedBefore > 0) s.awaitedBefore--;
    else return;
    server.active--;
    if (s.awaited === 0 && s.awaitedBefore === 0) s.expires = this.now + this.#options.times.answeredIdle;
  }

  /** `server`: whom, or on whose behalf, a drop counts. */
  #deliver(bytes: Buffer, udp: Udp, server: Server, { there: way, back }: { there: Way | null; back: Way }, ends: { src: string; dst: string; sport: number; dport: number }, mode: Server['mode']): Outcome {
    const { family, l3 } = udp;
    const director = this.#of(this.directors, server.director);
    const length = packetLength(bytes, l3, family);
    const hops = bytes[l3 + (family === 4 ? 8 : 7)];
    if (hops <= 1) return this.#lost(director, 'ttl');
    const outer = mode === 'tunnel' ? outerLength(family) : 0;
    if (!this.#fits(way, length + outer)) {
      count(director.counters, 'too_big');
      const answered = back.link !== 0 && (family === 6 || (bytes[l3] === 0x45 && (bytes[l3 + 6] & 0x40) !== 0));
      return answered ? this.#send(tooBig(bytes, l3, family, (this.#links.get(way?.link ?? 0)?.mtu ?? 0) - outer), family, back, director) : DROP;
    }
    const packet = Buffer.from(bytes.subarray(l3));
    const at = udp.l4 - l3;
    if (udp.fragment < 0) {
      complete(packet, 0, at, family);
    } else {
      const counter = this.fragmentId++ >>> 0;
      this.#remember(bytes, udp, { src: ends.src, dst: ends.dst, way, counter, seenAt: this.now, server, dropped: false });
      if (mode === 'nat') renumber(packet, 0, family, udp.fragment - l3, counter);
    }
    age(packet, 0, family);
    if (mode === 'nat') rewrite(packet, 0, at, family, ends);
    return this.#send(mode === 'tunnel' ? tunnelled(packet, family, server.encap, ends.dst, length) : packet, family, way, director);
  }

  #remember(bytes: Buffer, { l3, family, fragment }: Udp, first: Fragment): void {
    this.fragments.set(fragmentKey(bytes, l3, family, fragment), first);
  }

  #later(bytes: Buffer, { family, l3, fragment }: Later): Outcome {
    const first = this.fragments.get(fragmentKey(bytes, l3, family, fragment));
    if (first === undefined || this.now - first.seenAt >= FRAGMENT_TICKS) {
      const dst = family === 4 ? bytes.toString('latin1', l3 + 16, l3 + 20) : bytes.toString('latin1', l3 + 24, l3 + 40);
      if (this.#options.isVip(dst)) count(this.ofNone, 'fragment');
      return PASS;
    }
    if (first.dropped) return DROP;
    count(this.ofNone, 'fragments');
    const { server, way, counter } = first;
    const director = this.#of(this.directors, server.director);
    const length = packetLength(bytes, l3, family);
    if (bytes[l3 + (family === 4 ? 8 : 7)] <= 1) return this.#lost(director, 'ttl');
    if (!this.#fits(way, length + (server.mode === 'tunnel' ? outerLength(family) : 0))) return this.#lost(director, 'too_big');
    const packet = Buffer.from(bytes.subarray(l3));
    age(packet, 0, family);
    if (server.mode === 'nat') {
      renumber(packet, 0, family, fragment - l3, counter);
      readdress(packet, 0, family, first);
    }
    return this.#send(server.mode === 'tunnel' ? tunnelled(packet, family, server.encap, first.dst, length) : packet, family, way, director);
  }

  #icmp(bytes: Buffer, icmp: Icmp): Outcome {
    const { family, l3 } = icmp;
    const half = family === 4 ? 4 : 16;
    const answered = this.table.reply.get(icmp.key);
    const s = answered ?? this.table.forward.get(icmp.key);
    if (s === undefined) {
      const slot = icmp.evidence ? this.#options.serverAt(icmp.key.slice(0, half), icmp.key.charCodeAt(2 * half) * 256 + icmp.key.charCodeAt(2 * half + 1)) : null;
      if (slot !== null) this.#evidence(this.#of(this.servers, slot));
      return PASS;
    }
    const server = this.#server(s);
    const director = this.#director(s);
    if (answered !== undefined && icmp.evidence) {
      this.#evidence(server);
      return DROP;
    }
    if (bytes[l3 + (family === 4 ? 8 : 7)] <= 1) return this.#lost(director, 'ttl');
    count(director.counters, 'icmp_translated');
    count(server.counters, 'icmp');
    const ends = answered !== undefined ? { src: s.client, dst: s.vip, sport: s.clientPort, dport: s.vipPort } : { src: server.address, dst: s.source, sport: s.serverPort, dport: s.sourcePort };
    const packet = Buffer.from(bytes.subarray(l3));
    translate(packet, family, icmp.inner - l3, icmp.l4 - l3, ends);
    age(packet, 0, family);
    return this.#send(packet, family, answered !== undefined ? s.way : server.way, director);
  }

  #evidence(server: Server): void {
    server.blockedUntil = this.now + this.#options.times.block;
    server.icmpErrors++;
  }

  #send(packet: Buffer, family: 4 | 6, way: Way | null, director: Director): Outcome {
    const link = way === null ? undefined : this.#links.get(way.link);
    if (way === null || link === undefined) return this.#lost(director, 'unreachable');
    return { verdict: 'redirect', out: framed(packet, family, way.mac, link.mac, link.tci) };
  }

  #fits(way: Way | null, length: number): boolean {
    const link = way === null ? undefined : this.#links.get(way.link);
    return link === undefined || length <= link.mtu;
  }

  /** A datagram dropped on its way in. */
  #drop(counters: Counters, reason: DropReason, length: number): Outcome {
    count(counters, reason);
    count(counters, 'packets');
    count(counters, 'bytes', length);
    return DROP;
  }

  /** One that counts as come in already. */
  #lost(director: Director, reason: DropReason): Outcome {
    count(director.counters, reason);
    return DROP;
  }

  #persist(s: Session): void {
    const { persistence, slot, prefix } = this.#director(s).settings;
    this.persisted.set(`${slot}|${masked(s.client, prefix)}`, { server: s.server, until: s.last + persistence });
  }

  #persistedServer({ settings }: Director, client: string): Server | null {
    const kept = this.persisted.get(`${settings.slot}|${masked(client, settings.prefix)}`);
    if (kept === undefined || kept.until <= this.now) return null;
    const server = this.#of(this.servers, kept.server);
    return server.director === settings.slot && server.policy === 'none' && server.weight > 0 && !server.blocked(this.now) ? server : null;
  }

  #server(s: Session): Server {
    return this.#of(this.servers, s.server);
  }

  #director(s: Session): Director {
    return this.#of(this.directors, s.director);
  }

  #of<T>(all: ReadonlyMap<number, T>, slot: number): T {
    const found = all.get(slot);
    if (found === undefined) throw new RangeError(`the model has no slot ${slot}`);
    return found;
  }
}

interface Origin {
  readonly family: 4 | 6;
  readonly client: string;
  readonly clientPort: number;
  readonly vip: string;
  readonly vipPort: number;
  /** Where answers go. */
  readonly way: Way;
}

function packetLength(bytes: Buffer, l3: number, family: 4 | 6): number {
  return family === 4 ? bytes.readUInt16BE(l3 + 2) : bytes.readUInt16BE(l3 + 4) + 40;
}

function outerLength(family: 4 | 6): number {
  return family === 4 ? 20 : 40;
}

function fragmentKey(bytes: Buffer, l3: number, family: 4 | 6, fragment: number): string {
  return family === 4 ? `${bytes.toString('latin1', l3 + 12, l3 + 20)}${bytes.toString('latin1', l3 + 4, l3 + 6)}` : `${bytes.toString('latin1', l3 + 8, l3 + 40)}${bytes.toString('latin1', fragment + 4, fragment + 8)}`;
}

/** An ICMP error with another datagram inside: from whom and to whom the carried one says. */
function translate(packet: Buffer, family: 4 | 6, inner: number, icmp: number, ends: { src: string; dst: string; sport: number; dport: number }): void {
  const [at, half] = family === 4 ? [12, 4] : [8, 16];
  const source = packet.toString('latin1', at, at + half);
  const fromTheEnd = source === packet.toString('latin1', inner + at + half, inner + at + 2 * half);
  const udp = inner + (family === 4 ? 20 : 40);
  const before = words(packet, inner, udp + 8);
  const outer = words(packet, at, at + 2 * half);
  rewrite(packet, inner, udp, family, ends, family === 6 ? 'patched' : 'kept');
  readdress(packet, 0, family, { src: fromTheEnd ? ends.dst : source, dst: ends.src });
  const [was, is] = [before + (family === 6 ? outer : 0), words(packet, inner, udp + 8) + (family === 6 ? words(packet, at, at + 2 * half) : 0)];
  packet.writeUInt16BE(corrected(packet.readUInt16BE(icmp + 2), was, is), icmp + 2);
}

function masked(address: string, prefix: number): string {
  let text = '';
  for (let i = 0; i < address.length; i++) text += String.fromCharCode(address.charCodeAt(i) & (0xff00 >> Math.max(0, Math.min(8, prefix - 8 * i))));
  return text;
}

/** Returns the address so many further, in its last 32 bits. */
function plus(address: string, n: number): string {
  const bytes = Buffer.from(address, 'latin1');
  bytes.writeUInt32BE((bytes.readUInt32BE(bytes.length - 4) + n) >>> 0, bytes.length - 4);
  return bytes.toString('latin1');
}
