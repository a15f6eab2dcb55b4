/** Which ip_vs scheduler does what each `balance` word says, and what it makes of weights. */
import { failoverOrder } from '../../balance/picker.ts';
import type { Balance } from '../../balance/terms.ts';
import type { DesiredDirector } from '../../plan/desired.ts';
import { serviceKey, SVC_SCHED1, SVC_SCHED2, type Ipvs } from './ipvs.ts';
import { ENOENT, NetlinkError } from './socket.ts';

export interface Scheduler {
  readonly name: string;
  readonly flags: number;
}

/** sh-fallback and mh-fallback: without it, a client whose bucket is a drained server's is dropped. */
const FALLBACK = SVC_SCHED1;
const MH_PORT = SVC_SCHED2;

/** null: ip_vs has none. `wrr` with equal weights is `rr`. */
const SCHEDULERS: Readonly<Record<Balance, Scheduler | null>> = {
  roundrobin: { name: 'wrr', flags: 0 },
  leastconn: { name: 'wlc', flags: 0 },
  localitybased: { name: 'lblc', flags: 0 },
  'localitybased-replication': { name: 'lblcr', flags: 0 },
  source: { name: 'sh', flags: FALLBACK },
  // Of one VIP the destination is always the same, so both addresses decide what the client's alone does; others are Unsupported.
  srcdst: { name: 'sh', flags: FALLBACK },
  dest: { name: 'dh', flags: 0 },
  shortestexpected: { name: 'sed', flags: 0 },
  neverqueue: { name: 'nq', flags: 0 },
  failover: { name: 'fo', flags: 0 },
  maglev: { name: 'mh', flags: FALLBACK | MH_PORT },
  random: null,
};

/** These look at how many sessions a server has; one-packet scheduling leaves none to look at. */
const BY_SESSIONS: readonly Balance[] = ['leastconn', 'shortestexpected', 'neverqueue'];
/** These look at "active" connections alone, which UDP has none of: all its sessions would go to one server. wlc looks at both kinds. */
const BY_ACTIVE: readonly Balance[] = ['shortestexpected', 'neverqueue'];

/** Returns the scheduler of a director; null when ip_vs has none for its balance. */
export function schedulerOf(director: Pick<DesiredDirector, 'balance' | 'session' | 'protocol'>): Scheduler | null {
  // With every server at zero sessions wlc would send all datagrams to one: turns by weight are what "least" comes to.
  if (director.session.kind === 'one-way' && BY_SESSIONS.includes(director.balance)) return SCHEDULERS.roundrobin;
  // An idle server has the least load, so wlc takes it first as nq does; sed differs by one session.
  if (director.protocol === 'udp' && BY_ACTIVE.includes(director.balance)) return SCHEDULERS.leastconn;
  return SCHEDULERS[director.balance];
}

/** Every scheduler weir may ask the kernel for. */
const SCHEDULER_NAMES: readonly string[] = [...new Set(Object.values(SCHEDULERS).flatMap((s) => (s === null ? [] : [s.name])))];

/** Returns the balance that a scheduler found in the kernel stands for; undefined for one weir never sets. */
export function balanceOf(scheduler: string): Balance | undefined {
  return (Object.keys(SCHEDULERS) as Balance[]).find((balance) => SCHEDULERS[balance]?.name === scheduler) ?? (scheduler === 'rr' ? 'roundrobin' : undefined);
}

/** Slots of sh (IP_VS_SH_TAB_SIZE), dealt in runs of a server's weight: weights that add up to more leave the last servers without any. */
const SH_SLOTS = 256;

/**
 * Returns the weights to set, in the order given: as they are, but for `sh` such that all fit its table with their shares, and for `fo`,
 * which takes the latest added among equals, such that the order of the configuration decides.
 */
export function kernelWeights(scheduler: string, weights: readonly number[]): number[] {
  if (scheduler === 'fo') return failoverWeights(weights);
  if (scheduler !== 'sh') return [...weights];
  const divisor = weights.reduce(gcd, 0);
  const least = weights.map((w) => (divisor > 1 ? w / divisor : w));
  const sum = least.reduce((a, b) => a + b, 0);
  // Twice round the table at least, or the last run is cut and its server gets less.
  if (sum * 2 <= SH_SLOTS) return least;
  return least.map((w) => (w === 0 ? 0 : Math.max(1, Math.round((w * SH_SLOTS) / sum))));
}

function failoverWeights(weights: readonly number[]): number[] {
  const positive = weights.filter((w) => w > 0);
  if (new Set(positive).size === positive.length) return [...weights];
  const ranks = new Map(failoverOrder(weights.map((weight, i) => ({ key: String(i), weight }))).map((index, rank) => [index, rank]));
  return weights.map((w, i) => (w === 0 ? 0 : weights.length - (ranks.get(i) ?? 0)));
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

/** A mark that no director has: the probe makes a service of it and takes it away again. */
const PROBE_MARK = 0x76ffffff;

/** Returns the schedulers that this kernel cannot load: each is tried on a service that no packet reaches. */
export function missingSchedulers(kernel: Ipvs): ReadonlySet<string> {
  const id = { kind: 'mark', family: 4, mark: PROBE_MARK } as const;
  if (kernel.services().some((s) => serviceKey(s.id) === serviceKey(id))) kernel.removeService(id);
  return new Set(SCHEDULER_NAMES.filter((scheduler) => {
    try {
      kernel.addService({ id, scheduler, flags: 0, timeoutS: 0, prefix: 32 });
      kernel.removeService(id);
      return false;
    } catch (error) {
      if (error instanceof NetlinkError && error.errno === ENOENT) return true;
      throw error;
    }
  }));
}
