/** Where a soak's clients, servers and VIPs are: addresses, and the words that run a program there. */
import type { EngineName } from '../../src/engine/engine.ts';
import type { Family } from './model.ts';

export interface At {
  readonly ip: string;
  readonly port: number;
}

export interface Place {
  readonly engine: EngineName;
  /** The address of a director. */
  vip(director: string, family: Family): At;
  /** The address of a backend or of the spare server. */
  server(name: string, family: Family): At;
  clientIp(family: Family): string;
  /** The address a NAT rule gives to traffic on its way to servers. */
  natSource(family: Family): string;
  /** Words before a command that run it where clients, servers or the balancer are. */
  readonly on: { readonly clients: readonly string[]; readonly servers: readonly string[]; readonly balancer: readonly string[] };
  /** Whether weir's process moves the traffic itself: then it has packet threads, a kill costs something, and another process can take over. */
  readonly ownsTraffic: boolean;
  /** Families whose directors can have a NAT rule. */
  readonly natFamilies: readonly Family[];
}
