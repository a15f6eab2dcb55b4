/** Where a datagram would go now, from what the maps hold: its session, what persistence holds, then the algorithm on live counts. */
import { explainPick, type PickExplanation } from '../../balance/explain.ts';
import { hashFlow, hashIp } from '../../balance/hash.ts';
import type { PickerState } from '../../balance/picker.ts';
import { parseEndpoint, type Endpoint } from '../../net/endpoint.ts';
import { ipBytes, type Ip } from '../../net/ip.ts';
import { serverKey, type Desired, type DesiredDirector, type DesiredServer } from '../../plan/desired.ts';
import type { ExplainQuery, Explanation } from '../engine.ts';
import { swap16, wordsOf } from './addresses.ts';
import type { Kernel } from './kernel.ts';
import { scan, tableOf } from './sessions.ts';
import { slotOf, type DirectorSlot, type Slots } from './slots.ts';
import { candidatesOf, effectiveBalance, sorryOf } from './target.ts';
import { msBetween } from './ticks.ts';
import { directorAt } from './vip-keys.ts';

export interface ExplainState {
  readonly kernel: Kernel;
  readonly desired: Desired;
  readonly slots: Slots;
  readonly now: number;
  readonly turn: () => Promise<void>;
}

/** Returns the answer. Changes nothing. */
export async function explain(query: ExplainQuery, state: ExplainState): Promise<Explanation> {
  const nobody = (why: string): Explanation => ({ director: null, server: null, why, candidates: [] });
  if (query.protocol !== 'udp') return nobody('the xdp engine balances UDP only');
  const [client, vip] = [parseEndpoint(query.client), parseEndpoint(query.vip)];
  if (client === undefined || vip === undefined) return nobody(`expected address:port twice, got '${query.client}' and '${query.vip}'`);
  const slot = directorAt(state.kernel.vips.entries(), vip.ip, vip.port);
  const director = state.desired.directors.find((d) => slotOf(state.slots, d)?.slot === slot);
  const own = director && slotOf(state.slots, director);
  if (director === undefined || own === undefined) return nobody(`no director has ${query.vip}`);
  const choice = choose(state, director, own, client);
  const home = director.session.kind === 'two-way' ? await sessionServer(state, own, client, vip) : null;
  if (home === null) return choice;
  const server = nameOf(director, own, home.server);
  return { ...choice, server, why: `live session with ${server}, idle ${(home.idleMs / 1000).toFixed(1)} s` };
}

/** The row of the server a client's live session is on; null when it has none that would be used. */
async function sessionServer({ kernel, now, turn }: ExplainState, own: DirectorSlot, client: Endpoint, vip: Endpoint): Promise<{ readonly server: number; readonly idleMs: number } | null> {
  let found: { readonly server: number; readonly idleMs: number } | null = null;
  const words = wordsOf(vip.ip);
  await scan(tableOf(kernel), { match: { servers: new Set(Object.values(own.servers)), client: { words: wordsOf(client.ip), portBe: swap16(client.port) } }, now, turn }, (record) => {
    const { sessions } = kernel;
    if (sessions.get(record, 'vip4_be') !== words[3] || sessions.get(record, 'vip_port_be') !== swap16(vip.port)) return true;
    const server = sessions.get(record, 'server');
    const blocked = isBlocked(kernel, server, now);
    if (kernel.servers.get(server, 'policy') !== 0 || blocked) return true;
    found = { server, idleMs: Math.max(0, msBetween(sessions.get(record, 'last'), now)) };
    return false;
  });
  return found;
}

