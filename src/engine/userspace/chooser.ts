/** Which server a new session, request or one-way datagram goes to: persistence, then the algorithm, then the sorry server. */
import { hashFlow4, hashFlow6, hashIp4, hashIp6 } from '../../balance/hash.ts';
import { AddressTable } from './address-table.ts';
import type { RuntimeDirector, SharedClock } from './director.ts';
import { swap16, swap32 } from './endpoints.ts';
import type { SharedViews } from './shared.ts';

export class Chooser {
  readonly persistence: AddressTable;
  readonly #shared: SharedViews;
  readonly #clock: SharedClock;
  readonly #request = { source: 0, flow: 0, dest: 0 };
  readonly #masked = new Int32Array(4);

  constructor(shared: SharedViews, clock: SharedClock) {
    this.#shared = shared;
    this.#clock = clock;
    this.persistence = new AddressTable(shared.persistence, shared.limits.persistence);
  }

  /** Returns the server slot for this client, or -1 when there is none. */
  choose(d: RuntimeDirector, portBe: number, a0: number, a1: number, a2: number, a3: number): number {
    const persisted = this.persistedSlot(d, a0, a1, a2, a3);
    if (persisted >= 0) return persisted;
    if (!d.sorryInUse) {
      fillRequest(this.#request, d, portBe, a0, a1, a2, a3);
      const i = d.picker.pick(this.#request);
      if (i >= 0) return d.candidates[i];
    }
    return d.sorrySlot >= 0 ? d.sorrySlot : this.lastResort(d);
  }

  /** Returns the server slot persistence holds this client to, or -1. */
  persistedSlot(d: RuntimeDirector, a0: number, a1: number, a2: number, a3: number): number {
    if (d.persistenceDs === 0) return -1;
    const slot = this.persistence.get(d.slot, this.#mask(d, a0, a1, a2, a3), this.#clock.ds);
    const usable = slot >= 0 && d.candidates.includes(slot) && this.#shared.blockedUntil[slot] <= this.#clock.ds && weightOf(d, slot) > 0;
    return usable ? slot : -1;
  }

  /** Returns the slot used when nothing but evidence speaks against any server, or -1: one that restarts quickly must not cost its clients ten seconds. */
  lastResort(d: RuntimeDirector): number {
    for (const slot of d.candidates) if (weightOf(d, slot) > 0) return slot;
    return -1;
  }

  /** Binds the client's address to the server slot until `lastAt` (ms since the shared epoch) plus the director's persistence time. */
  persist(d: RuntimeDirector, slot: number, lastAt: number, a0: number, a1: number, a2: number, a3: number): void {
    this.persistence.put(d.slot, this.#mask(d, a0, a1, a2, a3), slot, this.#clock.ds, Math.floor(lastAt / 100) + d.persistenceDs);
  }

  #mask(d: RuntimeDirector, a0: number, a1: number, a2: number, a3: number): Int32Array {
    const masked = this.#masked;
    const mask = isV4(a0, a1, a2) ? d.masks.v4 : d.masks.v6;
    masked[0] = a0 & mask[0];
    masked[1] = a1 & mask[1];
    masked[2] = a2 & mask[2];
    masked[3] = a3 & mask[3];
    return masked;
  }
}

/** Fills a pick request with the hashes of a client (raw words) and the director's VIP. */
export function fillRequest(r: { source: number; flow: number; dest: number }, d: RuntimeDirector, portBe: number, a0: number, a1: number, a2: number, a3: number): void {
  const port = swap16(portBe);
  if (isV4(a0, a1, a2)) {
    r.source = hashIp4(swap32(a3));
    r.flow = hashFlow4(swap32(a3), port);
  } else {
    r.source = hashIp6(swap32(a0), swap32(a1), swap32(a2), swap32(a3));
    r.flow = hashFlow6(swap32(a0), swap32(a1), swap32(a2), swap32(a3), port);
  }
  r.dest = d.destHash;
}

function weightOf(d: RuntimeDirector, slot: number): number {
  return d.desired.servers[d.serverSlots.indexOf(slot)]?.weight ?? 0;
}

/** True for an IPv4 client: it is kept as one word. ::a.b.c.d below ::1:0:0 would look alike, which costs such clients nothing but a shared hash. */
export function isV4(a0: number, a1: number, a2: number): boolean {
  return a0 === 0 && a1 === 0 && (a2 === 0 || a2 === V4_MAPPED_WORD);
}
const V4_MAPPED_WORD = 0xffff0000 | 0;
