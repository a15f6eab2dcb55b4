/** Where ip_vs would send a new client, computed from what the kernel shows: its servers in its own order, their weights and sessions. */
import { parseEndpoint } from '../../net/endpoint.ts';
import { ipBytes, type Ip } from '../../net/ip.ts';
import type { Desired, DesiredDirector } from '../../plan/desired.ts';
import type { ExplainQuery, Explanation } from '../engine.ts';
import { directorFinder, serverAt, type Connection } from './connections.ts';
import { destKey, type ReadDest } from './ipvs.ts';
import type { TargetService } from './target.ts';

/** `dest` null: nobody, it would be dropped; undefined: the kernel does not show what decides. */
export interface Forecast {
  readonly dest: ReadDest | null | undefined;
  readonly why: string;
}

export interface Question {
  readonly director: DesiredDirector;
  readonly client: Ip;
  readonly vip: Ip;
}

/** Returns the director that a query is about with its addresses; null when there is none. */
export function questionOf(query: ExplainQuery, desired: Desired): Question | null {
  const [client, vip] = [parseEndpoint(query.client), parseEndpoint(query.vip)];
  if (client === undefined || vip === undefined) return null;
  const director = directorFinder(desired)(query.protocol, vip);
  return director === undefined ? null : { director, client: client.ip, vip: vip.ip };
}

/** Returns the answer from what the kernel shows of the director's servers, and the client's connection if it has one. */
export function explanationOf({ director, client, vip }: Question, { service }: TargetService, dests: readonly ReadDest[], live: Connection | undefined): Explanation {
  const fed = service.id.kind === 'mark' ? ` (mark 0x${service.id.mark.toString(16)})` : '';
  const candidates = director.servers.map((s) => {
    const dest = dests.find((d) => destKey(d) === destKey(s));
    const sessions = dest === undefined ? 0 : dest.active + dest.inactive;
    const note = dest === undefined ? 'not in ip_vs' : `ip_vs weight ${dest.weight}, ${sessions} ${sessions === 1 ? 'session' : 'sessions'}, ${service.scheduler}`;
    return { server: s.name, state: s.state, weight: s.weight, sessions, note };
  });
  const home = live === undefined ? undefined : serverAt(director, live.server);
  if (home !== undefined && director.session.kind !== 'one-way') return { director: director.name, server: home.name, why: `the client has a session on it${fed}`, candidates };
  const { dest, why } = forecast(service.scheduler, dests, client, vip);
  const server = director.servers.find((s) => dest !== undefined && dest !== null && destKey(s) === destKey(dest))?.name ?? null;
  return { director: director.name, server, why: `${why}${fed}`, candidates };
}

const SLOTS = 256;
const GOLDEN_RATIO_32 = 0x61c88647;

/** Returns what a scheduler would do next (net/netfilter/ipvs/ip_vs_*.c of Linux 6.1). */
export function forecast(scheduler: string, dests: readonly ReadDest[], client: Ip, vip: Ip): Forecast {
  const open = dests.filter((d) => d.weight > 0);
  if (open.length === 0) return { dest: null, why: 'no server takes sessions (no_server)' };
  if (open.length === 1 && scheduler !== 'dh') return { dest: open[0], why: 'the only server that takes sessions' };
  switch (scheduler) {
    case 'wlc':
      return { dest: least(open, (d) => d.active * 256 + d.inactive), why: 'leastconn (wlc): fewest sessions for its weight' };
    case 'sed':
      return { dest: least(open, (d) => d.active + 1), why: 'shortestexpected (sed): least (sessions + 1) for its weight' };
    case 'nq':
      return { dest: open.find((d) => d.active === 0) ?? least(open, (d) => d.active + 1), why: 'neverqueue (nq): an idle server first, else least (sessions + 1) for its weight' };
    case 'fo':
      return { dest: open.reduce((best, d) => (d.weight > best.weight ? d : best)), why: 'failover (fo): the highest weight that is available' };
    case 'sh':
      return { dest: hashed(dealt(dests, (d) => d.weight), client), why: "source (sh): the hash of the client's address" };
    case 'dh':
      return { dest: hashed(dealt(dests, () => 1), vip), why: 'dest (dh): the hash of the address that was hit' };
    default:
      return { dest: undefined, why: `one of ${open.length} servers: the kernel does not show whose turn it is under ${scheduler}` };
  }
}

function least(dests: readonly ReadDest[], load: (d: ReadDest) => number): ReadDest | undefined {
  return dests.reduce<ReadDest | undefined>((best, d) => (best === undefined || load(best) * d.weight > load(d) * best.weight ? d : best), undefined);
}

/** The table, dealt in runs of a server's weight, in the kernel's order. */
function dealt(dests: readonly ReadDest[], run: (d: ReadDest) => number): ReadDest[] {
  const slots: ReadDest[] = [];
  for (let at = 0, count = 0; slots.length < SLOTS;) {
    const dest = dests[at % dests.length]!;
    slots.push(dest);
    if (++count >= run(dest)) {
      at++;
      count = 0;
    }
  }
  return slots;
}

function hashed(slots: readonly ReadDest[], ip: Ip): ReadDest | undefined {
  const words = new DataView(ipBytes(ip).buffer);
  let folded = 0;
  for (let at = 0; at < words.byteLength; at += 4) folded ^= words.getUint32(at);
  const hash = Math.imul(folded, GOLDEN_RATIO_32) >>> 24;
  const first = slots[hash];
  if (first === undefined || first.weight > 0) return first;
  // sh-fallback: the same hash, moved on slot by slot from where it first led.
  for (let offset = 0; offset < SLOTS; offset++) {
    const next = slots[(((offset + hash) % SLOTS) + hash) % SLOTS];
    if (next !== undefined && next.weight > 0) return next;
  }
  return undefined;
}
