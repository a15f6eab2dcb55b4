/** One reading shared by many readers, so that a hundred API clients cost the engine no more than one. */
import type { Clock } from '../clock/clock.ts';
import type { Reading } from '../engine/engine.ts';

export interface SharedReading {
  /** Returns a reading at most `maxAgeMs` old; callers that come while one is being made get that one. */
  get(): Promise<Reading>;
  /** Forgets what is kept: after a change the next reader sees it. */
  forget(): void;
}

/** Returns a shared reading; `maxAgeMs` defaults to 250. A failed reading is not kept. */
export function createSharedReading(options: { readonly clock: Clock; readonly read: () => Promise<Reading>; readonly maxAgeMs?: number }): SharedReading {
  const { clock, maxAgeMs = 250 } = options;
  let kept: { readonly atMs: number; readonly reading: Promise<Reading> } | null = null;
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
