/** Which cause explains each lost datagram. Pure. */
import type { Cause } from './history.ts';
import type { Lost } from './ledger.ts';

export interface Attribution {
  /** Lost datagrams by reason. */
  readonly byReason: Readonly<Record<string, number>>;
  readonly unexplained: readonly Lost[];
}

/**
 * Returns a reason for each lost datagram, each count spent at most once. `slackMs(atMs)` is how far from its sending a datagram may have been
 * when its fate came, at that time. A count says that weir dropped it, an interval only that it may have been lost: so counts go first, but to what no interval
 * explains before what one does, or they would be spent where they are not needed. Of the counts that fit, one of the director goes before one of any, and
 * the one whose time ends first before the others: what is left over is what another could use.
 */
export function attribute(lost: readonly Lost[], causes: readonly Cause[], slackMs: (atMs: number) => number): Attribution {
  const intervals = causes.filter(({ count }) => count === null);
  const counts = causes.filter(({ count }) => count !== null).toSorted((a, b) => rank(a) - rank(b) || a.toMs - b.toMs);
  const left = new Map(counts.map((cause) => [cause, cause.count ?? 0]));
  const byReason: Record<string, number> = {};
  const unexplained: Lost[] = [];
  const looked = lost.map((datagram) => {
    const slack = slackMs(datagram.sentMs);
    return { datagram, slack, interval: intervals.find((c) => fits(datagram, c, slack)) };
  });
  for (const { datagram, slack, interval } of [...looked.filter((l) => l.interval === undefined), ...looked.filter((l) => l.interval !== undefined)]) {
    const count = counts.find((c) => (left.get(c) ?? 0) > 0 && fits(datagram, c, slack));
    if (count !== undefined) left.set(count, (left.get(count) ?? 0) - 1);
    const cause = count ?? interval;
    if (cause === undefined) unexplained.push(datagram);
    else byReason[cause.reason] = (byReason[cause.reason] ?? 0) + 1;
  }
  return { byReason, unexplained };
}

/** A director's own counts can serve nobody else. */
function rank({ director }: Cause): number {
  return director === null ? 1 : 0;
}

function fits({ director, candidates, sentMs }: Lost, cause: Cause, slackMs: number): boolean {
  if (sentMs < cause.fromMs - slackMs || sentMs > cause.toMs + slackMs) return false;
  if (cause.director !== null && cause.director !== director) return false;
  return cause.server === null || candidates === null || candidates.includes(cause.server);
}
