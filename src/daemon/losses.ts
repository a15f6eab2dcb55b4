/** What is lost now: datagrams dropped lately by director and reason, and sockets that the kernel refused, each with its cure. For the status, and once each for the event log. */
import type { Issue } from '../config/issue.ts';
import { DROP_REASONS, type DropReason } from '../engine/drops.ts';
import type { Reading } from '../engine/engine.ts';
import type { EventLog } from './events.ts';
import { fault } from './restarts.ts';

/** Reasons that somebody can do something about; the others are a policy that was asked for, or another's datagrams. */
const CURES: Partial<Readonly<Record<DropReason, string>>> = {
  no_server: 'see why its servers are down: weir servers; a server with `sorry` takes what no other takes',
  session_max: 'see who has the sessions: weir sessions; raise `session … max`, or shorten `timeout`',
  table_full: 'shorten `session … timeout`, or divide the clients among more balancers',
  no_port: 'shorten `session … timeout`, raise the limit of open files (LimitNOFILE=, ulimit -n), or give the NAT rule more addresses and ports',
  send_full: 'see which queue is full: tc -s qdisc; the way out is slower than what is sent',
  too_big: 'see the MTU of the way: ip link, ip route get SERVER',
  unreachable: 'see the way and who forbids it: ip route get SERVER, ip link, nft list ruleset',
  send_error: 'see whether the VIP is on this host (ip address) and what the log says',
  receive_overflow: 'more arrives than is carried: more cores (weir run --workers), another engine, or more balancers',
  rate_limit: 'see who sends: new sources beyond the limit are turned away',
};

/** The readings that are compared lie 10 to 20 s apart (src/stats/recent.ts). */
const WITHIN = 'within 20 s';
const REFUSED = 'upstream_sockets_refused';
/** The counters have them all. */
const MOST_NAMED = 20;

export interface Loss {
  /** The same while it goes on. */
  readonly key: string;
  readonly director: string | null;
  readonly text: string;
  readonly cure: string;
}

/** Returns what was lost since `before`, refused sockets first, then the most; at most 20. Both readings are of one epoch; null: nothing is known. */
export function lossesSince(before: Reading | null, now: Reading | null): readonly Loss[] {
  if (before === null || now === null) return [];
  const old = new Map(before.directors.map((d) => [d.name, d.drops]));
  const lost = now.directors.flatMap(({ name, drops }) => DROP_REASONS.flatMap(({ name: reason, text }) => {
    const count = (drops[reason] ?? 0) - (old.get(name)?.[reason] ?? 0);
    const cure = CURES[reason];
    return count > 0 && cure !== undefined ? [{ count, loss: { key: `${name}|${reason}`, director: name, text: `director ${name} dropped ${count} datagrams ${WITHIN} (${reason}): ${text}`, cure } }] : [];
  }));
  const refused = (now.gauges[REFUSED] ?? 0) - (before.gauges[REFUSED] ?? 0);
  const sockets = refused <= 0 ? [] : [{
    key: REFUSED, director: null, text: `the kernel refused ${refused} sockets towards servers ${WITHIN}: there was no file descriptor or no port`,
    cure: 'raise the limit of open files (LimitNOFILE= in the systemd unit, ulimit -n); see who holds ports: ss -uanp',
  }];
  return [...sockets, ...lost.toSorted((a, b) => b.count - a.count).map(({ loss }) => loss)].slice(0, MOST_NAMED);
}

/** Returns the same as warnings. */
export function lossIssues(before: Reading | null, now: Reading | null): readonly Issue[] {
  return lossesSince(before, now).map(({ text, cure }) => fault('losses', text, cure));
}

/** Returns what takes each reading and the one it is measured from, and tells the event log of a loss when it begins. */
export function createLossEvents(events: Pick<EventLog, 'add'>): (before: Reading | null, now: Reading) => void {
  let told = new Set<string>();
  return (before, now) => {
    const losses = lossesSince(before, now);
    for (const { key, director, text, cure } of losses) {
      if (!told.has(key)) events.add({ kind: 'losses', who: 'weir', service: 'lvs', text: `${text}; ${cure}`, ...(director === null ? {} : { director }) });
    }
    told = new Set(losses.map(({ key }) => key));
  };
}
