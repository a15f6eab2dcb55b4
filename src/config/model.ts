/**
 * The configuration as data: what the parser makes of the three documents, deep-frozen, free of Node.
 * Nothing here knows of engines, health or the host. Times are in milliseconds.
 */
import type { Cidr } from '../net/cidr.ts';
import type { Ip } from '../net/ip.ts';
import type { PortRange } from '../net/ports.ts';
import type { Balance, ForwardingMode, OnPolicy, Protocol, SessionPolicy } from '../balance/terms.ts';
import type { Position } from './issue.ts';

/** A whole configuration: the directors of layer4.conf, the rules of nat.conf in order, the services of services.conf. */
export interface Config {
  readonly directors: readonly Director[];
  readonly natRules: readonly NatRule[];
  readonly services: readonly ServiceConfig[];
}

/** A virtual service. `vip` is null for a director without an address (fed by a mark); `ports` is null for "all ports". */
export interface Director {
  readonly name: string;
  readonly vip: Ip | null;
  readonly ports: PortRange | null;
  readonly protocol: Protocol;
  readonly balance: Balance;
  readonly mode: ForwardingMode;
  readonly check: CheckTiming;
  readonly probe: CheckKind;
  readonly persistence: Persistence | null;
  readonly session: SessionPolicy;
  readonly on: OnPolicy;
  readonly servers: readonly Server[];
  readonly at: Position;
}

/** Stickiness by source address: for `timeoutMs` after the last datagram; clients that share the first `prefix4`/`prefix6` bits share a server. */
export interface Persistence {
  readonly timeoutMs: number;
  readonly prefix4: number;
  readonly prefix6: number;
}

/** A real server. `port` is null to keep the port the client used. `checked` is the `check` word on its line. */
export interface Server {
  readonly name: string;
  readonly ip: Ip;
  readonly port: number | null;
  readonly weight: number;
  readonly checked: boolean;
  readonly sorry: boolean;
  readonly drain: boolean;
  readonly disabled: boolean;
  readonly at: Position;
}

/** The timers and addresses of a director's checks; `port` null means the server's own port. */
export interface CheckTiming {
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly rise: number;
  readonly fall: number;
  readonly source: Ip | null;
  readonly port: number | null;
  readonly inhibit: boolean;
}

/** What a check sends and expects. `default` is `check` without an `option`: an empty datagram is not refused, an on-link host answers for its address. */
export type CheckKind =
  | { readonly kind: 'default' }
  | { readonly kind: 'arp'; readonly iface: string | null }
  | { readonly kind: 'icmp' }
  | { readonly kind: 'tcp' }
  | { readonly kind: 'http'; readonly uri: string; readonly statusCode: number | null; readonly vhost: string | null }
  | { readonly kind: 'udp'; readonly send: Uint8Array; readonly expect: Expectation | null }
  | { readonly kind: 'dns'; readonly name: string; readonly type: string; readonly rcodes: readonly string[] }
  | { readonly kind: OtherCheckKind; readonly args: readonly (readonly [keyword: string, value: string])[] };

/** Checks the language knows and that are still to be built; using one is `Unsupported`, by name. */
export type OtherCheckKind = 'radius' | 'sip' | 'ntp' | 'snmp' | 'tftp' | 'stun' | 'dtls' | 'quic' | 'syslog' | 'a2s' | 'exec';

/** What a udp check's reply must hold: bytes with wildcards anywhere in it (`mask` bit 0 = any), or a regular expression on its latin1 text. */
export type Expectation =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array; readonly mask: Uint8Array; readonly text: string }
  | { readonly kind: 'regex'; readonly source: string; readonly flags: string };

/** A NAT rule of the NAT tab. Null means any (before) or unchanged (after). */
export interface NatRule {
  readonly name: string;
  readonly inIface: string | null;
  readonly outIface: string | null;
  readonly protocol: 'udp' | 'tcp' | 'any';
  readonly before: { readonly source: Cidr | null; readonly sport: PortRange | null; readonly destination: Cidr | null; readonly dport: PortRange | null };
  readonly after: {
    readonly source: { readonly first: Ip; readonly last: Ip } | 'masquerade' | null;
    readonly sport: PortRange | null;
    readonly destination: Ip | null;
    readonly dport: number | null;
  };
  readonly at: Position;
}

/** A section of services.conf. `lines` keeps every keyword line as written; the known services have their values read out of them by name. */
export interface ServiceConfig {
  readonly name: string;
  readonly instance: string | null;
  readonly autostart: boolean;
  readonly conntrack: boolean;
  readonly engine: 'auto' | 'xdp' | 'lvs' | 'userspace' | null;
  readonly lines: readonly { readonly words: readonly string[]; readonly at: Position }[];
  readonly at: Position;
}
