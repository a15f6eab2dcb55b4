/** Time as an argument: what reads the clock or waits takes one of these, so that a test can turn it by hand. */
export interface Clock {
  /** Milliseconds since 1970: for people. Jumps when somebody sets the machine's clock. */
  now(): number;
  /** Milliseconds since some instant: to measure and to wait with. Never jumps. */
  steady(): number;
  /** Calls `fn` once in `ms` milliseconds, unless the returned function is called before. */
  after(ms: number, fn: () => void): () => void;
}

const MAX_TIMER_MS = 2 ** 31 - 1;

/** The machine's clock. Timers do not keep the process alive; waits beyond 24.8 days end at 24.8 days. */
export const systemClock: Clock = Object.freeze({
  now: () => Date.now(),
  steady: () => performance.now(),
  after(ms: number, fn: () => void): () => void {
    const timer = setTimeout(fn, Math.min(Math.max(0, ms), MAX_TIMER_MS));
    timer.unref();
    return () => clearTimeout(timer);
  },
});
