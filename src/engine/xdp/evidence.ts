/** ICMP evidence, from the counts the program keeps: looked at often, told at most once a second a server. */
import type { EngineEvent } from '../engine.ts';
import type { Kernel } from './kernel.ts';
import type { Names } from './names.ts';
import type { Slots } from './slots.ts';

const QUIET_MS = 1000;

export class Evidence {
  readonly #seen = new Map<number, number>();
  readonly #toldAt = new Map<number, number>();

  /** Takes what was counted before this process began as told. */
  begin(kernel: Kernel, slots: Slots): void {
    for (const director of slots) for (const slot of Object.values(director.servers)) this.#seen.set(slot, kernel.servers.get(slot, 'icmp_errors'));
  }

  /** Returns an event for each server that refused since the last look. */
  look(kernel: Kernel, slots: Slots, names: Names, nowMs: number): EngineEvent[] {
    const events: EngineEvent[] = [];
    for (const director of slots) {
      for (const slot of Object.values(director.servers)) {
        const count = kernel.servers.get(slot, 'icmp_errors');
        const seen = this.#seen.get(slot) ?? 0;
        if (count === seen || nowMs - (this.#toldAt.get(slot) ?? -Infinity) < QUIET_MS) continue;
        this.#seen.set(slot, count);
        this.#toldAt.set(slot, nowMs);
        const owner = names.ownerOf(slot);
        if (owner !== undefined) events.push({ kind: 'refused', director: owner.director, server: owner.server, atMs: nowMs, detail: `ICMP unreachable from ${owner.ip.text} (${(count - seen) >>> 0})` });
      }
    }
    return events;
  }

  /** Forgets rows that were given away: their next owner begins anew. */
  forget(slots: readonly number[]): void {
    for (const slot of slots) {
      this.#seen.delete(slot);
      this.#toldAt.delete(slot);
    }
  }
}
