/** Which NAT rules are about balanced traffic: the page's own sense of a match. */
import { cidrContains } from '../net/cidr.ts';
import { portsOverlap } from '../net/ports.ts';
import type { Director, NatRule } from './model.ts';

/** True when the rule acts on traffic to the director, as it arrives: protocol, destination and destination port. */
export function ruleMatches(rule: NatRule, director: Director): boolean {
  const { destination, dport } = rule.before;
  if (rule.protocol !== 'any' && rule.protocol !== director.protocol) return false;
  if (destination && !(director.vip && cidrContains(destination, director.vip))) return false;
  return !dport || !director.ports || portsOverlap(dport, director.ports);
}
