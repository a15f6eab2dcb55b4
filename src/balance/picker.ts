/**
 * The balance algorithms, pure: what is counted, blocked and random comes in as PickerState, so that workers may share it.
 * pick() runs once a datagram: tables are computed at creation, nothing is allocated after it. What each algorithm does is in README.md.
 */
import { hashPair, mix32 } from './hash.ts';
import { createLocality, type Locality, type LocalityPicker } from './locality.ts';
import { MAGLEV_NONE, MAGLEV_SIZE, maglevTable } from './maglev.ts';
import { weightedSchedule } from './schedule.ts';
import { spread, spreadPoint } from './spread.ts';
import type { Balance } from './terms.ts';

/** A server as the algorithms see it. `key` is serverKey(): hash tables depend on it alone; `weight` is 0..256, 0 takes nothing. */
export interface Candidate {
  readonly key: string;
  readonly weight: number;
}

/**
 * What an algorithm may ask while it picks; `i` is an index of the servers given at creation. Best an instance of one class:
 * methods of a prototype are inlined however many directors there are, closures are not (leastconn over 20 servers: 370 and 530 ns).
 */
export interface PickerState {
  /** Sessions (request-reply: outstanding requests) on server i now. */
  active(i: number): number;
  /** True while there is instant evidence that server i is down. */
  blocked(i: number): boolean;
  /** A position shared by all workers that counts up by one a call; it may wrap at 2^32. */
  next(): number;
  /** 0..2^32-1. */
  random(): number;
  /** Milliseconds of any steady clock; only localitybased-replication asks. Without it server sets never shrink. */
  nowMs?(): number;
}

/** `source` is hashIp of the client, `flow` hashFlow of client and port, `dest` hashIp of the address hit: all 32-bit. */
export interface PickRequest {
  source: number;
  flow: number;
  dest: number;
}

export interface Picker {
  readonly name: Balance;
  /** Returns the index of the server for one new session, or -1 when every server has weight 0 or is blocked. */
  pick(request: PickRequest): number;
  /** The destinations a localitybased picker remembers; undefined in all others. */
  readonly locality?: Locality;
}

export interface PickerOptions {
  /** A table of hashTable() made elsewhere (e.g. in shared memory), so that workers need not build their own. */
  readonly table?: Uint16Array;
  /** Memory of localityBytes() that the workers' localitybased pickers share. */
  readonly memory?: SharedArrayBuffer | undefined;
  /** The picker this one replaces: a localitybased one hands over what it remembers. */
  readonly previous?: Picker;
}

/** Returns a picker over `servers` (in configuration order). Throws RangeError above 65,535 servers or when `options.table` is of another size. */
export function createPicker(balance: Balance, servers: readonly Candidate[], state: PickerState, options: PickerOptions = {}): Picker {
  const pool = createPool(servers, state);
  switch (balance) {
    case 'roundrobin': return { name: balance, pick: roundrobin(pool) };
    case 'leastconn': return { name: balance, pick: leastOf(pool, 0) };
    case 'shortestexpected': return { name: balance, pick: leastOf(pool, 1) };
    case 'neverqueue': return { name: balance, pick: neverqueue(pool) };
    case 'failover': return { name: balance, pick: failover(pool) };
    case 'random': return { name: balance, pick: weightedRandom(pool) };
    case 'source': return { name: balance, pick: bySource(hashLookup(pool, options.table)) };
    case 'dest': return { name: balance, pick: byDest(hashLookup(pool, options.table)) };
    case 'srcdst': return { name: balance, pick: bySourceAndDest(hashLookup(pool, options.table)) };
    case 'maglev': return { name: balance, pick: byFlow(hashLookup(pool, options.table)) };
    case 'localitybased':
    case 'localitybased-replication': {
      const made: LocalityPicker = createLocality({ servers, state, fallback: leastOf(pool, 0), replication: balance === 'localitybased-replication', previous: options.previous?.locality, memory: options.memory });
      return { name: balance, pick: made.pick, locality: made.locality };
    }
  }
}

/** Returns the table source, dest, srcdst and maglev look hashes up in (see maglevTable), or null for the other algorithms. */
export function hashTable(balance: Balance, servers: readonly Candidate[], into?: Uint16Array): Uint16Array | null {
  return usesHashTable(balance) ? maglevTable(servers, MAGLEV_SIZE, into) : null;
}

/** True for the algorithms that look a hash up in a table: source, dest, srcdst, maglev. */
export function usesHashTable(balance: Balance): boolean {
  return balance === 'source' || balance === 'dest' || balance === 'srcdst' || balance === 'maglev';
}

interface Pool {
  readonly servers: readonly Candidate[];
  readonly state: PickerState;
  readonly count: number;
  readonly weight: Uint32Array;
  /** Scratch of one pick: 1 marks those between which spread() decides. */
  readonly mark: Uint8Array;
}

function createPool(servers: readonly Candidate[], state: PickerState): Pool {
  return { servers, state, count: servers.length, weight: Uint32Array.from(servers, (s) => s.weight), mark: new Uint8Array(servers.length) };
}

/** Any unblocked server by weight: where a table's own choices are blocked. */
function anyUnblocked({ count, weight, mark, state }: Pool, position: number): number {
  for (let i = 0; i < count; i++) mark[i] = weight[i] !== 0 && !state.blocked(i) ? 1 : 0;
  return spread(weight, mark, position);
}

