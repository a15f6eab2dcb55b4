/** What depends on the host a configuration is for: pure, the facts come in as data. */
import type { Cidr } from '../net/cidr.ts';
import { isUnspecified, parseIp } from '../net/ip.ts';
import { natHostIssues } from './host-nat.ts';
import type { Issue, Position } from './issue.ts';
import type { Config } from './model.ts';
import { nearest } from './nearest.ts';
import { quoted, Reporter } from './report.ts';

/**
 * Addresses (bare, any spelling; a zone or prefix after `%` or `/` is dropped) and interface names of this host. What is optional is
 * checked only when it is known.
 */
export interface HostFacts {
  readonly addresses: readonly string[];
  readonly interfaces: readonly string[];
  /** The engine that runs, or would; default: what the configuration names. */
  readonly engine?: 'userspace' | 'xdp' | 'lvs';
  /** net.ipv4.ip_forward and net.ipv6.conf.all.forwarding. */
  readonly forwarding?: { readonly 4: boolean; readonly 6: boolean };
  /** Interfaces whose reverse path filter is strict (1). */
  readonly rpFilterStrict?: readonly string[];
  /** The networks of the interfaces' own addresses. */
  readonly onLink?: readonly { readonly iface: string; readonly network: Cidr }[];
  /** Directors whose servers' answers have been seen to come back through this host by the servers' own routes. */
  readonly answered?: ReadonlySet<string>;
  /** The routing tables main (connected networks included) and local. */
  readonly routes?: readonly { readonly iface: string; readonly network: Cidr; readonly gateway: boolean }[];
}

/** Returns warnings for director addresses this host does not have and interfaces it does not know, in the order of the configuration. */
export function hostIssues(config: Config, facts: HostFacts): readonly Issue[] {
  const report = new Reporter();
  const owned = new Set(facts.addresses.map((address) => parseIp(address.replace(/[%/].*$/, ''))?.text));
  const interfaces = new Set(facts.interfaces);
  const files = new Set<string>();
  const checkInterface = (name: string | null, at: Position): void => {
    if (name === null || interfaces.has(name)) return;
    const known = facts.interfaces.length === 0 ? '' : ` (${facts.interfaces.slice(0, 16).join(', ')}${facts.interfaces.length > 16 ? ', …' : ''})`;
    report.add('no-such-interface', at, `expected an interface of this host${known}, found ${quoted(name)}`, { nearest: nearest(name, facts.interfaces) });
  };
  for (const { vip, name, probe, at } of config.directors) {
    files.add(at.file);
    if (vip && !isUnspecified(vip) && !(vip.family === 4 && vip.text.startsWith('127.')) && !owned.has(vip.text)) {
      report.add('vip-not-here', at, `the address ${vip.text} of director '${name}' is on no interface of this host`, {
        hint: `add it (ip address add ${vip.text}/${vip.family === 4 ? 32 : 128} dev <interface>), unless VRRP or a route brings its traffic here`,
      });
    }
    if (probe.kind === 'arp') checkInterface(probe.iface, at);
  }
  for (const { inIface, outIface, at } of config.natRules) {
    files.add(at.file);
    checkInterface(inIface, at);
    checkInterface(outIface, at);
  }
  for (const { name, instance, at } of config.services) {
    files.add(at.file);
    if (name === 'network') checkInterface(instance, at);
  }
  natHostIssues(config, facts, owned, report);
  return report.issues([...files]);
}
