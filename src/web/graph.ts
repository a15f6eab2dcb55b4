/** Samples of one director as the lines of a graph: a span of time, gaps left open, drops by reason. */
import type { SampleView } from '../client/types.ts';

export type DirectorSample = SampleView['directors'][number];

export interface Graph {
  /** Seconds since 1970, rising. */
  readonly times: readonly number[];
  /** Null where no sample was taken: the daemon was away, or did not run the director. */
  readonly points: readonly (DirectorSample | null)[];
}

/** Two samples further apart than this have a gap between them; they are taken once a second. */
const GAP_MS = 4000;
/** Drop reasons with a line of their own; what is left is one line more. */
const REASONS_SHOWN = 3;

/** Returns the samples of a director from the last `spanMs` before the newest one. */
export function graphOf(samples: readonly SampleView[], director: string, spanMs: number): Graph {
  const from = (samples.at(-1)?.atMs ?? 0) - spanMs;
  const times: number[] = [];
  const points: (DirectorSample | null)[] = [];
  let before: number | null = null;
  for (const { atMs, directors } of samples) {
    if (atMs < from) continue;
    const one = directors.find(({ name }) => name === director);
    if (one === undefined) continue;
    if (before !== null && atMs - before > GAP_MS) {
      times.push((before + 1) / 1000);
      points.push(null);
    }
    times.push(atMs / 1000);
    points.push(one);
    before = atMs;
  }
  return { times, points };
}

/** Returns the reasons that dropped anything in these points, the most first, those beyond three as `other`; empty when nothing was dropped. */
export function dropLines(points: Graph['points']): readonly { readonly reason: string; readonly values: readonly (number | null)[] }[] {
  const totals = new Map<string, number>();
  for (const point of points) for (const [reason, perS] of Object.entries(point?.drops ?? {})) totals.set(reason, (totals.get(reason) ?? 0) + perS);
  const reasons = [...totals].toSorted((a, b) => b[1] - a[1]).map(([reason]) => reason);
  const shown = reasons.slice(0, REASONS_SHOWN);
  const rest = reasons.slice(REASONS_SHOWN);
  const valuesOf = (wanted: readonly string[]): (number | null)[] => points.map((point) => (point === null ? null : wanted.reduce((sum, reason) => sum + (point.drops[reason] ?? 0), 0)));
  return [...shown.map((reason) => ({ reason, values: valuesOf([reason]) })), ...(rest.length === 0 ? [] : [{ reason: 'other', values: valuesOf(rest) }])];
}
