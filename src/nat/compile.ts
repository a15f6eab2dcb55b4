/**
 * NAT rules of the configuration to rules of the nftables table, in order. Pure.
 *
 * What a rule does with balanced traffic: its source part acts on it (with `conntrack`), as the client sent it; its destination part
 * never does, the director decides where its traffic goes. So directors that a destination rule would take traffic from are let
 * through first, on every engine alike.
 */
import type { Director, NatRule } from '../config/model.ts';
import { cidrContains, type Cidr } from '../net/cidr.ts';
import { isUnspecified, type Ip } from '../net/ip.ts';
import { portsOverlap } from '../net/ports.ts';
import type { TableRule } from './table-rule.ts';

export interface CompileInputs {
  readonly rules: readonly NatRule[];
  readonly directors: readonly Director[];
  /** Where balanced traffic has its source changed: in the kernel's path (lvs), or by the engine itself before this table sees it. */
  readonly balanced: 'table' | 'engine';
}

/** Returns the table's rules, prerouting first, each chain in the order of the configuration; none when the table is not needed. */
export function compileRules({ rules, directors, balanced }: CompileInputs): readonly TableRule[] {
  const needed = balanced === 'table' ? rules : rules.filter((rule) => !onlyBalanced(rule, directors));
  const destination = needed.flatMap(destinationRules);
  const source = needed.flatMap(sourceRules);
  const passes = directors.filter((director) => destination.some((rule) => takesFrom(rule, director))).map(passRule);
  return [...passes, ...destination, ...source];
}

/** True when every packet a rule acts on belongs to a director, and the rule changes the source alone: the engine's own business where it rewrites the source. */
export function onlyBalanced(rule: NatRule, directors: readonly Director[]): boolean {
  const { before, after } = rule;
  if (after.destination !== null || after.dport !== null || before.destination === null || rule.protocol === 'any') return false;
  const { ip, prefix } = before.destination;
  if (prefix !== (ip.family === 4 ? 32 : 128)) return false;
  return directors.some(({ vip, ports, protocol }) => {
    if (protocol !== rule.protocol || vip === null || (vip.text !== ip.text && !(isUnspecified(vip) && vip.family === ip.family))) return false;
    return ports === null || (before.dport !== null && before.dport.first >= ports.first && before.dport.last <= ports.last);
  });
}

function destinationRules(rule: NatRule): TableRule[] {
  const { destination, dport } = rule.after;
  if (destination === null && dport === null) return [];
  return protocolsOf(rule).map((protocol) => ({
    ...matchOf(rule), chain: 'prerouting', protocol, oif: null, local: false, counted: true, action: { kind: 'dnat', to: destination, port: dport },
  }));
}

function sourceRules(rule: NatRule): TableRule[] {
  const { source, sport, destination, dport } = rule.after;
  if (source === null) return [];
  const action = source === 'masquerade' ? { kind: 'masquerade', ports: sport } as const : { kind: 'snat', first: source.first, last: source.last, ports: sport } as const;
  // A rule that changes both ends counts a flow once, where it meets it first.
  const counted = destination === null && dport === null;
  return protocolsOf(rule).map((protocol) => ({ ...matchOf(rule), chain: 'postrouting', protocol, oif: rule.outIface, local: false, counted, action }));
}

function matchOf(rule: NatRule): Pick<TableRule, 'name' | 'family' | 'iif' | 'saddr' | 'sport' | 'daddr' | 'dport'> {
  const { before, after } = rule;
  const address: Ip | undefined = before.source?.ip ?? before.destination?.ip ?? (after.source === null || after.source === 'masquerade' ? undefined : after.source.first) ?? after.destination ?? undefined;
  return { name: rule.name, family: address?.family ?? null, iif: rule.inIface, saddr: before.source, sport: before.sport, daddr: before.destination, dport: before.dport };
}

/** A port needs a protocol that has ports: one rule each. nft 1.0 cannot list `ct original proto-dst` of both at once. */
function protocolsOf(rule: NatRule): readonly ('udp' | 'tcp' | null)[] {
  if (rule.protocol !== 'any') return [rule.protocol];
  const { before, after } = rule;
  return before.sport || before.dport || after.sport || after.dport !== null ? ['udp', 'tcp'] : [null];
}

/** A director without an address is fed by a mark, which this table cannot know. */
function takesFrom(rule: TableRule, director: Director): boolean {
  const { vip, ports, protocol } = director;
  if (vip === null || (rule.protocol !== null && rule.protocol !== protocol)) return false;
  if (rule.family !== null && rule.family !== vip.family) return false;
  if (rule.daddr !== null && !isUnspecified(vip) && !cidrContains(rule.daddr, vip)) return false;
  return rule.dport === null || ports === null || portsOverlap(rule.dport, ports);
}

function passRule(director: Director): TableRule {
  const vip = director.vip as Ip;
  const all = isUnspecified(vip);
  const daddr: Cidr | null = all ? null : { ip: vip, prefix: vip.family === 4 ? 32 : 128 };
  return {
    name: director.name, chain: 'prerouting', family: vip.family, protocol: director.protocol, iif: null, oif: null, saddr: null, sport: null, daddr, dport: director.ports,
    local: all, counted: false, action: { kind: 'accept' },
  };
}
