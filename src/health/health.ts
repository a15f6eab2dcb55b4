/** What health tells and is told: the scheduler owns the states, everyone else reads them. */
import type { ServerState } from '../balance/terms.ts';
import type { CheckKind, Damping } from '../config/model.ts';
import type { Ip } from '../net/ip.ts';

/** One server to watch; `key` is unique (director and serverKey). */
export interface Target {
  readonly key: string;
  readonly director: string;
  readonly server: string;
  readonly ip: Ip;
  /** The port probed; 0 when the server has none and the check has none. */
  readonly port: number;
  readonly probe: CheckKind;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly rise: number;
  readonly fall: number;
  readonly source: Ip | null;
  /** Ask at the VIP by way of the server, as clients reach it; null: at the server's own address. */
  readonly via: { readonly vip: Ip; readonly mode: 'gateway' | 'tunnel' } | null;
  /** Over this time a server that comes back gets its weight; 0: at once. */
  readonly slowStartMs: number;
  readonly damping: Damping | null;
}

export interface CheckResult {
  readonly ok: boolean;
  /** What was seen, in words: `rcode NOERROR in 1.2 ms`, `ICMP port unreachable`, `no answer within 5000 ms`. */
  readonly detail: string;
  readonly latencyMs: number;
  /**
   * `refused`: the host itself said no (ICMP port unreachable, TCP reset): one is enough for a server not yet decided.
   * `cannot`: the check could not run (no privilege, no socket, not built): says nothing of the server, never puts one out.
   */
  readonly finding?: 'refused' | 'cannot';
  /** The share of its weight, 0..100, that the answer asks for; absent: the answer says nothing of it. */
  readonly weightPercent?: number;
}

/**
 * A server's health. `evidence` states (ICMP from the data plane) lapse by themselves or by `rise` good checks. `weightPercent` is the share
 * of its configured weight, 0..100, that checks, a slow start and passive health leave it.
 */
export interface Health {
  readonly weightPercent: number;
  readonly state: Extract<ServerState, 'up' | 'unknown' | 'down'>;
  readonly reason: string;
  readonly sinceMs: number;
  readonly last: (CheckResult & { readonly atMs: number }) | null;
}

/** What is known of one server, for the service of a successor: JSON. Only health-service.ts looks into `known`. */
export interface HealthMemory {
  readonly key: string;
  readonly checked: boolean;
  readonly known: unknown;
}

/** What passive health says of a server: out, or back with a part of its weight. */
export interface PassiveVerdict {
  readonly out: boolean;
  /** 0..100; 0 when out. */
  readonly percent: number;
  readonly reason: string;
}

/** The checker's face to the daemon. */
export interface HealthService {
  /** Replaces the set of targets; targets whose key and settings are unchanged keep their state and timers. */
  setTargets(targets: readonly Target[]): void;
  /** Health of a target; a server that is not a target is `unknown` ("not checked") unless evidence stands against it. */
  health(key: string): Health;
  /** The data plane saw ICMP unreachable from this server: down at once; unchecked servers are tried again after the hold time. */
  evidence(key: string, detail: string, atMs: number): void;
  /** What the traffic itself says of a server, in place of what it said before; null: nothing. */
  passive(key: string, verdict: PassiveVerdict | null): void;
  /** Called after each change of state or weight, never re-entrantly. */
  onChange(listener: (change: { readonly key: string; readonly director: string; readonly server: string; readonly from: Health; readonly to: Health }) => void): void;
  /** Called with the number of checks done, failed, and late since start. */
  counters(): { readonly done: number; readonly failed: number; readonly late: number; readonly targets: number };
  /** Returns all that is known, for `remember` of another process. */
  memory(): readonly HealthMemory[];
  /** Takes over what another service knew; call before the first setTargets. Targets it did not know start as they always do. */
  remember(memory: readonly HealthMemory[]): void;
  start(): void;
  stop(): Promise<void>;
}
