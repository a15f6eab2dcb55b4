/**
 * A deliberately naive engine: node:dgram, one connected socket a session, everything in one process. It exists to hold the contract
 * suite itself to account (a case that no plain implementation passes is wrong) and as an oracle beside the real engines. Not for use.
 */
import dgram from 'node:dgram';
import { explainPick } from '../../src/balance/explain.ts';
import { createPicker, type Picker, type PickerState } from '../../src/balance/picker.ts';
import { REPLIED_TIMEOUT_MS, REQUEST_TIMEOUT_MS, UNREPLIED_TIMEOUT_MS, type OnAction } from '../../src/balance/terms.ts';
import type { DropReason } from '../../src/engine/drops.ts';
import { EngineError, type Engine, type EngineEvent, type PinRequest, type SessionFilter } from '../../src/engine/engine.ts';
import { RESPONSE_BUCKETS, responseBucket } from '../../src/engine/response-times.ts';
import { networkOf } from '../../src/net/cidr.ts';
import { hostPortText, parseEndpoint, type Endpoint } from '../../src/net/endpoint.ts';
import type { Ip } from '../../src/net/ip.ts';
import { serverKey, type Desired, type DesiredDirector, type DesiredServer } from '../../src/plan/desired.ts';
import { candidatesOf, isBlocked, listen, portsOf, requestOf, takes, unsupported, viewOf, withinRates, type Live, type Session, type Stats, type Upstream } from './reference-parts.ts';

/** How long a freed upstream socket stays open, deaf, so that its port meets no new session. */
const REST_MS = 3000;
const BLOCK_MS = 5000;

