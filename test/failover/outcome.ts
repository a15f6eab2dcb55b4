/** What a flow shows: the gap, what was lost, and whether that is what its cell says. Pure. */
import { KEEP_MS, PACE_MS, type Fate } from './cells.ts';
import type { Arrival, Flow } from './flow.ts';

export interface Outcome {
  readonly sent: number;
  /** Sent after the event and never got by any server. */
  readonly lost: number;
  /** The longest time without an arrival from the event on, beyond the pace. */
  readonly gapMs: number;
  /** Where datagrams sent after the event (and after the keeping time, for `later`) arrived. */
  readonly servers: readonly string[];
  /** From the event to the first arrival at the other server; null: none. */
  readonly movedMs: number | null;
  /** Datagrams that arrived twice, or answers that came to the wrong flow. */
  readonly doubled: number;
}

/** What a cell may cost: datagrams lost and gap. */
export interface Bound {
  readonly lost: number;
  readonly gapMs: number;
}

/** Returns what the flow shows for an event that began and ended at these times; datagrams sent in between count as sent after it. */
export function outcomeOf(flow: Pick<Flow, 'sentMs' | 'arrivals' | 'answers'>, eventMs: number, endMs: number, other = 'b'): Outcome {
  const seen = new Set<number>();
  let doubled = 0;
  for (const { sequence } of flow.arrivals) {
    if (seen.has(sequence)) doubled++;
    seen.add(sequence);
  }
  const settled = flow.sentMs.map((at, sequence) => ({ at, sequence })).filter(({ at }) => at >= eventMs);
  const bySequence = new Map(flow.arrivals.map((arrival) => [arrival.sequence, arrival]));
  let last = eventMs;
  let gapMs = 0;
  for (const { atMs } of flow.arrivals.filter((a) => a.atMs >= eventMs).toSorted((a, b) => a.atMs - b.atMs)) {
    gapMs = Math.max(gapMs, atMs - last - PACE_MS);
    last = atMs;
  }
  gapMs = Math.max(gapMs, (flow.sentMs.at(-1) ?? eventMs) - last - PACE_MS);
  const moved = flow.arrivals.filter((a) => a.server === other).reduce<Arrival | null>((first, a) => (first === null || a.atMs < first.atMs ? a : first), null);
  return {
    sent: flow.sentMs.length,
    lost: settled.filter(({ sequence }) => !seen.has(sequence)).length,
    gapMs: Math.max(0, Math.round(gapMs)),
    servers: [...new Set(settled.filter(({ at }) => at >= endMs).flatMap(({ sequence }) => bySequence.get(sequence)?.server ?? []))].toSorted(),
    movedMs: moved === null ? null : Math.round(moved.atMs - eventMs),
    doubled,
  };
}

/** Returns what is wrong with the outcome, in words; null: it is as its fate says, within the bound. */
export function faultOf(fate: Fate, outcome: Outcome, bound: Bound): string | null {
  const { lost, gapMs, servers, movedMs, doubled } = outcome;
  const where = servers.join(', ') || 'nowhere';
  if (doubled > 0) return `${doubled} datagrams arrived twice`;
  if (fate === 'dropped') return servers.length === 0 ? null : `datagrams go to ${where}, expected nowhere`;
  if (lost > bound.lost) return `${lost} lost, the bound is ${bound.lost}`;
  if (gapMs > bound.gapMs) return `a gap of ${gapMs} ms, the bound is ${bound.gapMs} ms`;
  switch (fate) {
    case 'stays':
      return where === 'a' ? null : `datagrams go to ${where}, expected a`;
    case 'moves':
      return where === 'b' ? null : `datagrams go to ${where}, expected b`;
    case 'later':
      if (where !== 'a, b' && where !== 'b') return `datagrams go to ${where}, expected a, then b`;
      return movedMs !== null && movedMs >= KEEP_MS * 0.8 ? null : `it moved after ${movedMs} ms, expected ${KEEP_MS} ms`;
  }
}