function choose({ kernel, now }: ExplainState, d: DesiredDirector, own: DirectorSlot, client: Endpoint): Explanation {
  const open = candidatesOf(d);
  const rows = open.map((s) => own.servers[serverKey(s)]);
  const request = { source: hashIp(ipBytes(client.ip)), flow: hashFlow(ipBytes(client.ip), client.port), dest: d.vip === null ? 0 : hashIp(ipBytes(d.vip)) };
  const looking: PickerState = {
    active: (i) => kernel.servers.get(rows[i], 'active'),
    blocked: (i) => isBlocked(kernel, rows[i], now),
    next: () => kernel.directors.get(own.slot, 'position'),
    random: () => 0,
  };
  const balance = effectiveBalance(d);
  const picked = explainPick({ balance, servers: open.map((s) => ({ key: serverKey(s), weight: s.weight })), state: looking, request });
  const base = { director: d.name, candidates: d.servers.map((server) => noteOf(kernel, server, own, open.indexOf(server), picked)) };
  const bound = persistedServer(kernel, d, own, client.ip, now);
  if (bound !== null) return { ...base, server: bound.name, why: `persistence: the client's address is bound to ${bound.name}` };
  const kept = balance.startsWith('localitybased') ? keptServer(kernel, own, request.dest, rows, now) : -1;
  if (kept >= 0 && picked.index >= 0) return { ...base, server: open[kept].name, why: `${balance}: this destination's server, while it is not overloaded` };
  const sorry = sorryOf(d);
  const sorryInUse = kernel.directors.get(own.slot, 'sorry_in_use') !== 0;
  if (!sorryInUse && picked.index >= 0) return { ...base, server: open[picked.index].name, why: picked.why };
  if (sorry !== undefined) return { ...base, server: sorry.name, why: 'no other server takes sessions: the sorry server' };
  const last = open.find((s) => s.weight > 0);
  if (last !== undefined) return { ...base, server: last.name, why: 'every server refused lately; the first one is tried all the same' };
  return { ...base, server: null, why: 'dropped (no_server): no server of the director takes sessions and there is no sorry server' };
}

function noteOf(kernel: Kernel, server: DesiredServer, own: DirectorSlot, index: number, picked: PickExplanation): Explanation['candidates'][number] {
  const note = index >= 0 ? picked.notes[index] : server.sorry ? 'sorry server: only when no other takes sessions' : `takes no new sessions: ${server.state}`;
  return { server: server.name, state: server.state, weight: server.weight, sessions: Math.max(0, kernel.servers.get(own.servers[serverKey(server)], 'live') | 0), note };
}

function isBlocked(kernel: Kernel, server: number, now: number): boolean {
  const until = kernel.servers.get(server, 'blocked_until');
  return until !== 0 && ((until - now) | 0) > 0;
}

function persistedServer(kernel: Kernel, d: DesiredDirector, own: DirectorSlot, client: Ip, now: number): DesiredServer | null {
  if (d.persistence === null) return null;
  const found = kernel.persisted(own.slot, maskedClient(client, client.family === 4 ? d.persistence.prefix4 : d.persistence.prefix6));
  if (found === null || ((found.until - now) | 0) <= 0) return null;
  const server = d.servers.find((s) => own.servers[serverKey(s)] === found.server);
  return server !== undefined && !server.sorry && server.weight > 0 && (server.state === 'up' || server.state === 'unknown') && !isBlocked(kernel, found.server, now) ? server : null;
}

/** The client's address as the key of `persists`: 16 bytes, an IPv4 one in the last four, cut to its prefix. */
function maskedClient(client: Ip, prefix: number): Uint8Array {
  const own = ipBytes(client);
  const masked = new Uint8Array(16);
  const offset = 16 - own.length;
  own.forEach((byte, i) => {
    masked[offset + i] = byte & (0xff00 >> Math.max(0, Math.min(8, prefix - 8 * i)));
  });
  return masked;
}

/** The index of the candidate that the destination keeps, when there is one and it is usable. */
function keptServer(kernel: Kernel, own: DirectorSlot, dest: number, rows: readonly number[], now: number): number {
  for (const slot of kernel.locality(own.slot, dest)) {
    const i = rows.indexOf(slot);
    if (i >= 0 && !isBlocked(kernel, slot, now)) return i;
  }
  return -1;
}

function nameOf(d: DesiredDirector, own: DirectorSlot, slot: number): string {
  return d.servers.find((s) => own.servers[serverKey(s)] === slot)?.name ?? '?';
}

