/** Whether a process grows: a robust slope over the later part of its life. Pure. */

export const MEASURES = ['rssMiB', 'heapMiB', 'fds', 'threads', 'timers'] as const;
export type Measure = (typeof MEASURES)[number];

/** What is seen of a process at a time. `fds` without the engine's sockets to servers, which follow the sessions of the last half minute. */
export type Sample = Readonly<Record<Measure, number>> & { readonly atMs: number; readonly pid: number };

/**
 * How much a measure may grow over the later two thirds of a process's life. `heapMiB` is measured after collections: what may grow is what fills up to
 * its cap (samples, events, revisions). `rssMiB` has what lies about between collections too, which comes and goes by some 40 MiB within minutes.
 */
export const GROWTH_MOST: Readonly<Record<Measure, number>> = { rssMiB: 64, heapMiB: 8, fds: 8, threads: 1, timers: 8 };

export interface Growth {
  readonly measure: Measure;
  /** Medians of the first and the last tenth of what was looked at. */
  readonly first: number;
  readonly last: number;
  /** Slope (Theil–Sen: the median of the slopes of all pairs, which a third of outliers cannot move far) times the time looked at. */
  readonly growth: number;
  readonly most: number;
  readonly ok: boolean;
}

/** Returns the samples of the process that lived longest. */
export function longestLife(samples: readonly Sample[]): readonly Sample[] {
  const lives = [...new Set(samples.map(({ pid }) => pid))].map((of) => samples.filter(({ pid }) => pid === of));
  const span = (life: readonly Sample[]): number => (life.at(-1)?.atMs ?? 0) - (life[0]?.atMs ?? 0);
  return lives.toSorted((a, b) => span(b) - span(a))[0] ?? [];
}

/** Returns how each measure grew in the later two thirds of a life. Fewer than 12 samples there say nothing: RangeError. */
export function growthOf(life: readonly Sample[]): readonly Growth[] {
  const [begin, end] = [life[0]?.atMs ?? 0, life.at(-1)?.atMs ?? 0];
  const later = life.filter(({ atMs }) => atMs >= begin + (end - begin) / 3);
  if (later.length < 12) throw new RangeError(`${later.length} samples of a process are too few to see whether it grows`);
  const tenth = Math.ceil(later.length / 10);
  return MEASURES.map((measure) => {
    const points = later.map((sample) => ({ x: sample.atMs, y: sample[measure] }));
    const growth = theilSen(points) * (end - later[0].atMs);
    const most = GROWTH_MOST[measure];
    return { measure, first: median(points.slice(0, tenth).map(({ y }) => y)), last: median(points.slice(-tenth).map(({ y }) => y)), growth, most, ok: growth <= most };
  });
}

/** Returns the median slope of all pairs of points, y per x; 0 for fewer than two. */
export function theilSen(points: readonly { readonly x: number; readonly y: number }[]): number {
  const slopes: number[] = [];
  for (let i = 0; i < points.length; i++) {
    for (let j = i + 1; j < points.length; j++) if (points[j].x !== points[i].x) slopes.push((points[j].y - points[i].y) / (points[j].x - points[i].x));
  }
  return median(slopes);
}

/** Returns the median; 0 of nothing. */
export function median(values: readonly number[]): number {
  const sorted = Float64Array.from(values).toSorted();
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return 0;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
