/** What ip_vs and our nftables table shall hold for a desired state. Pure: the same input gives the same target. */
import { isUnspecified, type Ip } from '../../net/ip.ts';
import { serverKey, type Desired, type DesiredDirector, type DesiredServer } from '../../plan/desired.ts';
import type { OnAction } from '../../balance/terms.ts';
import { SVC_ONEPACKET, SVC_PERSISTENT, type IpvsDest, type IpvsService, type ServiceId } from './ipvs.ts';
import { kernelWeights, schedulerOf } from './schedulers.ts';

/** A server that takes no new sessions and keeps those it has: until a time (ms since 1970), or as long as they live. */
export interface Hold {
  readonly director: string;
  readonly server: DesiredServer;
  readonly untilMs: number | null;
}

export interface TargetService {
  readonly director: string;
  readonly service: IpvsService;
  readonly dests: readonly TargetDest[];
}

/** `key` is the server's serverKey. */
export interface TargetDest extends IpvsDest {
  readonly key: string;
}

/** Datagrams to `ip` (null: every address of this host) and `ports` (null: all) get the mark. */
export interface MarkRule {
  readonly director: string;
  readonly family: 4 | 6;
  readonly protocol: 'udp' | 'tcp';
  readonly ip: Ip | null;
  readonly ports: { readonly first: number; readonly last: number } | null;
  /** null: it has a service by its address, and keeps what a wider rule would take. */
  readonly mark: number | null;
}

export interface Target {
  readonly services: readonly TargetService[];
  readonly marks: readonly MarkRule[];
  /** In seconds; null: as it was. */
  readonly udpTimeoutS: number | null;
  readonly tcpTimeoutS: number | null;
}

/** Every mark of ours is 0x77 and 24 bits made of the director's name. */
export const MARK_BASE = 0x77000000;
/** One UDP timeout is all ip_vs has; without a wish this, which is what the other engines give a session after a reply. */
const UDP_TIMEOUT_S = 120;

/** Returns the target. `desired` must hold nothing that `lvsUnsupported` names. */
export function targetOf(desired: Desired, holds: readonly Hold[]): Target {
  const marks = marksOf(desired);
  const services = desired.directors.map((d): TargetService => {
    const scheduler = schedulerOf(d) ?? { name: 'wlc', flags: 0 };
    return {
      director: d.name,
      service: {
        id: serviceIdOf(d, marks),
        scheduler: scheduler.name,
        flags: scheduler.flags | (d.persistence === null ? 0 : SVC_PERSISTENT) | (d.session.kind === 'one-way' ? SVC_ONEPACKET : 0),
        timeoutS: d.persistence === null ? 0 : seconds(d.persistence.timeoutMs),
        prefix: prefixOf(d),
      },
      dests: destsOf(d, scheduler.name, holds.filter((h) => h.director === d.name)),
    };
  });
  return {
    services,
    marks: markRules(desired, marks),
    udpTimeoutS: desired.directors.some((d) => d.protocol === 'udp' && d.session.kind !== 'one-way') ? (timeoutWish(desired, 'udp') ?? UDP_TIMEOUT_S) : null,
    tcpTimeoutS: timeoutWish(desired, 'tcp'),
  };
}

/** Returns the timeout in seconds that directors of a protocol name; null when none does. */
export function timeoutWish(desired: Desired, protocol: 'udp' | 'tcp'): number | null {
  const asking = desired.directors.find((d) => d.protocol === protocol && d.session.kind !== 'one-way' && d.session.timeoutMs !== null);
  return asking === undefined ? null : seconds(asking.session.timeoutMs ?? 0);
}

/** ip_vs counts whole seconds: rounded up, for a session that ends early is a fault and one that ends late is not. */
export function seconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1000));
}

/** True for a director that one address and port cannot name: it is fed by a mark. */
export function isMarked(d: DesiredDirector): boolean {
  return d.vip === null || d.ports === null || d.ports.first !== d.ports.last || isUnspecified(d.vip);
}

/** Returns the mark of each director that is fed by one. The same name has the same mark in every configuration, unless two names collide. */
export function marksOf(desired: Desired): ReadonlyMap<string, number> {
  const marks = new Map<string, number>();
  const taken = new Set<number>();
  for (const d of desired.directors) {
    if (!isMarked(d)) continue;
    let low = fnv24(d.name);
    while (taken.has(low)) low = (low + 1) & 0xffffff;
    taken.add(low);
    marks.set(d.name, MARK_BASE + low);
  }
  return marks;
}

