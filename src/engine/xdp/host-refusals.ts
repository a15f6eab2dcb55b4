/** What only the host can tell that an apply must refuse: each with its cure. Pure but for the sysctls, which come in as a function. */
import type { Desired } from '../../plan/desired.ts';
import { EngineError } from '../engine.ts';
import type { HostFacts } from './host.ts';
import type { LinkPlan } from './links.ts';

/** Reads `/proc/sys/net/<family>/conf/<device>/forwarding`; null where there is none. */
export type Forwarding = (family: 4 | 6, device: string) => boolean | null;

/** What of the kernel's settings is asked. `stripsTags`: see offloads.ts. */
export interface Settings {
  readonly forwarding: Forwarding;
  readonly stripsTags: (device: string) => boolean | null;
}

/** Throws EngineError for the first thing that would not work: a server on this host, a way the program cannot go, VLAN tags it would not see, forwarding that is off. */
export function refuseOnHost(desired: Desired, facts: HostFacts, { attach, tagged }: Pick<LinkPlan, 'attach' | 'tagged'>, { forwarding, stripsTags }: Settings): void {
  const ethernet = new Map(facts.links.map((l) => [l.name, l]));
  for (const director of desired.directors) {
    for (const server of director.servers) {
      const way = facts.ways.get(server.ip.text);
      if (way == null) continue;
      if (way.local) throw new EngineError(`engine xdp cannot reach server ${server.name} of director ${director.name}: ${server.ip.text} is this host's own address, and no frame leaves for it`, { cure: 'use the userspace engine for servers on this host' });
      const link = ethernet.get(way.device);
      if (link !== undefined && !link.ethernet) throw new EngineError(`engine xdp cannot reach server ${server.name} of director ${director.name}: the way leads over ${way.device}, which carries no Ethernet frames`, { cure: 'use the userspace or the lvs engine, or a server behind an Ethernet interface' });
    }
  }
  for (const { name, kind } of tagged) {
    // What a veth says of itself is about nothing: its far end keeps the tag in the frame, or does not.
    if (kind === 'veth' || stripsTags(name) !== true) continue;
    throw new EngineError(`${name} takes VLAN tags out of frames before the xdp engine sees them: answers would leave without`, { cure: `ethtool -K ${name} rxvlan off` });
  }
  const families = new Set(desired.directors.map((d) => d.vip?.family ?? 4));
  for (const family of families) {
    for (const { name } of attach) {
      if (forwarding(family, name) !== false) continue;
      throw new EngineError(`IPv${family} forwarding is off on ${name}: the kernel tells the xdp engine no way to a server`, {
        cure: family === 4 ? 'sysctl -w net.ipv4.ip_forward=1 (service network: sysctl net.ipv4.ip_forward=1)' : 'sysctl -w net.ipv6.conf.all.forwarding=1',
      });
    }
  }
}