function roundrobin(pool: Pool): (request: PickRequest) => number {
  const { state } = pool;
  const schedule = weightedSchedule(Array.from(pool.weight));
  const length = schedule.length;
  if (length === 0) return none;
  return () => {
    let position = state.next() >>> 0;
    // A blocked server's turn goes to the next turn of the shared rotation, so its share spreads over all others.
    for (let tries = 0; tries < 4; tries++) {
      const server = schedule[position % length];
      if (!state.blocked(server)) return server;
      position = state.next() >>> 0;
    }
    return anyUnblocked(pool, position);
  };
}

/** The least (active + extra) / weight, compared by cross multiplication as IPVS does; equals take turns by weight. */
function leastOf({ state, count, weight }: Pool, extra: 0 | 1): (request: PickRequest) => number {
  return () => {
    let best = -1;
    let bestLoad = 0;
    let bestWeight = 0;
    let ties = 0;
    let tiedWeight = 0;
    let equal = true;
    for (let i = 0; i < count; i++) {
      const w = weight[i];
      if (w === 0 || state.blocked(i)) continue;
      const load = state.active(i) + extra;
      const difference = best < 0 ? -1 : load * bestWeight - bestLoad * w;
      if (difference > 0) continue;
      if (difference < 0) {
        best = i;
        bestLoad = load;
        bestWeight = tiedWeight = w;
        ties = 0;
        equal = true;
      } else {
        ties++;
        tiedWeight += w;
        if (w !== bestWeight) equal = false;
      }
    }
    if (ties === 0) return best;
    let left = spreadPoint(state.next(), tiedWeight, equal ? bestWeight : 0);
    for (let i = best; i < count; i++) {
      const w = weight[i];
      if (w === 0 || state.blocked(i) || (state.active(i) + extra) * bestWeight !== bestLoad * w) continue;
      left -= w;
      if (left < 0) return i;
    }
    // Another worker changed a count between the two passes.
    return best;
  };
}

function neverqueue(pool: Pool): (request: PickRequest) => number {
  const { state, count, weight, mark } = pool;
  const shortest = leastOf(pool, 1);
  return (request) => {
    let idle = 0;
    for (let i = 0; i < count; i++) {
      const take = weight[i] !== 0 && state.active(i) === 0 && !state.blocked(i);
      mark[i] = take ? 1 : 0;
      if (take) idle++;
    }
    return idle === 0 ? shortest(request) : spread(weight, mark, idle === 1 ? 0 : state.next());
  };
}

function failover(pool: Pool): (request: PickRequest) => number {
  const { state } = pool;
  const order = Uint16Array.from(failoverOrder(pool.servers));
  return () => {
    for (let i = 0; i < order.length; i++) if (!state.blocked(order[i])) return order[i];
    return -1;
  };
}

/** Returns the order in which failover tries servers: heaviest first, equals as configured, weight 0 left out. */
export function failoverOrder(servers: readonly Candidate[]): number[] {
  const order: number[] = [];
  servers.forEach((s, i) => {
    if (s.weight > 0) order.push(i);
  });
  return order.sort((a, b) => servers[b].weight - servers[a].weight || a - b);
}

function weightedRandom(pool: Pool): (request: PickRequest) => number {
  const { state, count, weight } = pool;
  const upTo = new Float64Array(count);
  let total = 0;
  for (let i = 0; i < count; i++) upTo[i] = total += weight[i];
  if (total === 0) return none;
  return () => {
    let number = state.random() >>> 0;
    for (let tries = 0; tries < 4; tries++) {
      const point = (number / 0x1_0000_0000) * total;
      let low = 0;
      let high = count - 1;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (upTo[middle] > point) high = middle;
        else low = middle + 1;
      }
      if (!state.blocked(low)) return low;
      number = state.random() >>> 0;
    }
    return anyUnblocked(pool, mix32(number));
  };
}

/** A hash to a server; a blocked server's clients each go to a next choice of their own, always the same, and nobody else moves. */
function hashLookup(pool: Pool, given: Uint16Array | undefined): (hash: number) => number {
  const { state } = pool;
  const table = given ?? maglevTable(pool.servers);
  const size = MAGLEV_SIZE;
  if (table.length !== size) throw new RangeError(`a hash table has ${size} entries, got ${table.length}`);
  return (hash) => {
    let h = hash >>> 0;
    for (let tries = 0; tries < 8; tries++) {
      const server = table[h % size];
      if (server === MAGLEV_NONE) return -1;
      if (!state.blocked(server)) return server;
      h = mix32(h + 0x9e3779b9);
    }
    return anyUnblocked(pool, h);
  };
}

function bySource(lookup: (hash: number) => number): (request: PickRequest) => number {
  return (request) => lookup(request.source);
}

function byDest(lookup: (hash: number) => number): (request: PickRequest) => number {
  return (request) => lookup(request.dest);
}

function bySourceAndDest(lookup: (hash: number) => number): (request: PickRequest) => number {
  return (request) => lookup(hashPair(request.source, request.dest));
}

function byFlow(lookup: (hash: number) => number): (request: PickRequest) => number {
  return (request) => lookup(request.flow);
}

function none(): number {
  return -1;
}
