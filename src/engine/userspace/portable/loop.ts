/**
 * The packet loop of a worker on node:dgram: any operating system, no native code. One worker; an upstream socket serves one
 * session and is connected, because that is how node:dgram learns of ICMP errors.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { parseIp, type Ip } from '../../../net/ip.ts';
import { DROP_ID } from '../../drops.ts';
import type { WorkerIo } from '../commands.ts';
import { ipWords, swap16 } from '../endpoints.ts';
import { Forwarder } from '../forwarder.ts';
import { listenersOf } from '../listeners.ts';
import { bindRefusal, type BindError } from '../refusal.ts';
import type { SlottedDirector, WorkerSetup } from '../protocol.ts';
import { WORKER_COUNTER, clockOffset, sharedViews, type SharedViews } from '../shared.ts';
import { UpstreamPools, type BindSpec } from '../upstreams.ts';

const SWEEP_MS = 100;

interface Listener {
  readonly id: number;
  readonly socket: Socket;
  readonly ip: Ip;
  readonly port: number;
}

interface Upstream {
  readonly socket: Socket;
  endpoint: number;
  connected: boolean;
  waiting: { payload: Buffer; serverSlot: number; session: number }[];
}

/** Datagrams held back while a new upstream socket binds (a turn of the event loop); more are dropped with `send_full`. */
const MAX_WAITING = 64;

export class PortableLoop implements WorkerIo {
  readonly forwarder: Forwarder;
  readonly shared: SharedViews;
  readonly #worker: Float64Array;
  readonly #clockOffset: number;
  readonly #listeners: (Listener | undefined)[] = [];
  readonly #byKey = new Map<string, Listener>();
  readonly #upstreams: Upstream[] = [];
  readonly #timer: NodeJS.Timeout;
  #prepared: { directors: readonly SlottedDirector[]; opened: Listener[] } | null = null;
  #nextListener = 0;

