/**
 * The hosts of the page around the guest, which is the appliance: every host a network namespace, every LAN a bridge in a namespace `switch`.
 *
 *   front 192.0.2.0/24      client .9, the appliance's eth0 .2, servers near1 .21 and near2 .22
 *   back  198.51.100.0/24   the appliance's eth1 .254, servers far1 .21 and far2 .22
 *
 * Servers on the back know the way to the VIP of their director and no other way out: not to the client.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import type { Behaviour, Peer } from '../contract/world.ts';
import type { Scope } from '../fixtures/scope.ts';
import { parseIp, type Ip } from '../../src/net/ip.ts';
import { netnsOf, sh, shInput, type Netns } from './netns.ts';
import { openPeer } from './world.ts';

export const HOSTS = {
  client: { lan: 'front', ip: '192.0.2.9' },
  near1: { lan: 'front', ip: '192.0.2.21' },
  near2: { lan: 'front', ip: '192.0.2.22' },
  far1: { lan: 'back', ip: '198.51.100.21' },
  far2: { lan: 'back', ip: '198.51.100.22' },
} as const;
export type HostName = keyof typeof HOSTS;
const NAMES = Object.keys(HOSTS) as readonly HostName[];
const LANS = { front: { device: 'eth0', ip: '192.0.2.2' }, back: { device: 'eth1', ip: '198.51.100.254' } } as const;

export interface Hosts {
  readonly on: Readonly<Record<HostName, Netns>>;
  /** Opens a UDP socket on a host; it is closed with the scope. `port` 0 takes a free one. */
  open(host: HostName, options?: { readonly port?: number; readonly behaviour?: Behaviour; readonly ip?: string }): Promise<Peer>;
  /** Pulls a host's cable at the switch, or plugs it in again: the host sees no end of its link, as behind any switch. */
  cable(host: HostName, plugged: boolean): void;
}

/** Makes the hosts; they are gone with the scope. `farVip` is the address that servers on the back find the appliance at. */
export function makeHosts(scope: Scope, farVip: string): Hosts {
  mkdirSync('/run/netns', { recursive: true });
  // The guest reads its sockets late: what waits there must find room (openPeer asks for 4 MiB).
  setSysctl('net/core/rmem_max', 8 << 20);
  const hub = netnsOf(scope, 'switch');
  const on = Object.fromEntries(NAMES.map((name) => [name, netnsOf(scope, name)])) as Hosts['on'];
  for (const { device } of Object.values(LANS)) scope.defer(() => void sh('ip', 'link', 'delete', device));
  shInput([
    ...Object.entries(LANS).map(([lan, { device }]) => `link add ${device} type veth peer name ${lan} netns switch`),
    ...Object.values(LANS).flatMap(({ device, ip }) => [`address add ${ip}/24 dev ${device}`, `link set ${device} up`]),
  ].join('\n'), 'ip', '-batch', '-');
  const plugs = [...Object.keys(LANS).map((lan) => [lan, lan]), ...NAMES.map((name) => [name, HOSTS[name].lan])];
  shInput([
    ...NAMES.map((name) => `link add ${name} type veth peer name eth0 netns ${name}`),
    ...Object.keys(LANS).flatMap((lan) => [`link add br-${lan} type bridge`, `link set br-${lan} up`]),
    ...plugs.flatMap(([plug, lan]) => [`link set ${plug} master br-${lan}`, `link set ${plug} up`]),
  ].join('\n'), 'ip', '-n', hub.name, '-batch', '-');
  for (const name of NAMES) {
    const way = HOSTS[name].lan === 'back' ? [`route add ${farVip} via ${LANS.back.ip}`] : [];
    shInput([`address add ${HOSTS[name].ip}/24 dev eth0`, 'link set eth0 up', ...way].join('\n'), 'ip', '-n', name, '-batch', '-');
  }
  return {
    on,
    async open(host, { port = 0, behaviour = 'silent', ip = HOSTS[host].ip } = {}) {
      const peer = await openPeer(on[host], host, address(ip), port, behaviour);
      scope.defer(() => peer.close());
      return peer;
    },
    cable: (host, plugged) => void sh('ip', '-n', hub.name, 'link', 'set', host, plugged ? 'up' : 'down'),
  };
}

/** Sets a switch of the guest's kernel, `net/ipv4/ip_forward`. */
export function setSysctl(name: string, value: number): void {
  writeFileSync(`/proc/sys/${name}`, `${value}\n`);
}

/** Returns the address. Throws when the text is none. */
export function address(text: string): Ip {
  const parsed = parseIp(text);
  if (parsed === undefined) throw new Error(`not an address: ${text}`);
  return parsed;
}
