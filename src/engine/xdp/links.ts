/**
 * Which interfaces the program runs on, and the table of those that datagrams leave by. Pure. Sessions remember a link by its number,
 * so an interface has the number it had, and a number that was in use is the last to be given to another.
 */
import { isUnspecified } from '../../net/ip.ts';
import type { Desired } from '../../plan/desired.ts';
import { CONSTANTS } from './abi/spec.ts';
import type { HostFacts, HostLink } from './host.ts';

/** One entry of `links`. `ifindex` sends (of a VLAN its parent), `own` is what routes name. */
export interface LinkTarget {
  readonly id: number;
  readonly ifindex: number;
  readonly own: number;
  readonly mac: readonly number[];
  readonly vlan: number;
  readonly mtu: number;
}

/** Which interface each number of the table is, or was last; 0: it was never used. */
export type LinkRows = readonly number[];

export interface LinkPlan {
  /** Interfaces to run on. */
  readonly attach: readonly HostLink[];
  /** Those of them whose frames in play carry VLAN tags. */
  readonly tagged: readonly HostLink[];
  readonly links: readonly LinkTarget[];
}

/** Returns the devices in play: those that hold the VIPs, those the ways to servers leave by, those of default routes; or the ones given. */
export function devicesInPlay(desired: Desired, facts: HostFacts, given: readonly string[] | undefined): readonly string[] {
  if (given !== undefined) return given;
  const vips = new Set(desired.directors.flatMap((d) => (d.vip === null || isUnspecified(d.vip) ? [] : [d.vip.text])));
  const anyAddress = desired.directors.some((d) => d.vip !== null && isUnspecified(d.vip));
  const servers = new Set(desired.directors.flatMap((d) => d.servers.map((s) => s.ip.text)));
  const ethernet = new Set(facts.links.filter((l) => l.ethernet).map((l) => l.name));
  const devices = new Set<string>();
  for (const { ip, device, global } of facts.addresses) if (vips.has(ip.text) || (anyAddress && global)) devices.add(device);
  for (const text of servers) {
    const way = facts.ways.get(text);
    if (way != null && !way.local) devices.add(way.device);
  }
  for (const device of facts.defaults) devices.add(device);
  return [...devices].filter((device) => ethernet.has(device)).sort();
}

/** Returns where to attach and the table. Throws RangeError when there are more interfaces than the table holds. */
export function linkPlan(devices: readonly string[], facts: HostFacts, rows: LinkRows): LinkPlan {
  const byIndex = new Map(facts.links.map((l) => [l.ifindex, l]));
  const wanted = new Set(devices);
  const attach = new Map<number, HostLink>();
  const tagged = new Map<number, HostLink>();
  for (const link of facts.links) {
    if (!wanted.has(link.name)) continue;
    // Frames of a VLAN come in at its parent, tag and all.
    const at = link.vlan === null ? link : byIndex.get(link.vlan.parent);
    if (at === undefined) continue;
    attach.set(at.ifindex, at);
    if (link.vlan !== null) tagged.set(at.ifindex, at);
  }
  const leaves = facts.links.filter((l) => attach.has(l.vlan?.parent ?? l.ifindex));
  const ids = numbers(leaves.map((l) => l.ifindex), rows);
  return {
    attach: [...attach.values()],
    tagged: [...tagged.values()],
    links: leaves.map((l) => ({ id: ids.get(l.ifindex) ?? 0, ifindex: l.vlan?.parent ?? l.ifindex, own: l.ifindex, mac: l.mac, vlan: l.vlan?.id ?? 0, mtu: l.mtu })),
  };
}

function numbers(owns: readonly number[], rows: LinkRows): ReadonlyMap<number, number> {
  const ids = new Map<number, number>();
  rows.forEach((own, id) => {
    if (own !== 0 && owns.includes(own)) ids.set(own, id);
  });
  const taken = new Set(ids.values());
  // 0 is left out: a hop of zeroes means none.
  const free = Array.from({ length: CONSTANTS.MAX_LINKS - 1 }, (_, i) => i + 1).filter((id) => !taken.has(id)).sort((a, b) => Number((rows[a] ?? 0) !== 0) - Number((rows[b] ?? 0) !== 0) || a - b);
  for (const own of owns) {
    if (ids.has(own)) continue;
    const id = free.shift();
    if (id === undefined) throw new RangeError(`more than ${CONSTANTS.MAX_LINKS - 1} interfaces: name the ones to use (option interfaces)`);
    ids.set(own, id);
  }
  return ids;
}
