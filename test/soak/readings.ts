/** From weir's counters to what they counted between two readings. Pure. */
import type { StatusView } from '../../src/client/types.ts';
import type { Happening } from './history.ts';

/** The API shows counters that are up to this old (src/stats/reading.ts). */
export const READING_AGE_MS = 300;

/** Counters as they were at some time from `fromMs` to `toMs`. */
export interface Counters {
  readonly epoch: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly directors: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly engine: Readonly<Record<string, number>>;
}

/** Returns the drop counters of a status that was asked for and answered at these times. */
export function countersOf(status: Pick<StatusView, 'engine' | 'directors' | 'drops'>, askedMs: number, answeredMs: number): Counters {
  return {
    epoch: status.engine.epoch, fromMs: askedMs - READING_AGE_MS, toMs: answeredMs, engine: status.drops,
    directors: Object.fromEntries(status.directors.map((d) => [d.name, d.drops])),
  };
}

/** Returns what was dropped between two readings (null: since all counters were zero, at `sinceMs`). A director that is new, or counts less than before, began at zero. */
export function countedBetween(before: Counters | null, after: Counters, sinceMs: number): readonly Happening[] {
  const base = before?.epoch === after.epoch ? before : null;
  const fromMs = base?.fromMs ?? before?.fromMs ?? sinceMs;
  const between = (director: string | null, was: Readonly<Record<string, number>>, is: Readonly<Record<string, number>>): readonly Happening[] =>
    Object.entries(is).flatMap(([reason, count]): readonly Happening[] => {
      const more = count < (was[reason] ?? 0) ? count : count - (was[reason] ?? 0);
      return more > 0 ? [{ kind: 'counted', reason, director, fromMs, toMs: after.toMs, count: more }] : [];
    });
  return [...Object.entries(after.directors).flatMap(([name, drops]) => between(name, base?.directors[name] ?? {}, drops)), ...between(null, base?.engine ?? {}, after.engine)];
}
