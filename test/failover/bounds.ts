/** What a cell may cost, by engine. A bound is what users are told (docs/reference/failover.md), not what was measured. */
import { fateOf, type Cell, type Fate } from './cells.ts';
import type { Bound } from './outcome.ts';

/** What a machine under load may keep one of our own processes from running. */
const SCHEDULING_MS = 250;
/** A director that is taken away and put back is not there for the time of two applies. */
const AGAIN: Bound = { lost: 40, gapMs: 400 };

/** Bounds of an engine whose data plane is in the kernel: nothing is lost but what was sent to a director that was not there. */
export function kernelBound({ event }: Cell): Bound {
  return event === 'again' ? AGAIN : { lost: 0, gapMs: SCHEDULING_MS };
}

/** Bounds of the userspace engine: its sockets end with it, so a restart or kill costs what is sent until it is back (weir upgrades without that: `weir run --takeover`). */
export function userspaceBound(cell: Cell): Bound {
  if (cell.event === 'restart' || cell.event === 'kill') return { lost: 200, gapMs: 2_000 };
  return kernelBound(cell);
}

/** As fateOf: sessions made anew after a restart go to the only server with a weight. */
export function userspaceFate(cell: Cell): Fate {
  return fateOf(cell);
}
