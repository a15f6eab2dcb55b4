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
  readonly passive: PassiveSettings | null;
  readonly persistence: Persistence | null;
  readonly session: SessionPolicy;
  readonly on: OnPolicy;
  readonly servers: readonly Server[];
  readonly at: Position;
}

/**
 * Passive health: servers are judged by the traffic itself. At most `sharePercent` of a director's servers are out at once, each for
 * `holdMs` at first; `slower`: how many times the others' median response time is too slow, null: time does not count.
 */
export interface PassiveSettings {
  readonly sharePercent: number;
  readonly holdMs: number;
  readonly slower: number | null;
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

/**
 * The timers and addresses of a director's checks; `port` null means the server's own port. `slowStartMs` 0: full weight at once.
 * `damping`: a server that went down `count` times within `withinMs` must pass more checks before it is let back.
 */
export interface CheckTiming {
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly rise: number;
  readonly fall: number;
  readonly source: Ip | null;
  readonly port: number | null;
  readonly inhibit: boolean;
  readonly slowStartMs: number;
  /** Ask at the VIP by way of each server, as clients reach it. */
  readonly vip: boolean;
  readonly damping: Damping | null;
}

export interface Damping {
  readonly count: number;
  readonly withinMs: number;
}

/**
 * What a check sends and expects. `default` is `check` without an `option`: an empty datagram is not refused, an on-link host answers for
 * its address. `dynamic`: the answer also says how much of its weight the server can carry. `all`, `any`: several at once.
 */
export type CheckKind = SingleCheck | { readonly kind: 'all' | 'any'; readonly parts: readonly CheckPart[] };

/** One check of several; `port` null: the director's `check port`, else the server's. */
export interface CheckPart {
  readonly probe: SingleCheck;
  readonly port: number | null;
}

export type SingleCheck =
  | { readonly kind: 'default' }
  | { readonly kind: 'arp'; readonly iface: string | null }
  | { readonly kind: 'icmp' }
  | { readonly kind: 'tcp' }
  | { readonly kind: 'http'; readonly uri: string; readonly statusCode: number | null; readonly vhost: string | null; readonly dynamic: boolean }
  | { readonly kind: 'udp'; readonly send: Uint8Array; readonly expect: Expectation | null; readonly dynamic: boolean }
  | { readonly kind: 'dns'; readonly name: string; readonly type: string; readonly rcodes: readonly string[] }
  | { readonly kind: 'ntp'; readonly maxStratum: number }
  /** `login` null: a Status-Server; else an Access-Request that must be accepted. */
  | { readonly kind: 'radius'; readonly secret: string; readonly login: { readonly user: string; readonly password: string } | null }
  /** `uri` null: `sip:<address>:<port>`; `statuses` empty: any 2xx. */
  | { readonly kind: 'sip'; readonly uri: string | null; readonly statuses: readonly number[] }
  | { readonly kind: 'snmp'; readonly community: string; readonly oid: string }
  /** `file` null: any answer of TFTP will do, "no such file" among them. */
  | { readonly kind: 'tftp'; readonly file: string | null }
  | { readonly kind: 'stun' }
  | { readonly kind: 'dtls'; readonly sni: string | null }
  | { readonly kind: 'quic' }
  /** Over TCP; `message` null: nothing is logged. */
  | { readonly kind: 'syslog'; readonly message: string | null }
  | { readonly kind: 'a2s' }
  /** `companion`: a TCP port of the same host that must accept. */
  | { readonly kind: 'wireguard'; readonly companion: number | null }
  /** `program`: the name of a file in the directory of check programs. */
  | { readonly kind: 'exec'; readonly program: string; readonly args: readonly string[]; readonly dynamic: boolean };

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