/** What becomes of a server's sessions: it serves, it holds them (`untilMs`: how long from now, null for ever), or it lets them go. */
export function fateOf(d: DesiredDirector, server: DesiredServer): 'serves' | 'goes' | { readonly holdMs: number | null } {
  switch (server.state) {
    case 'up':
    case 'unknown':
      return 'serves';
    case 'drain':
      return fateBy(d.on.drain);
    case 'down':
      return fateBy(d.on.down);
    case 'disabled':
      return fateBy(d.on.remove);
  }
}

/** Returns what an action makes of sessions. `drop` is refused before it comes here. */
export function fateBy(action: OnAction): 'goes' | { readonly holdMs: number | null } {
  return action.kind === 'keep' ? { holdMs: action.forMs } : 'goes';
}

/** Returns the family of a director's packets: of its address, or without one of its servers. */
export function directorFamily(d: DesiredDirector): 4 | 6 {
  return d.vip?.family ?? d.servers[0]?.ip.family ?? 4;
}

/** net/netfilter/ipvs/ip_vs_{mh,sh,dh}.c; mh by its ties alone, some tenths of a per cent of its table, now and then a tenth. */
const DEALT_IN_ORDER: ReadonlySet<string> = new Set(['mh', 'sh', 'dh']);

function destsOf(d: DesiredDirector, scheduler: string, holds: readonly Hold[]): TargetDest[] {
  const held = new Map(holds.map((h) => [serverKey(h.server), h]));
  const open = d.servers.some((s) => !s.sorry && s.weight > 0 && fateOf(d, s) === 'serves');
  const list: { server: DesiredServer; weight: number }[] = [];
  for (const server of d.servers) {
    const fate = fateOf(d, server);
    if (fate === 'serves') list.push({ server, weight: server.sorry ? (open ? 0 : Math.max(1, server.weight)) : server.weight });
    else if (fate !== 'goes' && (fate.holdMs === null || held.has(serverKey(server)))) list.push({ server, weight: 0 });
    held.delete(serverKey(server));
  }
  for (const { server } of held.values()) list.push({ server, weight: 0 });
  // These deal their tables in the order of their list: whoever writes the same servers in another order, here or on a second balancer, is to get the same table.
  if (DEALT_IN_ORDER.has(scheduler)) list.sort((a, b) => (serverKey(a.server) < serverKey(b.server) ? -1 : 1));
  const weights = kernelWeights(scheduler, list.map((l) => l.weight));
  const dests = list.map(({ server }, i): TargetDest => ({ key: serverKey(server), ip: server.ip, port: server.port, forward: d.mode, weight: weights[i] ?? 0 }));
  // dh deals its table to servers of weight 0 too, and drops whoever meets one: there they have to go.
  return scheduler === 'dh' ? dests.filter((dest) => dest.weight > 0) : dests;
}

function serviceIdOf(d: DesiredDirector, marks: ReadonlyMap<string, number>): ServiceId {
  const mark = marks.get(d.name);
  if (mark !== undefined || d.vip === null || d.ports === null) return { kind: 'mark', family: directorFamily(d), mark: mark ?? 0 };
  return { kind: 'address', protocol: d.protocol, ip: d.vip, port: d.ports.first };
}

function prefixOf(d: DesiredDirector): number {
  const v4 = directorFamily(d) === 4;
  if (d.persistence === null) return v4 ? 32 : 128;
  return v4 ? d.persistence.prefix4 : d.persistence.prefix6;
}

/** Narrow rules first: an address before all of them, ports before all of them. */
function markRules(desired: Desired, marks: ReadonlyMap<string, number>): MarkRule[] {
  const rule = (d: DesiredDirector): MarkRule => ({
    director: d.name, family: directorFamily(d), protocol: d.protocol, ip: d.vip === null || isUnspecified(d.vip) ? null : d.vip, ports: d.ports, mark: marks.get(d.name) ?? null,
  });
  // A director without an address is fed by whoever sets its mark.
  const marked = desired.directors.filter((d) => isMarked(d) && d.vip !== null).map(rule);
  const plain = desired.directors.filter((d) => !isMarked(d)).map(rule).filter((p) => marked.some((m) => covers(m, p)));
  const width = (m: MarkRule): number => (m.mark === null ? 0 : m.ip === null ? 0x20000 : 0) + (m.ports === null ? 0x10000 : m.ports.last - m.ports.first);
  return [...plain, ...marked].sort((a, b) => width(a) - width(b) || (a.director < b.director ? -1 : 1));
}

function covers(wide: MarkRule, narrow: MarkRule): boolean {
  if (wide.family !== narrow.family || wide.protocol !== narrow.protocol || (wide.ip !== null && wide.ip.text !== narrow.ip?.text)) return false;
  return wide.ports === null || narrow.ports === null || (wide.ports.first <= narrow.ports.last && narrow.ports.first <= wide.ports.last);
}

/** FNV-1a folded to 24 bits. */
function fnv24(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return ((hash >>> 24) ^ hash) & 0xffffff;
}
