/** A clock for tests: time passes when told to, timers fire in order, promises settle in between. */
import type { SetTimer } from './agenda.ts';

export interface FakeClock {
  readonly nowMs: () => number;
  /** 1,000,000 s ahead of nowMs, to tell the two apart. */
  readonly wallMs: () => number;
  readonly setTimer: SetTimer;
  /** Lets `ms` pass, firing what is due on the way and letting promises settle after each. */
  advance(ms: number): Promise<void>;
  /** Timers that wait. */
  pending(): number;
}

/** Returns a clock at `startMs`. */
export function createFakeClock(startMs = 0): FakeClock {
  let now = startMs;
  let order = 0;
  const timers = new Map<number, { readonly atMs: number; fn(): void }>();
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 12; i++) await Promise.resolve();
  };
  return {
    nowMs: () => now,
    wallMs: () => now + 1e9,
    setTimer(fn, ms) {
      const id = order++;
      timers.set(id, { atMs: now + Math.max(0, ms), fn });
      return () => timers.delete(id);
    },
    async advance(ms) {
      const end = now + ms;
      await settle();
      for (;;) {
        let next: [number, { readonly atMs: number; fn(): void }] | undefined;
        for (const entry of timers) if (entry[1].atMs <= end && (next === undefined || entry[1].atMs < next[1].atMs)) next = entry;
        if (next === undefined) break;
        timers.delete(next[0]);
        now = Math.max(now, next[1].atMs);
        next[1].fn();
        await settle();
      }
      now = end;
    },
    pending: () => timers.size,
  };
}
