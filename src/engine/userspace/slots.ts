/**
 * Gives directors and servers their slots in shared memory. A slot whose owner left is kept for it until no session names it
 * any more, so counters go on when the owner comes back, and no other owner ever meets sessions that are not its own.
 */
import { localityBytes } from '../../balance/locality.ts';
import { serverKey, type Desired, type DesiredDirector } from '../../plan/desired.ts';
import { candidateText } from './director.ts';
import type { SlottedDirector } from './protocol.ts';
import { DIRECTOR_STRIDE, SERVER_STRIDE, type SharedViews } from './shared.ts';

class Slots {
  readonly #byKey = new Map<string, number>();
  readonly #free: number[];

  constructor(count: number) {
    this.#free = Array.from({ length: count }, (_, i) => count - 1 - i);
  }

  get(key: string): number | undefined {
    return this.#byKey.get(key);
  }

  take(key: string): number | undefined {
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const slot = this.#free.pop();
    if (slot !== undefined) this.#byKey.set(key, slot);
    return slot;
  }

  contents(): readonly (readonly [key: string, slot: number])[] {
    return [...this.#byKey];
  }

  /** One past the highest slot that is taken. */
  get high(): number {
    return Math.max(-1, ...this.#byKey.values()) + 1;
  }

  adopt(contents: readonly (readonly [key: string, slot: number])[]): void {
    const taken = new Set(contents.map(([, slot]) => slot));
    for (const [key, slot] of contents) this.#byKey.set(key, slot);
    this.#free.splice(0, this.#free.length, ...this.#free.filter((slot) => !taken.has(slot)));
  }

  // Returns the slots of owners that are not kept and may go.
  sweep(kept: ReadonlySet<string>, mayGo: (slot: number) => boolean): number[] {
    const gone: number[] = [];
    for (const [key, slot] of this.#byKey) {
      if (kept.has(key) || !mayGo(slot)) continue;
      this.#byKey.delete(key);
      this.#free.push(slot);
      gone.push(slot);
    }
    return gone;
  }
}

/** Whose every slot is, and what localitybased directors remember, by director slot. */
export interface KeptSlots {
  readonly directors: readonly (readonly [key: string, slot: number])[];
  readonly servers: readonly (readonly [key: string, slot: number])[];
  readonly locality: readonly { readonly slot: number; readonly input: string; readonly bytes: Uint8Array }[];
}

export class SlotKeeper {
  readonly #shared: SharedViews;
  readonly #directors: Slots;
  readonly #servers: Slots;
  readonly #locality: ({ readonly input: string; readonly memory: SharedArrayBuffer } | undefined)[] = [];

  constructor(shared: SharedViews) {
    this.#shared = shared;
    this.#directors = new Slots(shared.limits.directors);
    this.#servers = new Slots(shared.limits.servers);
  }

  /** Returns the directors with their slots, or what there are too many of. */
  assign(desired: Desired): readonly SlottedDirector[] | { readonly tooMany: string } {
    const { limits } = this.#shared;
    const slotted: SlottedDirector[] = [];
    for (const director of desired.directors) {
      const slot = this.#directors.take(director.name);
      if (slot === undefined) return { tooMany: `directors (the engine has room for ${limits.directors})` };
      const serverSlots: number[] = [];
      for (const server of director.servers) {
        const serverSlot = this.#servers.take(`${director.name}|${serverKey(server)}`);
        if (serverSlot === undefined) return { tooMany: `servers (the engine has room for ${limits.servers})` };
        serverSlots.push(serverSlot);
      }
      slotted.push({ slot, director, serverSlots, locality: this.#localityOf(slot, director) });
    }
    return slotted;
  }

  // The memory is indexed by candidate, so it lasts as long as the candidates do; the pickers carry over what they knew.
  #localityOf(slot: number, director: DesiredDirector): SharedArrayBuffer | null {
    if (director.balance !== 'localitybased' && director.balance !== 'localitybased-replication') return null;
    const input = `${director.name}|${director.balance}|${candidateText(director)}`;
    const known = this.#locality[slot];
    if (known?.input === input) return known.memory;
    const memory = new SharedArrayBuffer(localityBytes(director.servers.length));
    this.#locality[slot] = { input, memory };
    return memory;
  }

  /** Returns how many slots of each kind may be in use: all below these numbers. */
  get high(): { readonly servers: number; readonly directors: number } {
    return { servers: this.#servers.high, directors: this.#directors.high };
  }

  /** Returns a copy of whose the slots are. */
  handover(): KeptSlots {
    return {
      directors: this.#directors.contents(),
      servers: this.#servers.contents(),
      locality: this.#locality.flatMap((known, slot) => (known === undefined ? [] : [{ slot, input: known.input, bytes: Uint8Array.from(new Uint8Array(known.memory)) }])),
    };
  }

  /** Takes over another keeper's slots; this one must be unused. */
  adopt({ directors, servers, locality }: KeptSlots): void {
    this.#directors.adopt(directors);
    this.#servers.adopt(servers);
    for (const { slot, input, bytes } of locality) {
      const memory = new SharedArrayBuffer(bytes.length);
      new Uint8Array(memory).set(bytes);
      this.#locality[slot] = { input, memory };
    }
  }

  /** Frees the slots of owners that are not in `desired` and that no session names; zeroes their counters. Call between applies. */
  release(desired: Desired): void {
    const { refs, directorSessions, active, live, blockedUntil, rotation, serverCounters, directorCounters } = this.#shared;
    const servers = new Set(desired.directors.flatMap((d) => d.servers.map((s) => `${d.name}|${serverKey(s)}`)));
    for (const slot of this.#servers.sweep(servers, (s) => Atomics.load(refs, s) === 0)) {
      active[slot] = live[slot] = blockedUntil[slot] = 0;
      for (const stripe of serverCounters) stripe.fill(0, slot * SERVER_STRIDE, (slot + 1) * SERVER_STRIDE);
    }
    for (const slot of this.#directors.sweep(new Set(desired.directors.map((d) => d.name)), (s) => Atomics.load(directorSessions, s) === 0)) {
      rotation[slot] = 0;
      for (const stripe of directorCounters) stripe.fill(0, slot * DIRECTOR_STRIDE, (slot + 1) * DIRECTOR_STRIDE);
    }
  }
}