  constructor(setup: WorkerSetup, onRefused: (serverSlot: number, detail: string) => void) {
    this.shared = sharedViews(setup.shared);
    this.#worker = this.shared.workerCounters[setup.index]!;
    this.#clockOffset = clockOffset(setup.shared.epochNs);
    this.forwarder = new Forwarder({
      shared: this.shared, worker: setup.index, maxSessions: setup.maxSessions, onRefused,
      upstreams: new UpstreamPools({ maxSockets: Math.min(setup.maxSockets, 8192), exclusive: true, open: (number, spec) => this.#openUpstream(number, spec) }),
    });
    this.#timer = setInterval(() => this.forwarder.sweep(this.now()), SWEEP_MS);
  }

  async prepare(directors: readonly SlottedDirector[]): Promise<void> {
    const opened: Listener[] = [];
    try {
      for (const want of listenersOf(directors)) {
        if (!this.#byKey.has(want.key)) opened.push({ id: this.#nextListener++, ip: want.ip, port: want.port, socket: await openListener(want.ip, want.port) });
      }
    } catch (error) {
      for (const l of opened) l.socket.close();
      throw error;
    }
    this.#prepared = { directors, opened };
  }

  commit(): void {
    const prepared = this.#prepared;
    if (!prepared) throw new Error('commit without prepare');
    this.#prepared = null;
    const now = this.now();
    const wanted = listenersOf(prepared.directors);
    const keys = new Set(wanted.map((w) => w.key));
    for (const [key, l] of this.#byKey) {
      if (keys.has(key)) continue;
      l.socket.close();
      this.#byKey.delete(key);
      this.forwarder.endListener(l.id, now);
      this.#listeners[l.id] = undefined;
    }
    this.forwarder.apply(prepared.directors, now);
    for (const l of prepared.opened) {
      this.#byKey.set(`${l.ip.text}|${l.port}`, l);
      this.#listeners[l.id] = l;
      l.socket.on('message', (payload, from) => this.#fromClient(l, payload, from));
    }
    for (const w of wanted) {
      const l = this.#byKey.get(w.key)!;
      const before = this.forwarder.listeners[l.id];
      if (before && before.directorSlot !== w.directorSlot) this.forwarder.endListener(l.id, now);
      this.forwarder.listeners[l.id] = { id: l.id, directorSlot: w.directorSlot, vipPort: l.port };
    }
  }

  abort(): void {
    for (const l of this.#prepared?.opened ?? []) l.socket.close();
    this.#prepared = null;
  }

  refresh(): void {
    this.#worker[WORKER_COUNTER.sockets] = this.#upstreams.length;
    this.#worker[WORKER_COUNTER.sessions] = this.forwarder.table.used;
    this.#worker[WORKER_COUNTER.tableCapacity] = this.forwarder.table.maxSessions;
    this.#worker[WORKER_COUNTER.noDirector] = this.forwarder.noDirector;
    this.#worker[WORKER_COUNTER.orphanReplies] = this.forwarder.orphanReplies;
    this.#worker[WORKER_COUNTER.persistenceEvictions] = this.forwarder.chooser.persistence.evictions;
    this.#worker[WORKER_COUNTER.sourceEvictions] = this.forwarder.rates.sources.evictions;
  }

  close(): void {
    clearInterval(this.#timer);
    for (const l of this.#byKey.values()) l.socket.close();
    for (const u of this.#upstreams) u.socket.close();
  }

  now(): number {
    const now = performance.now() + this.#clockOffset;
    this.forwarder.tick(now);
    return now;
  }

  sourcePort(upstream: number): number {
    try {
      return this.#upstreams[upstream].socket.address().port;
    } catch {
      return 0; // not bound yet
    }
  }

  vipOf(listener: number): { ip: Ip; port: number } {
    return this.#listeners[listener]!;
  }

  /** Nothing to do: the table holds the address that replies are sent to. */
  sameClient(): void {}

  #fromClient(l: Listener, payload: Buffer, from: RemoteInfo): void {
    const ip = parseIp(from.address.replace(/%.*$/, ''));
    if (!ip) return;
    const [a0, a1, a2, a3] = ipWords(ip);
    const { forwarder } = this;
    if (!forwarder.fromClient(l.id, swap16(from.port), a0, a1, a2, a3, payload.length, this.now())) return;
    const { toEndpoint, toUpstream, session, serverSlot } = forwarder;
    const upstream = this.#upstreams[toUpstream];
    if (upstream.endpoint !== toEndpoint) this.#connect(upstream, toEndpoint);
    if (upstream.connected) this.#send(upstream, payload, serverSlot, session);
    else if (upstream.waiting.length < MAX_WAITING) upstream.waiting.push({ payload, serverSlot, session });
    else forwarder.drop(forwarder.slots.owner(serverSlot).directorSlot, DROP_ID.send_full);
  }

  #connect(upstream: Upstream, endpoint: number): void {
    if (upstream.connected) upstream.socket.disconnect();
    upstream.connected = false;
    upstream.endpoint = endpoint;
    const { endpoints } = this.forwarder.slots;
    upstream.socket.connect(endpoints.ports[endpoint], endpoints.ips[endpoint].text, () => {
      upstream.connected = true;
      for (const { payload, serverSlot, session } of upstream.waiting.splice(0)) this.#send(upstream, payload, serverSlot, session);
    });
  }

  #send(upstream: Upstream, payload: Buffer, serverSlot: number, session: number): void {
    this.forwarder.requested(session, this.now());
    upstream.socket.send(payload, (error) => this.#sent(error, serverSlot, session, payload.length));
  }

  #sent(error: Error | null, serverSlot: number, session: number, length: number): void {
    if (!error) return this.forwarder.sent(serverSlot, session, length);
    const code = 'code' in error ? error.code : '';
    const reason = code === 'EMSGSIZE' ? DROP_ID.too_big : code === 'ENETUNREACH' || code === 'EHOSTUNREACH' || code === 'EPERM' ? DROP_ID.unreachable : DROP_ID.send_error;
    this.forwarder.drop(this.forwarder.slots.owner(serverSlot).directorSlot, reason);
  }

  #fromServer(number: number, payload: Buffer, from: RemoteInfo): void {
    const ip = parseIp(from.address.replace(/%.*$/, ''));
    if (!ip) return;
    const { forwarder } = this;
    const [a0, a1, a2, a3] = ipWords(ip);
    const s = forwarder.fromServer(number, forwarder.slots.endpoints.find(swap16(from.port), a0, a1, a2, a3));
    if (s < 0) return;
    const { table } = forwarder;
    const l = this.#listeners[table.listener[s]];
    if (!l || !forwarder.carries(s, payload.length, this.now())) return;
    const bytes = new Uint8Array(Int32Array.of(table.a0[s], table.a1[s], table.a2[s], table.a3[s]).buffer);
    const client = l.ip.family === 4 ? bytes.subarray(12).join('.') : v6Text(bytes);
    const directorSlot = forwarder.slots.owner(table.server[s]).directorSlot;
    const created = table.createdAt[s];
    l.socket.send(payload, swap16(table.portBe[s]), client, (error) => {
      if (error) forwarder.drop(directorSlot, DROP_ID.send_error);
      // The record may be another session's by now.
      if (table.createdAt[s] !== created) return;
      if (error) forwarder.unsent(s, payload.length);
      else forwarder.replied(s, payload.length, this.now());
    });
  }

  #openUpstream(number: number, spec: BindSpec): boolean {
    const socket = createSocket({ type: spec.family === 4 ? 'udp4' : 'udp6', ipv6Only: spec.family === 6 });
    const upstream: Upstream = { socket, endpoint: -1, connected: false, waiting: [] };
    this.#upstreams[number] = upstream;
    socket.on('message', (payload, from) => this.#fromServer(number, payload, from));
    socket.on('error', (error) => {
      const code = 'code' in error ? error.code : '';
      if (code === 'ECONNREFUSED') this.forwarder.refused(upstream.endpoint, 'ICMP port unreachable');
      else if (code === 'EHOSTUNREACH') this.forwarder.refused(upstream.endpoint, 'ICMP host unreachable');
    });
    socket.bind({ port: spec.port, ...(spec.address && { address: spec.address.text }), exclusive: true });
    return true;
  }
}

const BIND_ERRORS: readonly BindError[] = ['EADDRINUSE', 'EADDRNOTAVAIL', 'EACCES', 'EMFILE'];

function openListener(ip: Ip, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createSocket({ type: ip.family === 4 ? 'udp4' : 'udp6', ipv6Only: ip.family === 6 });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      socket.close();
      const code = error.code as BindError;
      reject(bindRefusal(ip, port, BIND_ERRORS.includes(code) ? code : 'other', error.message));
    });
    socket.bind({ address: ip.text, port, exclusive: true }, () => {
      socket.removeAllListeners('error');
      socket.on('error', () => undefined);
      resolve(socket);
    });
  });
}

function v6Text(bytes: Uint8Array): string {
  return Array.from({ length: 8 }, (_, i) => ((bytes[i * 2] << 8) | bytes[i * 2 + 1]).toString(16)).join(':');
}
