/** What the rows of the maps shall hold for a desired state. Pure: the same input gives the same words. */
import { hashIp } from '../../balance/hash.ts';
import { MAGLEV_NONE, MAGLEV_SIZE, maglevTable } from '../../balance/maglev.ts';
import { failoverOrder } from '../../balance/picker.ts';
import { weightedSchedule } from '../../balance/schedule.ts';
import { REPLIED_TIMEOUT_MS, REQUEST_TIMEOUT_MS, UNREPLIED_TIMEOUT_MS, type Balance, type OnAction } from '../../balance/terms.ts';
import { ipBytes, type Ip } from '../../net/ip.ts';
import { serverKey, type Desired, type DesiredDirector, type DesiredServer } from '../../plan/desired.ts';
import { ENUMS, SERVER_KEY } from './abi/spec.ts';
import { swap16, wordsOf } from './addresses.ts';
import { encode } from './codec.ts';
import type { HostFacts, Way } from './host.ts';
import { slotOf, type DirectorSlot, type Slots } from './slots.ts';
import { ticksOf } from './ticks.ts';
import { tunnelSource } from './tunnel-source.ts';
import type { VipClaim } from './vip-keys.ts';

/** Fields of a row by name, as the struct of that row has them. */
export type Row = Readonly<Record<string, number | readonly number[]>>;

export interface ServerTarget {
  readonly slot: number;
  readonly row: Row;
  readonly policy: OnAction | null;
  /** Up in the desired state: evidence against it is spent. */
  readonly up: boolean;
}

export interface PoolTarget {
  readonly algorithm: number;
  readonly candidates: readonly { readonly server: number; readonly weight: number }[];
  /** Entries the table has; 0: none. */
  readonly tableLength: number;
  /** Computes the table: a hash table of 65,537 entries is made only when it is to be written. */
  table(): Uint16Array;
}

export interface DirectorTarget {
  readonly slot: number;
  readonly name: string;
  readonly row: Row;
  readonly pool: PoolTarget;
  readonly servers: readonly ServerTarget[];
}

export interface Target {
  /** Keys of `server_ids` and the row each leads to: whose an ICMP error is that no session is found for. */
  readonly endpoints: ReadonlyMap<string, number>;
  readonly directors: readonly DirectorTarget[];
  readonly claims: readonly VipClaim[];
}

/** What of the host rows depend on: `ways` gives masquerade its address, and a tunnel its own, with `addresses`. */
export type Host = Pick<HostFacts, 'ways' | 'addresses'>;

/** Returns the target. `desired` must hold nothing that `xdpUnsupported` names and have its rows in `slots`. */
export function targetOf(desired: Desired, slots: Slots, host: Host): Target {
  const vips = new Set(desired.directors.flatMap((d) => (d.vip === null ? [] : [d.vip.text])));
  const sources = (server: DesiredServer): Sources => {
    const way = host.ways.get(server.ip.text) ?? null;
    return { way, tunnel: tunnelSource(way, vips, host.addresses) };
  };
  return {
    endpoints: endpointsOf(desired, slots),
    directors: desired.directors.map((d) => directorTarget(d, rowOf(slots, d), sources)),
    claims: desired.directors.flatMap((d) => (d.vip === null ? [] : [{ slot: rowOf(slots, d).slot, name: d.name, ip: d.vip, ports: d.ports }])),
  };
}

/** Returns the servers that take new sessions, in the order of a pool's candidates. */
export function candidatesOf(d: DesiredDirector): readonly DesiredServer[] {
  const open = d.servers.filter((s) => !s.sorry && takesSessions(s));
  if (d.balance !== 'failover') return open;
  return failoverOrder(open.map((s) => ({ key: serverKey(s), weight: s.weight }))).map((i) => open[i]);
}

/** Returns the algorithm a director's sessions are really dealt by: one-way datagrams leave no session to count. */
export function effectiveBalance({ balance, session }: DesiredDirector): Balance {
  const counts = balance === 'leastconn' || balance === 'shortestexpected' || balance === 'neverqueue';
  return session.kind === 'one-way' && counts ? 'roundrobin' : balance;
}

