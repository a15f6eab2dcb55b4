/** One reading shared by many readers, so that a hundred API clients cost the engine, or the kernel, no more than one. */
import type { Clock } from '../clock/clock.ts';
import type { Reading } from '../engine/engine.ts';

export interface Shared<T> {
  /** Returns a reading at most `maxAgeMs` old; callers that come while one is being made get that one. */
  get(): Promise<T>;
  /** Forgets what is kept: after a change the next reader sees it. */
  forget(): void;
}

export type SharedReading = Shared<Reading>;

/** Returns the engine's reading, shared for 250 ms. */
export function createSharedReading(options: { readonly clock: Clock; readonly read: () => Promise<Reading> }): SharedReading {
  return createShared({ ...options, maxAgeMs: READING_MAX_AGE_MS });
}

const READING_MAX_AGE_MS = 250;

/** Returns a shared reading. A failed one is not kept. */
export function createShared<T>(options: { readonly clock: Clock; readonly read: () => Promise<T>; readonly maxAgeMs: number }): Shared<T> {
  const { clock, maxAgeMs } = options;
  let kept: { readonly atMs: number; readonly reading: Promise<T> } | null = null;
  return {
    get() {
      if (kept && clock.steady() - kept.atMs <= maxAgeMs) return kept.reading;
      const reading = options.read();
      const entry = { atMs: clock.steady(), reading };
      kept = entry;
      reading.catch(() => {
        if (kept === entry) kept = null;
      });
      return reading;
    },
    forget() {
      kept = null;
    },
  };
}
