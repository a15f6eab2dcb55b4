/** NAT rules: what they mix up, and the switch the page forgets: a rule on balanced traffic acts only with `conntrack`. */
import { networkOf, type Cidr } from '../net/cidr.ts';
import type { Ip } from '../net/ip.ts';
import type { Drafts, NatDraft } from './draft.ts';
import type { Director, NatRule } from './model.ts';
import type { Reporter } from './report.ts';

/** Reports contradictions inside rules, and rules that would not act. */
export function validateNat({ directors, natRules, services }: Drafts, report: Reporter): void {
  for (const draft of natRules) if (draft.rule.name !== '') validateRule(draft, report);
  const findBalanced = natRules.some(({ rule }) => rule.after.destination !== null || rule.after.dport !== null) ? directorFinder(directors.map(({ director }) => director).filter(({ name }) => name !== ''), natRules.map(({ rule }) => rule)) : () => undefined;
  for (const { rule } of natRules) {
    const { destination, dport } = rule.after;
    // A rule for every destination is plainly about the rest; one that names a director's address may be meant for it.
    const director = rule.name !== '' && rule.before.destination !== null && (destination !== null || dport !== null) ? findBalanced(rule) : undefined;
    if (director) {
      report.add('nat-destination-balanced', rule.at, `NAT rule '${rule.name}' does not change the destination of what director '${director.name}' balances: the director decides that; the rule acts on other traffic alone`, {
        hint: 'take the ports of the director out of the rule, or remove the director',
      });
    }
  }
  if (natRules.length === 0 || services.some(({ name, conntrack }) => name === 'lvs' && conntrack)) return;
  const find = directorFinder(directors.map(({ director }) => director).filter(({ name }) => name !== ''), natRules.map(({ rule }) => rule));
  for (const { rule } of natRules) {
    const director = find(rule);
    if (!director || rule.name === '') continue;
    report.add('nat-no-conntrack', rule.at, `NAT rule '${rule.name}' matches director '${director.name}', but conntrack is off: balanced traffic will not be changed by it`, {
      hint: "add the line conntrack to 'service lvs' in services.conf and restart the service",
    });
  }
}

function validateRule({ rule, marks }: NatDraft, report: Reporter): void {
  const { before, after } = rule;
  const pool = after.source === 'masquerade' || after.source === null ? null : after.source.first;
  const families: readonly (readonly [string, Ip | null | undefined, typeof marks.afterSource])[] = [
    ['before source', before.source?.ip, marks.beforeSource],
    ['before destination', before.destination?.ip, marks.beforeDestination],
    ['after source', pool, marks.afterSource],
    ['after destination', after.destination, marks.afterDestination],
  ];
  const given = families.find(([, ip]) => ip);
  for (const [what, ip, at] of families) {
    if (!ip || !given?.[1] || ip.family === given[1].family) continue;
    report.add('nat-mixed-families', at ?? rule.at, `expected one address family in a NAT rule, ${given[0]} is IPv${given[1].family} and ${what} is IPv${ip.family}`, {
      hint: 'write one rule for each family',
    });
    break;
  }
  if (after.sport && after.source === null && !marks.afterSource) {
    report.add('nat-sport-alone', marks.afterSport ?? rule.at, "expected 'after source' beside 'after sport', found the port alone", { hint: 'after source masquerade keeps the address of the way out' });
  }
  for (const [name, at] of [[rule.inIface, marks.inIface], [rule.outIface, marks.outIface]] as const) {
    if (name !== null && !/^[A-Za-z0-9_.@~+=,%-]{1,15}$/.test(name)) report.add('nat-interface', at ?? rule.at, `expected an interface name of letters, digits and any of _.@~+=,%- in a NAT rule, found '${name}'`, { hint: 'write one rule for each interface: there are no patterns' });
  }
  if (rule.outIface !== null && (after.destination !== null || after.dport !== null)) {
    report.add('nat-out-destination', marks.outIface ?? rule.at, "expected no 'out' in a rule that changes the destination: the way out is known only after that", { hint: "leave 'out' out; a second rule with 'out' may change the source" });
  }
  const changes = after.source !== null || after.sport !== null || after.destination !== null || after.dport !== null;
  if (!changes && !marks.afterSource && !marks.afterDestination) {
    report.add('nat-nothing', rule.at, `NAT rule '${rule.name}' changes nothing`, { hint: 'add: after source <ip>' });
  }
}

/** Directors of one network, ready to answer "is there one with a port in first..last". */
interface Bucket {
  readonly directors: Director[];
  /** Of the first i + 1 directors, the one that reaches highest. */
  readonly reaches: Director[];
}

/**
 * Returns a function that finds a director a rule matches. Directors are indexed by each prefix length that rules use,
 * and each list is sorted by port, so that many rules times many directors cost a lookup and a binary search each.
 */
export function directorFinder(directors: readonly Director[], rules: readonly NatRule[]): (rule: NatRule) => Director | undefined {
  const prefixes = { 4: new Set<number>(), 6: new Set<number>() };
  for (const { before } of rules) if (before.destination) prefixes[before.destination.ip.family].add(before.destination.prefix);
  const buckets = new Map<string, Bucket>();
  const put = (key: string, director: Director): void => {
    const bucket = buckets.get(key);
    if (bucket) bucket.directors.push(director);
    else buckets.set(key, { directors: [director], reaches: [] });
  };
  for (const director of directors) {
    put(bucketKey(director.protocol, null), director);
    const { vip } = director;
    if (vip) for (const prefix of prefixes[vip.family]) put(bucketKey(director.protocol, { ip: networkOf(vip, prefix), prefix }), director);
  }
  for (const { directors: members, reaches } of buckets.values()) {
    members.sort((a, b) => first(a) - first(b));
    let highest: Director | undefined;
    for (const member of members) {
      if (!highest || last(member) > last(highest)) highest = member;
      reaches.push(highest);
    }
  }
  return (rule) => {
    for (const protocol of rule.protocol === 'any' ? (['udp', 'tcp'] as const) : [rule.protocol]) {
      const bucket = buckets.get(bucketKey(protocol, rule.before.destination));
      const found = bucket && overlapping(bucket, rule.before.dport?.first ?? 1, rule.before.dport?.last ?? 65_535);
      if (found) return found;
    }
    return undefined;
  };
}

function overlapping({ directors, reaches }: Bucket, from: number, to: number): Director | undefined {
  let low = 0;
  let high = directors.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const director = directors[middle];
    if (director && first(director) <= to) low = middle + 1;
    else high = middle;
  }
  const candidate = reaches[low - 1];
  return candidate && last(candidate) >= from ? candidate : undefined;
}

function bucketKey(protocol: string, network: Cidr | null): string {
  return network ? `${protocol}|${network.ip.text}|${network.prefix}` : protocol;
}

function first({ ports }: Director): number {
  return ports?.first ?? 1;
}

function last({ ports }: Director): number {
  return ports?.last ?? 65_535;
}
