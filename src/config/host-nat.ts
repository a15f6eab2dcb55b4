/**
 * What this host's routes, addresses and switches say about NAT and balanced traffic: the warnings of the ALOHA page, as far as they can
 * be known from here. Pure. A server's own routes are not known: where only they decide, it is said what they must be until answers are seen.
 */
import { cidrContains, type Cidr } from '../net/cidr.ts';
import type { Ip } from '../net/ip.ts';
import type { HostFacts } from './host.ts';
import type { Config, Director, NatRule } from './model.ts';
import { ruleMatches } from './nat-match.ts';
import type { Reporter } from './report.ts';

/** Reports to `report`; `owned` are the canonical texts of this host's addresses. */
export function natHostIssues(config: Config, facts: HostFacts, owned: ReadonlySet<string | undefined>, report: Reporter): void {
  const lvs = config.services.find((service) => service.name === 'lvs');
  const engine = facts.engine ?? (lvs?.engine === 'auto' ? undefined : (lvs?.engine ?? undefined));
  const conntrack = lvs?.conntrack === true;
  forwarding(config, facts, engine, report);
  for (const rule of config.natRules) {
    sourceIsHere(rule, owned, report);
    strictFilter(rule, facts, report);
  }
  for (const director of config.directors) {
    const rule = conntrack ? config.natRules.find((r) => r.after.source !== null && ruleMatches(r, director)) : undefined;
    if (director.mode !== 'nat' && conntrack) leftAlone(config.natRules, director, facts, report);
    else if (rule) wayOut(rule, director, facts, report);
    else if (inKernel(engine)) wayBack(director, facts, report);
  }
}

/** Engines that forward packets as a router does, with the kernel's routes. */
function inKernel(engine: HostFacts['engine']): boolean {
  return engine === 'lvs' || engine === 'xdp';
}

function forwarding(config: Config, facts: HostFacts, engine: HostFacts['engine'], report: Reporter): void {
  if (!facts.forwarding) return;
  for (const family of [4, 6] as const) {
    if (facts.forwarding[family]) continue;
    const cure = `sysctl -w ${family === 4 ? 'net.ipv4.ip_forward' : 'net.ipv6.conf.all.forwarding'}=1, and the same in /etc/sysctl.d`;
    const balanced = inKernel(engine) ? config.directors.find((d) => d.mode === 'nat' && d.vip?.family === family) : undefined;
    const rule = config.natRules.find((r) => forwards(r, config, engine) && (familyOf(r) ?? 4) === family);
    if (balanced) report.add('ip-forward-off', balanced.at, `the kernel does not forward IPv${family}: answers to director '${balanced.name}' (mode nat) are dropped here`, { hint: cure });
    else if (rule) report.add('ip-forward-off', rule.at, `the kernel does not forward IPv${family}: NAT rule '${rule.name}' has nothing to act on`, { hint: cure });
  }
}

/** False for a rule that is about a director alone, where an engine of sockets answers itself. */
function forwards(rule: NatRule, config: Config, engine: HostFacts['engine']): boolean {
  return engine === 'lvs' || rule.before.destination === null || !config.directors.some((director) => director.vip !== null && ruleMatches(rule, director));
}

function sourceIsHere({ name, after, at }: NatRule, owned: ReadonlySet<string | undefined>, report: Reporter): void {
  if (after.source === null || after.source === 'masquerade') return;
  const { first, last } = after.source;
  const away = [first, last].find((ip) => !owned.has(ip.text));
  if (!away) return;
  report.add('nat-source-not-here', at, `the new source ${away.text} of NAT rule '${name}' is on no interface of this host: answers to it do not arrive`, {
    hint: `add it (ip address add ${away.text}/${away.family === 4 ? 32 : 128} dev <interface>), unless a route brings it here`,
  });
}