/** Returns the sorry server that could serve, or undefined. */
export function sorryOf(d: DesiredDirector): DesiredServer | undefined {
  return d.servers.find((s) => s.sorry && s.state !== 'disabled' && s.state !== 'down');
}

/** Returns what `on` says of the sessions of a server (null: one that was removed) in its present state; null while it is in normal use. */
export function policyOf(d: DesiredDirector, server: DesiredServer | null, sorryNeeded: boolean): OnAction | null {
  if (server === null) return d.on.remove;
  if (server.sorry) return sorryNeeded ? null : d.on.remove;
  switch (server.state) {
    case 'up':
    case 'unknown':
      return null;
    case 'drain':
      return d.on.drain;
    case 'down':
      return d.on.down;
    case 'disabled':
      return d.on.remove;
  }
}

function takesSessions(server: DesiredServer): boolean {
  return server.state === 'up' || server.state === 'unknown';
}

/** One-way directors come last and win: their datagrams leave no session. */
function endpointsOf(desired: Desired, slots: Slots): ReadonlyMap<string, number> {
  const oneWay = (d: DesiredDirector): number => (d.session.kind === 'one-way' ? 1 : 0);
  return new Map(desired.directors.toSorted((a, b) => oneWay(a) - oneWay(b)).flatMap((d) => d.servers.map((s): [string, number] =>
    [encode(SERVER_KEY, { addr_be: wordsOf(s.ip), port_be: swap16(s.port), family: s.ip.family }).toString('hex'), rowOf(slots, d).servers[serverKey(s)]])));
}

function rowOf(slots: Slots, d: DesiredDirector): DirectorSlot {
  const slot = slotOf(slots, d);
  if (slot === undefined) throw new RangeError(`director ${d.name} has no row`);
  return slot;
}

/** `tunnel`: whom an outer header is from. */
interface Sources {
  readonly way: Way | null;
  readonly tunnel: Ip | null;
}

function directorTarget(d: DesiredDirector, own: DirectorSlot, sources: (server: DesiredServer) => Sources): DirectorTarget {
  const open = candidatesOf(d);
  const sorry = sorryOf(d);
  const allZero = open.every((s) => s.weight === 0);
  const { session } = d;
  const requestReply = session.kind === 'request-reply';
  const present = new Map(d.servers.map((s) => [serverKey(s), s]));
  return {
    slot: own.slot,
    name: d.name,
    row: {
      kind: ENUMS.session_kind.indexOf(session.kind === 'two-way' ? 'two_way' : requestReply ? 'request_reply' : 'one_way'),
      mode: ENUMS.forwarding_mode.indexOf(d.mode),
      down_action: ENUMS.policy.indexOf(d.on.down.kind),
      sorry_in_use: sorry !== undefined && allZero ? 1 : 0,
      unreplied_ticks: ticksOf(session.timeoutMs ?? (requestReply ? REQUEST_TIMEOUT_MS : UNREPLIED_TIMEOUT_MS)),
      replied_ticks: ticksOf(session.timeoutMs ?? (requestReply ? REQUEST_TIMEOUT_MS : REPLIED_TIMEOUT_MS)),
      max: session.max ?? 0xffff_ffff,
      replies: Math.max(1, session.replies),
      persistence_ticks: d.persistence === null ? 0 : ticksOf(d.persistence.timeoutMs),
      prefix4: d.persistence?.prefix4 ?? 32,
      prefix6: d.persistence?.prefix6 ?? 128,
      dest_hash: d.vip === null ? 0 : hashIp(ipBytes(d.vip)),
      sorry: sorry === undefined ? 0 : own.servers[serverKey(sorry)] + 1,
      source_rate: session.sourceRate ?? 0,
      rate: session.rate ?? 0,
      amplification: session.amplification ?? 0,
    },
    pool: poolTarget(d, open, own),
    servers: Object.entries(own.servers).map(([key, slot]): ServerTarget => {
      const server = present.get(key);
      const policy = policyOf(d, server ?? null, sorry !== undefined && allZero);
      // A removed server keeps the row it had: its sessions are only moved or waited for.
      if (server === undefined) return { slot, row: { weight: 0 }, policy, up: false };
      return { slot, row: serverRow(d, server, own.slot, sources(server)), policy, up: server.state === 'up' || server.state === 'unknown' };
    }),
  };
}

