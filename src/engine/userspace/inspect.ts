/** Looking into one worker's sessions: pages of them, ending those that match, and saying where a client would go. */
import { explainPick } from '../../balance/explain.ts';
import { endpointText, hostPortText, parseEndpoint } from '../../net/endpoint.ts';
import { ipFromBytes, parseIp, type Ip } from '../../net/ip.ts';
import { serverKey } from '../../plan/desired.ts';
import type { SessionFilter, SessionView } from '../engine.ts';
import { REQUEST_REPLY, takesSessions, type RuntimeDirector } from './director.ts';
import { ipWords, swap16 } from './endpoints.ts';
import { fillRequest } from './chooser.ts';
import type { Forwarder } from './forwarder.ts';
import type { WorkerExplanation } from './protocol.ts';
import { SESSION_LIVE } from './sessions.ts';

/** What the loop knows of its sockets. */
export interface SocketFacts {
  now(): number;
  sourcePort(upstream: number): number;
  vipOf(listener: number): { readonly ip: Ip; readonly port: number };
}

/** Records looked at in one call: a page of a million sessions must not hold up datagrams. */
const SCAN_LIMIT = 20_000;

/** Returns up to `limit` live sessions that match, scanning records from `from`; `next` is where to go on, -1 at the end. */
export function pageSessions(forwarder: Forwarder, facts: SocketFacts, filter: SessionFilter, from: number, limit: number): { sessions: SessionView[]; next: number } {
  const { table } = forwarder;
  const now = facts.now();
  const matches = sessionMatcher(forwarder, filter);
  const sessions: SessionView[] = [];
  const end = Math.min(table.high, from + SCAN_LIMIT);
  let s = from;
  for (; s < end && sessions.length < limit; s++) if (matches(s) && now < table.expiresAt[s]) sessions.push(view(forwarder, facts, s, now));
  return { sessions, next: s < table.high ? s : -1 };
}

/** Ends every session that matches; returns how many. */
export function purgeSessions(forwarder: Forwarder, now: number, filter: SessionFilter): number {
  const matches = sessionMatcher(forwarder, filter);
  let count = 0;
  for (let s = forwarder.table.high - 1; s >= 0; s--) {
    if (!matches(s)) continue;
    forwarder.end(s, now);
    count++;
  }
  return count;
}

/** Moves the client's live sessions of the director to a server slot; returns how many are there now and how many could not be moved. */
export function pinSessions(
  forwarder: Forwarder, io: { now(): number; sameClient(from: number, to: number): void }, request: { readonly director: string; readonly client: string; readonly serverSlot: number },
): { count: number; stayed: number } {
  const now = io.now();
  const matches = sessionMatcher(forwarder, request);
  let [count, stayed] = [0, 0];
  // New records may lie above or below: what is found is listed before anything moves.
  const found: number[] = [];
  for (let s = 0; s < forwarder.table.high; s++) if (matches(s) && now < forwarder.table.expiresAt[s]) found.push(s);
  for (const s of found) {
    const to = forwarder.pin(s, request.serverSlot, now);
    if (to < 0) stayed++;
    else count++;
    if (to >= 0 && to !== s) io.sameClient(s, to);
  }
  return { count, stayed };
}

/** Says where a datagram from `client` to `vip` (both address:port) would go in this worker. Changes nothing. */
export function explainIn(forwarder: Forwarder, facts: SocketFacts, client: string, vip: string): WorkerExplanation {
  const from = parseEndpoint(client);
  const to = parseEndpoint(vip);
  const nothing = { director: null, session: null, server: null, candidates: [] };
  if (!from || !to) return { ...nothing, why: `expected address:port twice, got '${client}' and '${vip}'` };
  const now = facts.now();
  const hit = forwarder.listeners.find((l) => {
    if (l === undefined) return false;
    const at = facts.vipOf(l.id);
    return at.port === to.port && (at.ip.text === to.ip.text || (at.ip.family === to.ip.family && isAny(at.ip)));
  });
  const d = hit && forwarder.directors[hit.directorSlot];
  if (!hit || !d) return { ...nothing, why: `no director has ${vip}` };
  const [a0, a1, a2, a3] = ipWords(from.ip);
  const portBe = swap16(from.port);
  const choice = explainChoice(forwarder, d, portBe, a0, a1, a2, a3);
  const listeners = forwarder.listeners.filter((l) => l !== undefined && l.directorSlot === hit.directorSlot && l.vipPort === to.port
    && facts.vipOf(l.id).ip.text === to.ip.text);
  for (const l of listeners) {
    const s = forwarder.table.findClient(l!.id, portBe, a0, a1, a2, a3, -1);
    if (s < 0 || d.kind === REQUEST_REPLY || now >= forwarder.table.expiresAt[s]) continue;
    const slot = forwarder.table.server[s];
    if (forwarder.slots.policy[slot] !== 0 || forwarder.shared.blockedUntil[slot] > forwarder.clock.ds) continue;
    const { name } = forwarder.slots.owner(slot);
    const idleS = ((now - forwarder.table.lastAt[s]) / 1000).toFixed(1);
    return { ...choice, session: client, server: name, why: `live session with ${name}, idle ${idleS} s` };
  }
  return choice;
}

