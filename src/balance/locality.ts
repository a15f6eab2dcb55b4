/**
 * IPVS lblc and lblcr: a destination address keeps its server (lblcr: its set of servers) while that is not overloaded, so that a
 * cache behind it stays warm. Overloaded, as there: more sessions than weight while some server has fewer than half its weight.
 * A director with one VIP has one destination: then all of it stays on one server until that is overloaded, as with IPVS.
 * What is remembered is bounded: DESTINATIONS entries, four to a bucket, the least recently used of a full bucket is forgotten and counted.
 */
import { mix32 } from './hash.ts';
import type { Candidate, PickRequest, PickerState } from './picker.ts';

/** Destinations remembered at most (fewer above 1024 servers with replication: one bit a server each). */
export const DESTINATIONS = 4096;
/** A set of servers that did not change for this long loses its busiest member (IPVS sysctl_lblcr_expiration). */
export const REPLICATION_SHRINK_MS = 24 * 3600 * 1000;

const WAYS = 4;
const BITMAP_WORDS = 131_072;

/** What a localitybased picker remembers; for explain, for metrics and for the picker that replaces it. */
export interface Locality {
  /** Server keys of each remembered destination, least recently used first. */
  entries(): { readonly dest: number; readonly keys: readonly string[]; readonly changedMs: number }[];
  /** Indexes of the servers that `dest` keeps; empty when it is not remembered. */
  servers(dest: number): number[];
  /** Destinations forgotten for want of room since creation. */
  evicted(): number;
}

export interface LocalityPicker {
  readonly pick: (request: PickRequest) => number;
  readonly locality: Locality;
}

export interface LocalityOptions {
  readonly servers: readonly Candidate[];
  readonly state: PickerState;
  /** Chooses when the destination has no server: leastconn over the same servers and state. */
  readonly fallback: (request: PickRequest) => number;
  readonly replication: boolean;
  readonly previous?: Locality | undefined;
  /** Memory of localityBytes() for a few destinations that several workers share; without it the picker has its own, for DESTINATIONS. */
  readonly memory?: SharedArrayBuffer | undefined;
}

/** Destinations remembered in shared memory: a director has one VIP, so one bucket is plenty. */
const SHARED_DESTINATIONS = WAYS;

/** Returns how many bytes of zeroed shared memory a localitybased picker over `servers` needs. */
export function localityBytes(servers: number): number {
  return layout(SHARED_DESTINATIONS, bitmapWords(servers)).bytes;
}

