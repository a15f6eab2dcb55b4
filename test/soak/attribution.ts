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
 * when its fate came, at that time. Counts of one director go before counts of any, and those before intervals: a count says that weir dropped it, an
 * interval only that it may have. Of the counts that fit, the one whose time ends first is spent, so that none is left over that another could have used.
 */
export function attribute(lost: readonly Lost[], causes: readonly Cause[], slackMs: (atMs: number) => number): Attribution {
  const left = new Map(causes.map((cause) => [cause, cause.count ?? Infinity]));
  const ranked = [...causes].toSorted((a, b) => rank(a) - rank(b) || a.toMs - b.toMs);
  const byReason: Record<string, number> = {};
  const unexplained: Lost[] = [];
  for (const datagram of lost) {
    const slack = slackMs(datagram.sentMs);
    const cause = ranked.find((c) => fits(datagram, c, slack) && (left.get(c) ?? 0) > 0);
    if (cause === undefined) {
      unexplained.push(datagram);
      continue;
    }
    left.set(cause, (left.get(cause) ?? 0) - 1);
    byReason[cause.reason] = (byReason[cause.reason] ?? 0) + 1;
  }
  return { byReason, unexplained };
}

function rank(cause: Cause): number {
  if (cause.count === null) return 2;
  return cause.director === null ? 1 : 0;
}

function fits({ director, candidates, sentMs }: Lost, cause: Cause, slackMs: number): boolean {
  if (sentMs < cause.fromMs - slackMs || sentMs > cause.toMs + slackMs) return false;
  if (cause.director !== null && cause.director !== director) return false;
  return cause.server === null || candidates === null || candidates.includes(cause.server);
}
