/** A clock that stands still until a test moves it. */
import type { Clock } from './clock.ts';

export interface FakeClock extends Clock {
  /** Moves time on by `ms`, running each timer at its own time and letting promises settle in between. */
  advance(ms: number): Promise<void>;
  /** Sets the wall clock on or back by `ms`, as an operator or NTP does: nothing becomes due by it. */
  jump(ms: number): void;
  /** Timers that wait. */
  pending(): number;
}

/** Returns a clock that shows `startMs` and moves only by `advance`. */
export function createFakeClock(startMs = 1_700_000_000_000): FakeClock {
  let nowMs = startMs;
  let jumpedMs = 0;
  let order = 0;
  const timers = new Map<number, { atMs: number; fn: () => void }>();
  return {
    now: () => nowMs + jumpedMs,
    steady: () => nowMs,
    jump: (ms) => void (jumpedMs += ms),
    after(ms, fn) {
      const id = order++;
      timers.set(id, { atMs: nowMs + Math.max(0, ms), fn });
      return () => timers.delete(id);
    },
    pending: () => timers.size,
    async advance(ms) {
      const endMs = nowMs + ms;
      await settle();
      for (;;) {
        const due = [...timers].filter(([, t]) => t.atMs <= endMs).sort((a, b) => a[1].atMs - b[1].atMs || a[0] - b[0])[0];
        if (!due) break;
        timers.delete(due[0]);
        nowMs = Math.max(nowMs, due[1].atMs);
        due[1].fn();
        await settle();
      }
      nowMs = endMs;
      await settle();
    },
  };
}

/** Lets everything that is ready to run, run: promise chains and in-memory I/O, never real time. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}
