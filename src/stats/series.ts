/** Two readings of the engine made into rates per second. Pure. */
import type { SampleView } from '../client/types.ts';
import type { DirectorReading, Reading } from '../engine/engine.ts';
import { directorRecent, responseView, sumOfResponses } from './recent.ts';

/** Returns the sample between two readings. A director that is new, or whose counters started again, shows no rates until the next. */
export function sampleOf(before: Reading | null, now: Reading): SampleView {
  const old = new Map(before && before.epoch === now.epoch ? before.directors.map((d) => [d.name, d]) : []);
  const seconds = before ? (now.atMs - before.atMs) / 1000 : 0;
  const rate = (a: number, b: number): number => (seconds > 0 && b >= a ? Math.round(((b - a) / seconds) * 100) / 100 : 0);
  return {
    atMs: now.atMs,
    directors: now.directors.map((d) => {
      const was = old.get(d.name) ?? d;
      const responses = responseView(sumOfResponses([...directorRecent(was, d).values()].map((server) => server.responses)));
      return {
        name: d.name,
        packetsInPerS: rate(was.packetsIn, d.packetsIn),
        bytesInPerS: rate(was.bytesIn, d.bytesIn),
        packetsOutPerS: rate(was.packetsOut, d.packetsOut),
        bytesOutPerS: rate(was.bytesOut, d.bytesOut),
        sessions: d.sessions,
        newSessionsPerS: rate(was.sessionsCreated, d.sessionsCreated),
        dropsPerS: rate(dropsOf(was), dropsOf(d)),
        drops: dropRates(was, d, rate),
        responses: responses === null || responses.replies === 0 ? null : responses,
      };
    }),
  };
}

/** Returns a director's drops of all reasons. */
export function dropsOf(director: Pick<DirectorReading, 'drops'>): number {
  return Object.values(director.drops).reduce((sum, n) => sum + n, 0);
}

/** Reasons at rest are left out: a sample is kept for each director and second. */
function dropRates(was: DirectorReading, now: DirectorReading, rate: (a: number, b: number) => number): Readonly<Record<string, number>> {
  const before: Readonly<Record<string, number>> = was.drops;
  return Object.fromEntries(Object.entries(now.drops).map(([reason, count]) => [reason, rate(before[reason] ?? 0, count)] as const).filter(([, perS]) => perS > 0));
}