function strictFilter(rule: NatRule, facts: HostFacts, report: Reporter): void {
  const { inIface, before } = rule;
  if (inIface === null || !facts.routes || !facts.rpFilterStrict?.includes(inIface) || familyOf(rule) === 6) return;
  const from = before.source ?? { ip: { family: 4, text: '0.0.0.0' }, prefix: 0 } satisfies Cidr;
  // The longest route that holds the whole of the clients' network decides where answers to them go.
  const route = longest(facts.routes.filter((r) => r.network.prefix <= from.prefix && cidrContains(r.network, from.ip)));
  if (route?.iface === inIface) return;
  // Clients of the interface's own network pass the filter: a rule for any client may mean them.
  if (before.source === null && route === undefined) return;
  report.add('rp-filter-strict', rule.at, `rp_filter is strict on ${inIface}, and the way back to the clients of NAT rule '${rule.name}' is ${route ? `by ${route.iface}` : 'unknown'}: what comes in by ${inIface} is dropped`, {
    hint: `sysctl -w net.ipv4.conf.${inIface}.rp_filter=2 (loose; the higher of this and conf.all counts), or correct the route`,
  });
}

function wayOut(rule: NatRule, director: Director, { routes }: HostFacts, report: Reporter): void {
  if (rule.outIface === null || !routes) return;
  const astray = director.servers.map((server) => ({ server, route: routeTo(server.ip, routes) })).find(({ route }) => route && route.iface !== rule.outIface);
  if (!astray) return;
  report.add('nat-out-elsewhere', rule.at, `NAT rule '${rule.name}' is for what leaves by ${rule.outIface}, but server '${astray.server.name}' of director '${director.name}' is reached by ${astray.route?.iface ?? ''}`, {
    hint: 'one interface for clients and servers: in and out are the same; two: out is the one towards the servers',
  });
}

/** Servers that answer clients themselves must see the client: with another source they would answer that. */
function leftAlone(rules: readonly NatRule[], director: Director, { routes }: HostFacts, report: Reporter): void {
  const meets = ({ outIface }: NatRule): boolean => outIface === null || !routes || director.servers.some((server) => routeTo(server.ip, routes)?.iface === outIface);
  const rule = rules.find((r) => r.after.source !== null && ruleMatches(r, director) && meets(r));
  if (!rule) return;
  report.add('nat-direct', rule.at, `NAT rule '${rule.name}' changes the source of what director '${director.name}' (mode ${director.mode}) gets: its servers answer clients themselves, and would answer the new source`, {
    hint: 'narrow the rule (before destination, before dport, out) so that it leaves the director alone, or give the director mode nat',
  });
}

/** Without source NAT a server answers the client's own address: that must lead through here. */
function wayBack(director: Director, { onLink, routes, answered }: HostFacts, report: Reporter): void {
  const { vip, mode, session } = director;
  if (mode !== 'nat' || vip === null || session.kind === 'one-way' || !onLink || !routes) return;
  const hint = "add a NAT rule whose 'after source' is an address of this host (and conntrack to 'service lvs'), or make this host the servers' default gateway";
  for (const server of director.servers) {
    const near = onLink.filter(({ network }) => cidrContains(network, server.ip));
    const shared = near.find(({ network }) => cidrContains(network, vip));
    if (shared) {
      report.add('way-back', server.at, `server '${server.name}' answers clients of ${shared.iface} directly, past this host, which they do not expect: director '${director.name}' and its servers are in one network and no NAT rule changes the source`, { hint });
    } else if (near.length === 0 && routeTo(server.ip, routes)?.gateway) {
      report.add('way-back', server.at, `server '${server.name}' is behind a router: its answers come back through this host only if that router sends them here, and no NAT rule changes the source`, { hint });
    } else if (near[0] && answered?.has(director.name) !== true) {
      report.add('way-back-unseen', server.at, `server '${server.name}' on ${near[0].iface} gets what clients send from their own addresses: its answers must come back through this host, and no NAT rule changes the source`, { hint: `${hint}; said until an answer has come back` });
    } else {
      continue;
    }
    return;
  }
}

function routeTo(ip: Ip, routes: NonNullable<HostFacts['routes']>): NonNullable<HostFacts['routes']>[number] | undefined {
  return longest(routes.filter(({ network }) => cidrContains(network, ip)));
}

function longest(routes: NonNullable<HostFacts['routes']>): NonNullable<HostFacts['routes']>[number] | undefined {
  return routes.reduce<NonNullable<HostFacts['routes']>[number] | undefined>((best, route) => (best && best.network.prefix >= route.network.prefix ? best : route), undefined);
}

function familyOf({ before, after }: NatRule): 4 | 6 | null {
  const source = after.source === null || after.source === 'masquerade' ? null : after.source.first;
  return (before.source?.ip ?? before.destination?.ip ?? source ?? after.destination)?.family ?? null;
}
