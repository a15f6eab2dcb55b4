/** What IPVS calls schedulers and forwarding methods, in weir's words; shared by the importers of everything built on it. */
import type { ImportDraft } from './draft.ts';

/** `weights` false: the scheduler has no eye for them, weir's does. */
interface Scheduler {
  readonly balance: string;
  readonly weights: boolean;
  /** What is not the same. */
  readonly but?: string;
}

const SCHEDULERS: Readonly<Record<string, Scheduler>> = {
  rr: { balance: 'roundrobin', weights: false },
  wrr: { balance: 'roundrobin', weights: true },
  lc: { balance: 'leastconn', weights: false },
  wlc: { balance: 'leastconn', weights: true },
  lblc: { balance: 'leastconn localitybased', weights: true },
  lblcr: { balance: 'leastconn localitybased replication', weights: true },
  sh: { balance: 'source', weights: true },
  dh: { balance: 'dest', weights: true },
  sed: { balance: 'shortestexpected', weights: true },
  nq: { balance: 'neverqueue', weights: true },
  fo: { balance: 'failover', weights: true },
  ovf: { balance: 'failover', weights: true, but: 'an overloaded server does not overflow to the next' },
  mh: { balance: 'maglev', weights: true, but: "weir's maglev hashes the client's address and port, mh the address alone unless it has mh-port" },
  twos: { balance: 'random', weights: true, but: 'one random server, not the better of two' },
};

/** Returns the `balance` line's algorithm and whether weights count; `leastconn` with a note when the name is unknown. */
export function schedulerOf(name: string, line: number, draft: ImportDraft, flags: readonly string[] = []): { readonly balance: string; readonly weights: boolean } {
  const port = flags.some((flag) => flag === 'sh-port' || flag === 'mh-port' || flag === 'flag-2');
  if (name === 'sh' && port) {
    draft.changed(line, 'scheduler sh with sh-port', 'maglev hashes address and port as well, another server may be chosen');
    return { balance: 'maglev', weights: true };
  }
  const known = Object.hasOwn(SCHEDULERS, name) ? SCHEDULERS[name] : undefined;
  if (!known) {
    draft.changed(line, `scheduler ${name}`, 'weir does not know it: leastconn');
    return { balance: 'leastconn', weights: true };
  }
  if (known.but !== undefined && !(name === 'mh' && port)) draft.changed(line, `scheduler ${name} as ${known.balance}`, known.but);
  return { balance: known.balance, weights: known.weights };
}

/** Returns the weight to write: schedulers without an eye for weights get equal ones, and 0 stays 0. */
export function weightOf(written: number, weights: boolean, note: { readonly line: number; readonly draft: ImportDraft }): number {
  if (!weights && written > 1) note.draft.dropped(note.line, `weight ${written}`, 'its scheduler has no eye for weights: all are 1');
  return weights ? written : Math.min(1, written);
}