function serverRow(d: DesiredDirector, server: DesiredServer, director: number, { way, tunnel }: Sources): Row {
  const source = sourceOf(d, way);
  const any = { source_any: d.sourceNat === null ? 0 : 1 };
  const rest = {
    addr_be: wordsOf(server.ip), port_be: swap16(server.port), family: server.ip.family, mode: ENUMS.forwarding_mode.indexOf(d.mode), director, weight: takesSessions(server) ? server.weight : 0,
    source_count: source?.count ?? 0,
    source_be: source === null ? [0, 0, 0, 0] : wordsOf(source.first),
    port_first: d.sourceNat?.ports?.first ?? 1024,
    port_last: d.sourceNat?.ports?.last ?? 65_535,
    encap_be: d.mode === 'tunnel' && tunnel !== null ? wordsOf(tunnel) : [0, 0, 0, 0],
  };
  // Written in this order: a session made in between sees a source that is whole, or none.
  return d.sourceNat === null ? { ...any, ...rest } : { ...rest, ...any };
}

/** The addresses servers see; null: the client's, or masquerade towards a server that there is no way to. */
function sourceOf(d: DesiredDirector, way: Way | null): { readonly first: Ip; readonly count: number } | null {
  if (d.sourceNat === null) return null;
  const { addresses } = d.sourceNat;
  if (addresses === null) return way?.source == null ? null : { first: way.source, count: 1 };
  return { first: addresses.first, count: rangeCount(addresses.first, addresses.last) };
}

/** Addresses of a range, both ends included, 65,536 at most; the first three words of IPv6 ones are the same. */
function rangeCount(first: Ip, last: Ip): number {
  const low = (ip: Ip): number => {
    const bytes = ipBytes(ip);
    return new DataView(bytes.buffer, bytes.byteOffset).getUint32(bytes.byteLength - 4);
  };
  return Math.max(1, Math.min(65_536, low(last) - low(first) + 1));
}

type Algorithm = (typeof ENUMS.algorithm)[number];

const ALGORITHM: Readonly<Record<Balance, Algorithm>> = {
  roundrobin: 'rotation', leastconn: 'least', shortestexpected: 'shortest', neverqueue: 'idle_first', failover: 'first', source: 'source', dest: 'dest', srcdst: 'srcdst', maglev: 'flow',
  random: 'random', localitybased: 'locality', 'localitybased-replication': 'replication',
};

function poolTarget(d: DesiredDirector, open: readonly DesiredServer[], own: DirectorSlot): PoolTarget {
  const algorithm = ALGORITHM[effectiveBalance(d)];
  const hashed = algorithm === 'source' || algorithm === 'dest' || algorithm === 'srcdst' || algorithm === 'flow';
  const rotation = algorithm === 'rotation' || algorithm === 'random' ? weightedSchedule(open.map((s) => s.weight)) : new Uint16Array(0);
  return {
    algorithm: ENUMS.algorithm.indexOf(algorithm),
    candidates: open.map((s) => ({ server: own.servers[serverKey(s)], weight: s.weight })),
    tableLength: hashed ? MAGLEV_SIZE : rotation.length,
    table: () => (hashed ? maglevTable(open.map((s) => ({ key: serverKey(s), weight: s.weight }))) : rotation),
  };
}

/** Returns a table's entries as values of the inner map: 32 to a value, the rest of the last one none. */
export function tableValues(entries: Uint16Array): Uint16Array {
  const values = new Uint16Array(Math.ceil(entries.length / TABLE_LINE) * TABLE_LINE).fill(MAGLEV_NONE);
  values.set(entries);
  return values;
}

/** Entries of one value of an inner map: a cache line. */
export const TABLE_LINE = 32;
