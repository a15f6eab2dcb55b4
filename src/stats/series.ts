/** Two readings of the engine made into rates per second. Pure. */
import type { SampleView } from '../client/types.ts';
import type { DirectorReading, Reading } from '../engine/engine.ts';

/** Returns the sample between two readings. A director that is new, or whose counters started again, shows no rates until the next. */
export function sampleOf(before: Reading | null, now: Reading): SampleView {
  const old = new Map(before && before.epoch === now.epoch ? before.directors.map((d) => [d.name, d]) : []);
  const seconds = before ? (now.atMs - before.atMs) / 1000 : 0;
  const rate = (a: number, b: number): number => (seconds > 0 && b >= a ? Math.round(((b - a) / seconds) * 100) / 100 : 0);
  return {
    atMs: now.atMs,
    directors: now.directors.map((d) => {
      const was = old.get(d.name) ?? d;
      return {
        name: d.name,
        packetsInPerS: rate(was.packetsIn, d.packetsIn),
        bytesInPerS: rate(was.bytesIn, d.bytesIn),
        packetsOutPerS: rate(was.packetsOut, d.packetsOut),
        bytesOutPerS: rate(was.bytesOut, d.bytesOut),
        sessions: d.sessions,
        newSessionsPerS: rate(was.sessionsCreated, d.sessionsCreated),
        dropsPerS: rate(dropsOf(was), dropsOf(d)),
      };
    }),
  };
}

/** Returns a director's drops of all reasons. */
export function dropsOf(director: Pick<DirectorReading, 'drops'>): number {
  return Object.values(director.drops).reduce((sum, n) => sum + n, 0);
}
