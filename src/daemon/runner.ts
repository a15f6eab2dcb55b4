/**
 * The one loop that brings the data plane to what is desired. Triggers coalesce; passes keep a distance; a failed pass comes again,
 * later each time; and without any trigger there is a pass now and then, because others may have changed the data plane.
 */
import type { Clock } from '../clock/clock.ts';

export interface Runner {
  /** Asks for a pass soon. */
  trigger(): void;
  /** Says that a pass was done elsewhere and succeeded: nothing is owed. */
  succeeded(): void;
  state(): RunnerState;
  start(): void;
  /** No pass begins after this; resolves when the one that runs has ended. */
  stop(): Promise<void>;
}

/** `failures` in a row, the last error, and when the next try is by the steady clock (null: none is owed). */
export interface RunnerState {
  readonly failures: number;
  readonly lastError: Error | null;
  readonly retryAtMs: number | null;
}

export interface RunnerOptions {
  readonly clock: Clock;
  readonly pass: () => Promise<void>;
  /** Told after each pass that failed, and after the first that succeeds again. */
  readonly onOutcome?: (outcome: { readonly failures: number; readonly error: Error | null }) => void;
  /** Least distance between passes. Default 20. */
  readonly minMs?: number;
  /** Wait after the first failure, doubled each time up to `retryMaxMs`. Defaults 250 and 30,000. */
  readonly retryMs?: number;
  readonly retryMaxMs?: number;
  /** Longest time without a pass. Default 60,000. */
  readonly maxMs?: number;
}

/** No pass waits longer than this for the cost of the one before. */
const MAX_DISTANCE_MS = 500;

/** Returns a runner that is stopped. */
export function createRunner(options: RunnerOptions): Runner {
  const { clock, minMs = 20, retryMs = 250, retryMaxMs = 30_000, maxMs = 60_000 } = options;
  let started = false;
  let running: Promise<void> | null = null;
  let wanted = false;
  let timer: { readonly atMs: number; readonly cancel: () => void } | null = null;
  let lastMs = Number.NEGATIVE_INFINITY;
  let costMs = 0;
  /** Passes take at most a fifth of the time, however many servers there are and however they flap. */
  const distanceMs = (): number => Math.max(minMs, Math.min(MAX_DISTANCE_MS, 4 * costMs));
  let state: RunnerState = { failures: 0, lastError: null, retryAtMs: null };

  function planAt(atMs: number): void {
    if (!started || running) return;
    if (timer) {
      if (timer.atMs <= atMs) return;
      timer.cancel();
    }
    const cancel = clock.after(Math.max(0, atMs - clock.steady()), () => {
      timer = null;
      running = once().finally(() => {
        running = null;
        if (wanted) planAt(state.retryAtMs ?? lastMs + distanceMs());
        else planAt(state.retryAtMs ?? lastMs + maxMs);
      });
    });
    timer = { atMs, cancel };
  }

  async function once(): Promise<void> {
    if (!started) return;
    wanted = false;
    const beganMs = clock.steady();
    try {
      await options.pass();
      settle(null);
    } catch (error) {
      settle(error instanceof Error ? error : new Error(String(error)));
    }
    costMs = Math.max(0, clock.steady() - beganMs);
  }

  function settle(error: Error | null): void {
    lastMs = clock.steady();
    const before = state.failures;
    const failures = error ? before + 1 : 0;
    state = { failures, lastError: error, retryAtMs: error ? lastMs + Math.min(retryMaxMs, retryMs * 2 ** Math.min(before, 20)) : null };
    if (error || before > 0) options.onOutcome?.({ failures, error });
  }

  return {
    trigger() {
      wanted = true;
      // What is owed after a failure keeps its distance too: a flapping server must not hammer a failing engine.
      planAt(Math.max(lastMs + distanceMs(), state.retryAtMs ?? clock.steady(), clock.steady()));
    },
    succeeded() {
      settle(null);
    },
    state: () => state,
    start() {
      if (started) return;
      started = true;
      planAt(wanted ? clock.steady() : clock.steady() + maxMs);
    },
    async stop() {
      started = false;
      timer?.cancel();
      timer = null;
      await running;
    },
  };
}