/** Returns the reference engine. */
export function createReferenceEngine(onEvent: (event: EngineEvent) => void): Engine {
  const lives = new Map<string, Live>();
  const listeners = new Map<string, { socket: dgram.Socket; director: string }>();
  const sessions = new Map<string, Session>();
  const upstreams = new Set<Upstream>();
  /** Sessions that moved away, by the socket on which late replies of their old server still come. */
  const lingering = new WeakMap<Upstream, Session>();
  const epoch = `${process.pid}.${Date.now()}`;
  let serial = 0;

  const actionFor = (live: Live, server: DesiredServer): OnAction | null => {
    const now = live.want.servers.find((s) => serverKey(s) === serverKey(server));
    if (!now || now.state === 'disabled') return live.want.on.remove;
    if (now.state === 'down' || isBlocked(live, now)) return live.want.on.down;
    return now.state === 'drain' ? live.want.on.drain : null;
  };
  const drop = (live: Live, reason: DropReason): void => void (live.drops[reason] = (live.drops[reason] ?? 0) + 1);

  function openUpstream(live: Live, server: DesiredServer, port: number): Upstream {
    const socket = dgram.createSocket({ type: server.ip.family === 4 ? 'udp4' : 'udp6', recvBufferSize: 1 << 20 });
    const ready = new Promise<void>((resolve) => socket.connect(port, server.ip.text, resolve));
    const upstream: Upstream = { socket, ready, owner: null };
    socket.on('message', (data) => reply(upstream, data));
    socket.on('error', () => refused(live, server));
    upstreams.add(upstream);
    return upstream;
  }

  function closeUpstream(upstream: Upstream): void {
    if (upstreams.delete(upstream)) void upstream.ready.then(() => upstream.socket.close());
  }

  function rest(upstream: Upstream): void {
    upstream.owner = null;
    setTimeout(() => closeUpstream(upstream), REST_MS).unref();
  }

  function refused(live: Live, server: DesiredServer): void {
    const stats = live.servers.get(serverKey(server));
    if (stats) stats.icmpErrors++;
    live.blockedUntil.set(serverKey(server), Date.now() + BLOCK_MS);
    onEvent({ kind: 'refused', director: live.want.name, server: server.name, atMs: Date.now(), detail: 'ECONNREFUSED' });
  }

  function end(session: Session): void {
    clearTimeout(session.timer);
    sessions.delete(session.id);
    const stats = session.live.servers.get(serverKey(session.target));
    if (stats) stats.sessions--;
    if (stats && session.packetsOut === 0) stats.unanswered++;
    rest(session.upstream);
  }

  function timeoutOf({ live, packetsOut }: Session): number {
    const { kind, timeoutMs } = live.want.session;
    return timeoutMs ?? (kind === 'request-reply' ? REQUEST_TIMEOUT_MS : packetsOut > 0 ? REPLIED_TIMEOUT_MS : UNREPLIED_TIMEOUT_MS);
  }

  function touch(session: Session): void {
    session.lastMs = Date.now();
    clearTimeout(session.timer);
    session.timer = setTimeout(() => end(session), timeoutOf(session)).unref();
  }

  function persistentHome(live: Live, from: Ip): { key: string; server: DesiredServer | undefined } {
    const { prefix4, prefix6 } = live.want.persistence!;
    const key = networkOf(from, from.family === 4 ? prefix4 : prefix6).text;
    const entry = live.persistent.get(key);
    const server = entry && entry.untilMs > Date.now() ? live.want.servers.find((s) => serverKey(s) === entry.key && takes(s) && !isBlocked(live, s)) : undefined;
    return { key, server };
  }

  function choose(live: Live, from: Endpoint, hit: Ip): DesiredServer | undefined {
    const home = live.want.persistence ? persistentHome(live, from.ip) : null;
    const picked = home?.server ? -1 : live.picker.pick(requestOf(from, hit));
    const server = home?.server ?? live.want.servers[picked] ?? live.want.servers.find((s) => s.sorry && takes(s) && !isBlocked(live, s));
    if (home && server) live.persistent.set(home.key, { key: serverKey(server), untilMs: Date.now() + live.want.persistence!.timeoutMs });
    return server;
  }

  function receive(at: string, hit: Endpoint, data: Buffer, from: Endpoint): void {
    const listener = listeners.get(at);
    const live = lives.get(listener?.director ?? '');
    if (!listener || !live) return;
    live.counters.packetsIn++;
    live.counters.bytesIn += data.length;
    const { kind, max } = live.want.session;
    const client = hostPortText(from.ip, from.port);
    const id = kind === 'two-way' ? `${at} ${client}` : String(++serial);
    const old = sessions.get(id);
    const action = old ? actionFor(live, old.target) : null;
    if (old && action?.kind === 'drop') return drop(live, 'on_policy');
    if (old && (!action || (action.kind === 'keep' && (action.forMs === null || Date.now() - (old.outMs ??= Date.now()) < action.forMs)))) return forward(old, data);
    if (!old && max !== null && kind !== 'one-way' && sessionsOf(live) >= max) return drop(live, 'session_max');
    if (!old && kind !== 'one-way' && !withinRates(live, from.ip)) return drop(live, 'rate_limit');
    const server = choose(live, from, hit.ip);
    if (!server) return drop(live, 'no_server');
    const port = server.port === 0 ? hit.port : server.port;
    const stats = live.servers.get(serverKey(server))!;
    if (kind === 'one-way') {
      const key = `${serverKey(server)} ${port}`;
      const sender = live.senders.get(key) ?? openUpstream(live, server, port);
      live.senders.set(key, sender);
      return send(sender, data, stats);
    }
    const place = placeOn(live, server, port);
    if (old) leave(old, place);
    const session: Session = old ?? {
      ...place, askedMs: null, id, live, from, at, listener: listener.socket, director: live.want.name, client, vip: hostPortText(hit.ip, hit.port),
      createdMs: Date.now(), lastMs: Date.now(), timer: undefined, packetsIn: 0, bytesIn: 0, packetsOut: 0, bytesOut: 0,
      outstanding: kind === 'request-reply' ? live.want.session.replies : 0,
    };
    place.upstream.owner = session;
    stats.sessions++;
    if (!old) stats.sessionsCreated++;
    if (!old) live.counters.sessionsCreated++;
    sessions.set(id, session);
    forward(session, data);
  }

  function placeOn(live: Live, server: DesiredServer, port: number): Pick<Session, 'server' | 'serverAddress' | 'target' | 'upstream' | 'outMs'> {
    return { server: server.name, serverAddress: hostPortText(server.ip, port), target: server, upstream: openUpstream(live, server, port), outMs: null };
  }

  function leave(session: Session, place: ReturnType<typeof placeOn>): void {
    const left = session.live.servers.get(serverKey(session.target));
    if (left) left.sessions--;
    if (left) left.sessionsMoved++;
    lingering.set(session.upstream, session);
    rest(session.upstream);
    Object.assign(session, place);
  }

  async function pin({ director, client, server }: PinRequest): Promise<number> {
    const live = lives.get(director);
    const target = live?.want.servers.find((s) => s.name === server);
    if (!live || !target) throw new EngineError(`no server ${server} in ${director}`, { cure: 'name one that is there' });
    if (live.want.session.kind !== 'two-way') throw new EngineError('each datagram is scheduled by itself', { cure: 'pin two-way sessions' });
    const action = actionFor(live, target);
    if (target.state === 'down' || target.state === 'disabled' || (action && action.kind !== 'keep')) throw new EngineError(`${server} would not keep it`, { cure: 'name one that is up' });
    const found = matching({ director, client });
    for (const session of found) {
      if (serverKey(session.target) === serverKey(target)) continue;
      const place = placeOn(live, target, target.port === 0 ? parseEndpoint(session.vip)!.port : target.port);
      leave(session, place);
      place.upstream.owner = session;
      live.servers.get(serverKey(target))!.sessions++;
      if (live.want.persistence) choosePersistentAgain(session);
      await place.upstream.ready;
    }
    return found.length;
  }

  function forward(session: Session, data: Buffer): void {
    touch(session);
    if (session.live.want.persistence) choosePersistentAgain(session);
    send(session.upstream, data, session.live.servers.get(serverKey(session.target)), session);
  }

  function choosePersistentAgain({ live, from, target }: Session): void {
    live.persistent.set(persistentHome(live, from.ip).key, { key: serverKey(target), untilMs: Date.now() + live.want.persistence!.timeoutMs });
  }

  function send(upstream: Upstream, data: Buffer, stats: Stats | undefined, session?: Session): void {
    for (const counter of [stats, session]) {
      if (!counter) continue;
      counter.packetsIn++;
      counter.bytesIn += data.length;
    }
    if (session) session.askedMs = performance.now();
    void upstream.ready.then(() => {
      if (upstreams.has(upstream)) upstream.socket.send(data, (error) => error && upstream.socket.emit('error', error));
    });
  }

  function reply(upstream: Upstream, data: Buffer): void {
    const late = upstream.owner ? undefined : lingering.get(upstream);
    if (late) late.listener.send(data, late.from.port, late.from.ip.text, () => {});
    const { owner } = upstream;
    if (!owner) return;
    const { live } = owner;
    const stats = live.servers.get(serverKey(owner.target));
    const { amplification } = live.want.session;
    const carried = amplification === null || owner.bytesOut + data.length <= amplification * owner.bytesIn;
    for (const counter of [live.counters, stats, carried ? owner : undefined]) {
      if (!counter) continue;
      counter.packetsOut++;
      counter.bytesOut += data.length;
    }
    if (owner.askedMs !== null && stats) stats.responseTimes[responseBucket((performance.now() - owner.askedMs) * 1e6)]++;
    owner.askedMs = null;
    if (carried) owner.listener.send(data, owner.from.port, owner.from.ip.text, () => {});
    else drop(live, 'amplification');
    if (carried) touch(owner);
    if (owner.outstanding > 0 && --owner.outstanding === 0) end(owner);
  }

  function sessionsOf(live: Live): number {
    return [...sessions.values()].filter((s) => s.live === live).length;
  }

  function stateOf(live: Live, next: () => number): PickerState {
    const at = (i: number): DesiredServer => live.want.servers[i];
    return { active: (i) => live.servers.get(serverKey(at(i)))?.sessions ?? 0, blocked: (i) => isBlocked(live, at(i)), next, random: () => (Math.random() * 2 ** 32) >>> 0, nowMs: Date.now };
  }

  function settle(want: DesiredDirector): void {
    const old = lives.get(want.name);
    const live: Live = old ?? {
      want, picker: undefined as unknown as Picker, counters: { packetsIn: 0, bytesIn: 0, packetsOut: 0, bytesOut: 0, sessionsCreated: 0 },
      drops: {}, servers: new Map(), blockedUntil: new Map(), persistent: new Map(), senders: new Map(), made: { second: 0, all: 0, bySource: new Map() }, position: 0,
    };
    for (const s of want.servers) {
      if (old?.want.servers.some((o) => serverKey(o) === serverKey(s) && o.state !== s.state)) live.blockedUntil.delete(serverKey(s));
      if (!live.servers.has(serverKey(s))) live.servers.set(serverKey(s), { name: s.name, address: hostPortText(s.ip, s.port), packetsIn: 0, bytesIn: 0, packetsOut: 0, bytesOut: 0, sessions: 0, sessionsCreated: 0, sessionsMoved: 0, unanswered: 0, icmpErrors: 0, responseTimes: Array.from({ length: RESPONSE_BUCKETS }, () => 0) });
    }
    live.want = want;
    live.picker = createPicker(want.balance, candidatesOf(want), stateOf(live, () => live.position++), { previous: old?.picker });
    lives.set(want.name, live);
    for (const s of sessions.values()) if (s.live === live) s.outMs = actionFor(live, s.target) ? (s.outMs ?? Date.now()) : null;
  }

  async function apply(next: Desired): Promise<void> {
    const bad = unsupported(next)[0];
    if (bad) throw bad;
    const wanted = new Map<string, { director: string; at: Endpoint }>(next.directors.flatMap((d) => portsOf(d).map((port) => [`${d.vip!.text} ${port}`, { director: d.name, at: { ip: d.vip!, port } }] as const)));
    const opened = new Map<string, dgram.Socket>();
    for (const [key, { at }] of wanted) {
      if (listeners.has(key)) continue;
      try {
        opened.set(key, await listen(at, (data, from) => receive(key, at, data, from)));
      } catch (cause) {
        for (const socket of opened.values()) socket.close();
        throw new EngineError(`cannot open ${hostPortText(at.ip, at.port)}: ${(cause as Error).message}`, { cure: 'free the port, or give the director another address', cause });
      }
    }
    for (const [key, { socket }] of listeners) {
      if (wanted.has(key)) continue;
      socket.close();
      listeners.delete(key);
    }
    for (const [name, live] of lives) {
      if (next.directors.some((d) => d.name === name)) continue;
      for (const sender of live.senders.values()) closeUpstream(sender);
      lives.delete(name);
    }
    for (const [key, { director }] of wanted) listeners.set(key, { socket: opened.get(key) ?? listeners.get(key)!.socket, director });
    for (const s of sessions.values()) if (wanted.get(s.at)?.director !== s.director) end(s);
    next.directors.forEach(settle);
  }

  function matching({ director, server, client }: SessionFilter): Session[] {
    return [...sessions.values()].filter((s) => (director === undefined || s.director === director) && (server === undefined || s.server === server) && (client === undefined || s.client === client || s.from.ip.text === client));
  }

  return {
    name: 'userspace',
    probe: async () => ({ ok: true, notes: [] }),
    unsupported,
    observe: async () => ({ directors: [...lives.values()].map((l) => l.want).toSorted((a, b) => (a.name < b.name ? -1 : 1)) }),
    apply: (plan) => apply(plan.next),
    read: async () => ({
      epoch,
      atMs: Date.now(),
      gauges: { sockets: listeners.size + upstreams.size },
      drops: {},
      directors: [...lives.values()].map((l) => ({ name: l.want.name, ...l.counters, sessions: sessionsOf(l), drops: { ...l.drops }, servers: l.want.servers.map((s) => ({ ...l.servers.get(serverKey(s))!, responseTimes: [...l.servers.get(serverKey(s))!.responseTimes] })) })),
    }),
    async sessions(filter, { cursor = '0', limit }) {
      const all = matching(filter);
      const page = all.slice(Number(cursor), Number(cursor) + limit);
      const more = Number(cursor) + limit < all.length;
      return { sessions: page.map((s) => viewOf(s, timeoutOf(s))), next: more ? String(Number(cursor) + limit) : null, total: sessions.size };
    },
    async purge(filter) {
      const found = matching(filter);
      found.forEach(end);
      return found.length;
    },
    pin,
    async explain({ client, vip }) {
      const [from, hit] = [parseEndpoint(client)!, parseEndpoint(vip)!];
      const key = `${hit.ip.text} ${hit.port}`;
      const live = lives.get(listeners.get(key)?.director ?? '');
      if (!live) return { director: null, server: null, why: 'no director has this address', candidates: [] };
      const { want } = live;
      const picked = explainPick({ balance: want.balance, servers: candidatesOf(want), state: stateOf(live, () => live.position), request: requestOf(from, hit.ip), picker: live.picker });
      const pinned = sessions.get(`${key} ${client}`);
      const server = pinned ?? want.servers[picked.index] ?? null;
      const candidates = want.servers.map((s, i) => ({ server: s.name, state: s.state, weight: s.weight, sessions: live.servers.get(serverKey(s))!.sessions, note: picked.notes[i] }));
      return { director: want.name, server: server && 'server' in server ? server.server : (server?.name ?? null), why: pinned ? 'it has a session' : server ? picked.why : `no_server: ${picked.why}`, candidates };
    },
    async close() {
      for (const s of sessions.values()) clearTimeout(s.timer);
      sessions.clear();
      lives.clear();
      await Promise.all([...listeners.values()].map(({ socket }) => new Promise<void>((resolve) => socket.close(() => resolve()))));
      listeners.clear();
      [...upstreams].forEach(closeUpstream);
    },
  };
}