function explainChoice(forwarder: Forwarder, d: RuntimeDirector, portBe: number, a0: number, a1: number, a2: number, a3: number): WorkerExplanation {
  const { desired } = d;
  const { shared, clock } = forwarder;
  const request = { source: 0, flow: 0, dest: 0 };
  fillRequest(request, d, portBe, a0, a1, a2, a3);
  const normal = desired.servers.filter((s) => !s.sorry && takesSessions(s));
  const state = {
    active: (i: number) => shared.active[d.candidates[i]],
    blocked: (i: number) => shared.blockedUntil[d.candidates[i]] > clock.ds,
    next: () => Atomics.load(shared.rotation, d.slot) >>> 0,
    random: () => 0,
    nowMs: () => clock.ds * 100,
  };
  const picked = explainPick({ balance: d.picker.name, servers: normal.map((s) => ({ key: serverKey(s), weight: s.weight })), state, request, picker: d.picker });
  const candidates = desired.servers.map((server, i) => {
    const n = normal.indexOf(server);
    const note = n >= 0 ? picked.notes[n] : server.sorry ? 'sorry server: only when no other takes sessions' : `takes no new sessions: ${server.state}`;
    return { server: server.name, state: server.state, weight: server.weight, sessions: shared.live[d.serverSlots[i]], note };
  });
  const base = { director: desired.name, session: null, candidates };
  const persistent = forwarder.chooser.persistedSlot(d, a0, a1, a2, a3);
  if (persistent >= 0) {
    const name = forwarder.slots.owner(persistent).name;
    return { ...base, server: name, why: `persistence: the client's address is bound to ${name}` };
  }
  if (!d.sorryInUse && picked.index >= 0) return { ...base, server: normal[picked.index].name, why: picked.why };
  if (d.sorrySlot >= 0) return { ...base, server: forwarder.slots.owner(d.sorrySlot).name, why: 'no other server takes sessions: the sorry server' };
  const last = forwarder.chooser.lastResort(d);
  if (last >= 0) return { ...base, server: forwarder.slots.owner(last).name, why: 'every server refused lately; the first one is tried all the same' };
  return { ...base, server: null, why: 'dropped (no_server): no server of the director takes sessions and there is no sorry server' };
}

function sessionMatcher(forwarder: Forwarder, filter: SessionFilter): (s: number) => boolean {
  const { table, slots, directors } = forwarder;
  const endpoint = filter.client === undefined ? undefined : parseEndpoint(filter.client);
  const ip = endpoint?.ip ?? (filter.client === undefined ? undefined : parseIp(filter.client));
  if (filter.client !== undefined && !ip) return () => false;
  const words = ip && ipWords(ip);
  const portBe = endpoint && swap16(endpoint.port);
  return (s) => {
    if (table.state[s] !== SESSION_LIVE) return false;
    const server = slots.owner(table.server[s]);
    if (filter.server !== undefined && server.name !== filter.server) return false;
    if (filter.director !== undefined && directors[server.directorSlot]?.desired.name !== filter.director) return false;
    if (portBe !== undefined && table.portBe[s] !== portBe) return false;
    return !words || (table.a0[s] === words[0] && table.a1[s] === words[1] && table.a2[s] === words[2] && table.a3[s] === words[3]);
  };
}

function view(forwarder: Forwarder, facts: SocketFacts, s: number, now: number): SessionView {
  const { table, slots, directors } = forwarder;
  const { endpoints } = slots;
  const slot = table.server[s];
  const vip = facts.vipOf(table.listener[s]);
  return {
    director: directors[slots.owner(slot).directorSlot]?.desired.name ?? '?',
    client: endpointText({ ip: clientIp(table.a0[s], table.a1[s], table.a2[s], table.a3[s], vip.ip.family), port: swap16(table.portBe[s]) }),
    vip: endpointText(vip),
    server: slots.owner(slot).name,
    serverAddress: hostPortText(endpoints.ips[table.endpoint[s]], endpoints.ports[table.endpoint[s]]),
    sourcePort: facts.sourcePort(table.upstream[s]),
    ageMs: Math.round(now - table.createdAt[s]),
    idleMs: Math.round(now - table.lastAt[s]),
    expiresInMs: Math.max(0, Math.round(table.expiresAt[s] - now)),
    outstanding: table.awaited[s] + table.awaitedBefore[s],
    packetsIn: table.packetsIn[s],
    bytesIn: table.bytesIn[s],
    packetsOut: table.packetsOut[s],
    bytesOut: table.bytesOut[s],
  };
}

function clientIp(a0: number, a1: number, a2: number, a3: number, family: 4 | 6): Ip {
  const words = Int32Array.of(a0, a1, a2, a3);
  const bytes = new Uint8Array(words.buffer);
  return ipFromBytes(Uint8Array.from(family === 4 ? bytes.subarray(12) : bytes));
}

function isAny(ip: Ip): boolean {
  return ip.text === '0.0.0.0' || ip.text === '::';
}
