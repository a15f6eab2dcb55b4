/**
 * A rule of weir's own nftables table as a value, and its text. The table is compared rule by rule with what the kernel lists, so a
 * rule has one spelling; nothing here runs nft.
 *
 * Source NAT matches the packet as the client sent it (`ct original`): after balancing the destination is a server's, and the operator
 * wrote the VIP. Only traffic that arrived from outside is matched (`iif != 0`, or `iifname`): what this host sends itself, health
 * checks and the userspace engine among it, is no NAT rule's business. Both need the incoming interface in postrouting: Linux 5.7.
 */
import { cidrText, type Cidr } from '../net/cidr.ts';
import type { Ip } from '../net/ip.ts';
import { portRangeText, type PortRange } from '../net/ports.ts';

export const FAMILY = 'inet';
export const TABLE = 'weir';
export const CHAINS = {
  prerouting: { hook: 'prerouting', priority: 'dstnat', number: -100 },
  postrouting: { hook: 'postrouting', priority: 'srcnat', number: 100 },
} as const;
export type ChainName = keyof typeof CHAINS;

/** Null is any. `local`: sent to an address of this host. `counted`: the rule's counter counts here. */
export interface TableRule {
  /** The NAT rule's name; for `accept` the director's. */
  readonly name: string;
  readonly chain: ChainName;
  readonly family: 4 | 6 | null;
  readonly protocol: 'udp' | 'tcp' | null;
  readonly iif: string | null;
  readonly oif: string | null;
  readonly saddr: Cidr | null;
  readonly sport: PortRange | null;
  readonly daddr: Cidr | null;
  readonly dport: PortRange | null;
  readonly local: boolean;
  readonly counted: boolean;
  readonly action: TableAction;
}

export type TableAction =
  /** Balanced traffic: the director decides where it goes. */
  | { readonly kind: 'accept' }
  | { readonly kind: 'masquerade'; readonly ports: PortRange | null }
  | { readonly kind: 'snat'; readonly first: Ip; readonly last: Ip; readonly ports: PortRange | null }
  | { readonly kind: 'dnat'; readonly to: Ip | null; readonly port: number | null };

/** Returns the name of a NAT rule's counter object. */
export function counterName(rule: string): string {
  return `nat-${rule}`;
}

/** Returns the comment of a rule, by which people find it in `nft list ruleset`. */
export function ruleComment(rule: TableRule): string {
  return rule.action.kind === 'accept' ? `weir director ${rule.name}` : `weir nat ${rule.name}`;
}

/** Returns the rule as nft reads it, without its chain: `meta nfproto ipv4 iif != 0 … snat ip to 192.0.2.1 comment "weir nat x"`. */
export function ruleText(rule: TableRule): string {
  const { family, action } = rule;
  const words: string[] = [];
  if (family !== null) words.push(`meta nfproto ipv${family}`);
  if (rule.iif !== null) words.push(`iifname "${rule.iif}"`);
  else if (rule.chain === 'postrouting') words.push('iif != 0');
  if (rule.oif !== null) words.push(`oifname "${rule.oif}"`);
  if (rule.protocol !== null) words.push(`meta l4proto ${rule.protocol}`);
  words.push(...(rule.chain === 'postrouting' ? originalMatches(rule) : packetMatches(rule)));
  if (rule.local) words.push('fib daddr type local');
  if (rule.counted) words.push(`counter name ${counterName(rule.name)}`);
  words.push(actionText(action, family));
  words.push(`comment "${ruleComment(rule)}"`);
  return words.join(' ');
}

/** Returns a rule's identity for comparison: its text and its chain. */
export function ruleKey(rule: TableRule): string {
  return `${rule.chain} ${ruleText(rule)}`;
}

function originalMatches({ family, saddr, sport, daddr, dport }: TableRule): string[] {
  const ip = family === 6 ? 'ip6' : 'ip';
  return [
    ...(saddr ? [`ct original ${ip} saddr ${cidrText(saddr)}`] : []),
    ...(daddr ? [`ct original ${ip} daddr ${cidrText(daddr)}`] : []),
    ...(sport ? [`ct original proto-src ${portRangeText(sport)}`] : []),
    ...(dport ? [`ct original proto-dst ${portRangeText(dport)}`] : []),
  ];
}

function packetMatches({ family, saddr, sport, daddr, dport }: TableRule): string[] {
  const ip = family === 6 ? 'ip6' : 'ip';
  return [
    ...(saddr ? [`${ip} saddr ${cidrText(saddr)}`] : []),
    ...(daddr ? [`${ip} daddr ${cidrText(daddr)}`] : []),
    ...(sport ? [`th sport ${portRangeText(sport)}`] : []),
    ...(dport ? [`th dport ${portRangeText(dport)}`] : []),
  ];
}

function actionText(action: TableAction, family: 4 | 6 | null): string {
  const ip = family === 6 ? 'ip6' : 'ip';
  switch (action.kind) {
    case 'accept':
      return 'accept';
    case 'masquerade':
      return action.ports ? `masquerade to :${portRangeText(action.ports)}` : 'masquerade';
    case 'snat': {
      const ports = action.ports ? `:${portRangeText(action.ports)}` : '';
      const address = ({ text }: Ip): string => (family === 6 && action.ports ? `[${text}]` : text);
      const pool = action.first.text === action.last.text ? address(action.first) : `${address(action.first)}-${address(action.last)}`;
      return `snat ${ip} to ${pool}${ports}`;
    }
    case 'dnat':
      if (action.to === null) return `dnat to :${action.port ?? ''}`;
      return action.port === null ? `dnat ${ip} to ${action.to.text}` : `dnat ${ip} to ${family === 6 ? `[${action.to.text}]` : action.to.text}:${action.port}`;
    default:
      return action satisfies never;
  }
}
