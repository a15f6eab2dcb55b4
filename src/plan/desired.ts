/** What the data plane shall do: configuration, health and operators' overrides folded into one value, the input of every engine. */
import type { Balance, ForwardingMode, OnPolicy, Protocol, ServerState, SessionPolicy } from '../balance/terms.ts';
import type { Ip } from '../net/ip.ts';
import type { PortRange } from '../net/ports.ts';

export interface Desired {
  /** Sorted by name. */
  readonly directors: readonly DesiredDirector[];
}

export interface DesiredDirector {
  readonly name: string;
  /** null: no address of its own (fed by a mark). */
  readonly vip: Ip | null;
  /** null: every port of the VIP. */
  readonly ports: PortRange | null;
  readonly protocol: Protocol;
  readonly mode: ForwardingMode;
  readonly balance: Balance;
  readonly persistence: { readonly timeoutMs: number; readonly prefix4: number; readonly prefix6: number } | null;
  readonly session: SessionPolicy;
  readonly on: OnPolicy;
  /** The source NAT rule that matches this director; null: the engine's own way (userspace: the balancer's address). */
  readonly sourceNat: SourceNat | null;
  /** In configuration order (failover uses it). At most one has `sorry`. */
  readonly servers: readonly DesiredServer[];
}

/** `addresses` null is masquerade: the address of the way out. `ports` null: any. */
export interface SourceNat {
  readonly rule: string;
  readonly addresses: { readonly first: Ip; readonly last: Ip } | null;
  readonly ports: PortRange | null;
}

export interface DesiredServer {
  readonly name: string;
  readonly ip: Ip;
  /** 0: the port the client used. */
  readonly port: number;
  /** 0..256; 0 takes no new sessions. */
  readonly weight: number;
  readonly state: ServerState;
  readonly sorry: boolean;
}

/** Returns the identity of a director in maps: its name. */
export function directorKey(director: { readonly name: string }): string {
  return director.name;
}

/** Returns the identity of a server within its director: `name|ip|port`. A server whose address changes is another server. */
export function serverKey(server: { readonly name: string; readonly ip: Ip; readonly port: number }): string {
  return `${server.name}|${server.ip.text}|${server.port}`;
}
