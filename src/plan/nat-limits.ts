/**
 * What an engine that changes the source itself (userspace) cannot do of the NAT rules that act on balanced traffic, by name. Pure.
 * Such an engine gives a director one source for all its clients: a rule that means some of them alone is refused, never widened.
 *
 * Honoured: protocol, before destination and dport where they cover the director, after source (address, pool, masquerade) and sport.
 * `in` and `out` are taken at their word: the host's facts are held against them (src/config/host.ts), not each datagram.
 * The destination part of a rule acts on balanced traffic on no engine: the director decides where it goes.
 */
import type { Config, Director, NatRule } from '../config/model.ts';
import { cidrContains } from '../net/cidr.ts';
import { isUnspecified } from '../net/ip.ts';
import { portsOverlap } from '../net/ports.ts';
import { natActsOnBalanced } from './desire.ts';

/** `what` completes "cannot do". */
export interface NatLimit {
  readonly rule: string;
  readonly director: string;
  readonly what: string;
}

/** Returns every rule that an engine which changes the source itself would have to refuse; empty while `conntrack` is off, since then none acts. */
export function natLimits(config: Config): readonly NatLimit[] {
  if (!natActsOnBalanced(config)) return [];
  return config.directors.flatMap((director) => limitsOf(director, config.natRules));
}

function limitsOf(director: Director, rules: readonly NatRule[]): NatLimit[] {
  const found: NatLimit[] = [];
  for (const rule of rules) {
    if (!touches(rule, director)) continue;
    const why = narrow(rule, director) ?? crossing(rule, director);
    // The first rule that takes everything ends the search, as in the table.
    if (why === null) return found;
    found.push({ rule: rule.name, director: director.name, what: why });
  }
  return found;
}

function touches({ protocol, before, after }: NatRule, director: Director): boolean {
  const { vip, ports } = director;
  if (after.source === null || vip === null || (protocol !== 'any' && protocol !== director.protocol)) return false;
  if (before.source !== null && before.source.ip.family !== vip.family) return false;
  if (after.source !== 'masquerade' && after.source.first.family !== vip.family) return false;
  if (before.destination !== null && before.destination.ip.family !== vip.family) return false;
  if (before.destination !== null && !isUnspecified(vip) && !cidrContains(before.destination, vip)) return false;
  return before.dport === null || ports === null || portsOverlap(before.dport, ports);
}

function narrow({ before }: NatRule, { vip, ports }: Director): string | null {
  if (before.source !== null) return `'before source': for some clients only`;
  if (before.sport !== null) return `'before sport': for some clients only`;
  if (before.destination !== null && vip !== null && isUnspecified(vip) && before.destination.prefix > 0) return `'before destination' narrower than the director: it serves every address of this host`;
  if (before.dport === null || (ports !== null && before.dport.first <= ports.first && before.dport.last >= ports.last)) return null;
  return ports === null && before.dport.first === 1 && before.dport.last === 65_535 ? null : `'before dport' narrower than the director's ports`;
}

function crossing({ after }: NatRule, { servers }: Director): string | null {
  if (after.source === null || after.source === 'masquerade') return null;
  const { family } = after.source.first;
  const other = servers.find((server) => server.ip.family !== family);
  return other ? `a source of IPv${family} towards server '${other.name}', which is IPv${other.ip.family}` : null;
}