/** Returns the picker of localitybased, or with `replication` of localitybased-replication; memory is allocated here once. */
export function createLocality({ servers, state, fallback, replication, previous, memory }: LocalityOptions): LocalityPicker {
  const count = servers.length;
  const weight = Uint32Array.from(servers, (s) => s.weight);
  const words = bitmapWords(count);
  const slots = memory ? SHARED_DESTINATIONS : Math.max(WAYS, Math.min(DESTINATIONS, 2 ** Math.floor(Math.log2(BITMAP_WORDS / words))));
  const at = layout(slots, words);
  const buffer = memory ?? new ArrayBuffer(at.bytes);
  const cache = createCache(new Int32Array(buffer, at.key, slots), new Float64Array(buffer, at.used, slots));
  const members = new Uint32Array(buffer, at.members, slots * words);
  const size = new Uint32Array(buffer, at.size, slots);
  const changed = new Float64Array(buffer, at.changed, slots);
  const now = (): number => state.nowMs?.() ?? 0;

  const usable = (i: number): boolean => weight[i] !== 0 && !state.blocked(i);
  const overloaded = (server: number): boolean => {
    if (state.active(server) <= weight[server]) return false;
    for (let i = 0; i < count; i++) if (usable(i) && state.active(i) * 2 < weight[i]) return true;
    return false;
  };
  const has = (slot: number, server: number): boolean => ((members[slot * words + (server >>> 5)] >>> (server & 31)) & 1) === 1;
  const clear = (slot: number): void => {
    members.fill(0, slot * words, (slot + 1) * words);
    size[slot] = 0;
  };
  const flip = (slot: number, server: number, delta: 1 | -1): void => {
    const at = slot * words + (server >>> 5);
    members[at] = (members[at] ^ (1 << (server & 31))) >>> 0;
    size[slot] = size[slot] + delta;
    changed[slot] = now();
  };
  /** The member with the least (`sign` 1) or most (-1) sessions per weight; only usable ones count for the least. */
  const extreme = (slot: number, sign: 1 | -1): number => {
    let best = -1;
    for (let i = 0; i < count; i++) {
      if (!has(slot, i) || (sign === 1 && !usable(i))) continue;
      if (best < 0 || sign * (state.active(i) * weight[best] - state.active(best) * weight[i]) < 0) best = i;
    }
    return best;
  };
  const shrink = (slot: number): void => {
    if (size[slot] > 1 && now() - changed[slot] > REPLICATION_SHRINK_MS) flip(slot, extreme(slot, -1), -1);
  };

  if (previous) adopt(previous);

  return {
    pick(request) {
      const dest = request.dest | 0;
      let slot = cache.find(dest);
      if (slot >= 0) {
        // As in IPVS, the server is chosen before the set shrinks.
        const server = extreme(slot, 1);
        if (replication) shrink(slot);
        if (server >= 0 && !overloaded(server)) return server;
      }
      const chosen = fallback(request);
      if (chosen < 0) return -1;
      if (slot < 0) clear((slot = cache.claim(dest)));
      else if (!replication && !has(slot, chosen)) clear(slot);
      if (!has(slot, chosen)) flip(slot, chosen, 1);
      return chosen;
    },
    locality: {
      entries: () =>
        cache.live().map(({ slot, dest }) => ({ dest: dest >>> 0, keys: listed(slot).map((i) => servers[i].key), changedMs: changed[slot] })),
      servers: (dest) => {
        const slot = cache.peek(dest | 0);
        return slot < 0 ? [] : listed(slot);
      },
      evicted: () => cache.evicted(),
    },
  };

  function listed(slot: number): number[] {
    return Array.from({ length: count }, (_, i) => i).filter((i) => has(slot, i));
  }

  function adopt(old: Locality): void {
    const index = new Map(servers.map((s, i) => [s.key, i]));
    for (const { dest, keys, changedMs } of old.entries()) {
      const kept = keys.map((key) => index.get(key)).filter((i) => i !== undefined && weight[i] !== 0) as number[];
      const taken = replication ? kept : kept.slice(0, 1);
      if (taken.length === 0) continue;
      // In shared memory another worker may have adopted the same already.
      if (cache.find(dest | 0) >= 0) continue;
      const slot = cache.claim(dest | 0);
      clear(slot);
      for (const i of taken) flip(slot, i, 1);
      changed[slot] = changedMs;
    }
  }
}

interface Cache {
  /** The slot of `dest`, now the most recently used of its bucket, or -1. */
  find(dest: number): number;
  peek(dest: number): number;
  /** A slot for `dest`, which must not be in the cache; what it held may be another destination's. */
  claim(dest: number): number;
  live(): { slot: number; dest: number }[];
  evicted(): number;
}

function bitmapWords(servers: number): number {
  return Math.max(1, Math.ceil(servers / 32));
}

// Where the arrays lie in the memory, in bytes; the 8-byte ones first.
function layout(slots: number, words: number): { used: number; changed: number; key: number; size: number; members: number; bytes: number } {
  const changed = slots * 8;
  const key = changed + slots * 8;
  const size = key + slots * 4;
  const members = size + slots * 4;
  return { used: 0, changed, key, size, members, bytes: members + slots * words * 4 };
}

/** A four-way set-associative cache of 32-bit keys in the given arrays (a power of two of slots): no allocation after creation. */
function createCache(key: Int32Array, used: Float64Array): Cache {
  const slots = key.length;
  const mask = slots / WAYS - 1;
  let clock = 0;
  let evictions = 0;
  const bucket = (dest: number): number => (mix32(dest) & mask) * WAYS;
  const peek = (dest: number): number => {
    const first = bucket(dest);
    for (let i = first; i < first + WAYS; i++) if (used[i] !== 0 && key[i] === dest) return i;
    return -1;
  };
  return {
    peek,
    find(dest) {
      const slot = peek(dest);
      if (slot >= 0) used[slot] = ++clock;
      return slot;
    },
    claim(dest) {
      const first = bucket(dest);
      let slot = first;
      for (let i = first + 1; i < first + WAYS; i++) if (used[i] < used[slot]) slot = i;
      if (used[slot] !== 0) evictions++;
      key[slot] = dest;
      used[slot] = ++clock;
      return slot;
    },
    live: () =>
      Array.from({ length: slots }, (_, slot) => slot)
        .filter((slot) => used[slot] !== 0)
        .sort((a, b) => used[a] - used[b])
        .map((slot) => ({ slot, dest: key[slot] })),
    evicted: () => evictions,
  };
}
