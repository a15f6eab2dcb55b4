/** Reads the engine's counters once an interval and keeps the rates. One reading at a time: a slow engine gets fewer samples, not a queue. */
import type { SampleView } from '../client/types.ts';
import type { Clock } from '../clock/clock.ts';
import type { Reading } from '../engine/engine.ts';
import { createRing } from './ring.ts';
import { createRecentWindow } from './recent.ts';
import { sampleOf } from './series.ts';

export interface Sampler {
  /** Oldest first: up to 15 minutes at the default interval, fewer with hundreds of directors. */
  series(): readonly SampleView[];
  /** Returns the reading that what is recent at `now` is measured from, 10 to 20 s old; null before the first. */
  recentFrom(now: Reading): Reading | null;
  start(): void;
  stop(): void;
}

/** 15 minutes at one sample a second. */
const MAX_SAMPLES = 900;
/** One point is one director in one sample; 200,000 of them are about 40 MB. */
const MAX_POINTS = 200_000;

/** Returns a sampler that is stopped. A reading that fails leaves a gap; the next sample spans it. */
export function createSampler(options: {
  readonly clock: Clock;
  readonly read: () => Promise<Reading>;
  readonly onSample: (sample: SampleView) => void;
  /** Default 1000. */
  readonly intervalMs?: number;
}): Sampler {
  const { clock, intervalMs = 1000 } = options;
  const ring = createRing<SampleView>({ maxCost: MAX_POINTS, maxCount: MAX_SAMPLES, costOf: (s) => Math.max(1, s.directors.length) });
  const recent = createRecentWindow();
  let before: Reading | null = null;
  let cancel: (() => void) | null = null;

  async function tick(): Promise<void> {
    try {
      const reading = await options.read();
      if (cancel === null) return;
      // The first reading only gives the ground to measure from.
      if (before !== null) {
        const sample = sampleOf(before, reading);
        ring.push(sample);
        options.onSample(sample);
      }
      recent.push(reading);
      before = reading;
    } catch {
      // Whoever reads for status sees the failure; the series shows the gap.
    }
  }

  function plan(): void {
    cancel = clock.after(intervalMs, () => {
      void tick().finally(() => {
        if (cancel !== null) plan();
      });
    });
  }

  return {
    series: () => ring.list(),
    recentFrom: (now) => recent.base(now),
    start() {
      if (cancel !== null) return;
      plan();
      void tick();
    },
    stop() {
      cancel?.();
      cancel = null;
    },
  };
}
