/**
 * Hosts around a balancer, each in a network namespace of its own, IPv4 and IPv6 at once:
 *
 *   front 192.0.2.0/24, 2001:db8:1::/64       client .9, balancer's eth0 .2 with the VIPs .3 and .4, servers srv1 .21 and srv2 .22
 *   back  198.51.100.0/24, 2001:db8:2::/64    balancer's eth1 .2, servers far-srv1 .21 and far-srv2 .22, whose way out leads through it
 *
 * Frames cross veth pairs as they would a wire: with whole checksums, and with GRO on where an XDP program sends to.
 */
import { parseIp } from '../../src/net/ip.ts';
import type { Endpoint } from '../../src/net/endpoint.ts';
import { makeNetwork, type HostPlan, type Network } from '../fixtures/network.ts';
import type { Scope } from '../fixtures/scope.ts';
import { visitNamespace } from '../../bench/libbpf.ts';

export const FAMILIES = [4, 6] as const;
export type Family = (typeof FAMILIES)[number];
export const SERVERS = ['srv1', 'srv2'] as const;
export type Server = (typeof SERVERS)[number];
export type Lan = 'front' | 'back';

const PREFIXES: Readonly<Record<Lan, Readonly<Record<Family, string>>>> = { front: { 4: '192.0.2.', 6: '2001:db8:1::' }, back: { 4: '198.51.100.', 6: '2001:db8:2::' } };

/** Returns the address of a host on a LAN: `front` 9 is 192.0.2.9 or 2001:db8:1::9. */
export function at(lan: Lan, family: Family, host: number): string {
  return `${PREFIXES[lan][family]}${host}`;
}

/** The same as `ip address` takes it, in both families. */
export function both(lan: Lan, ...hosts: readonly number[]): string[] {
  return hosts.flatMap((host) => [`${at(lan, 4, host)}/24`, `${at(lan, 6, host)}/64`]);
}

/** Returns address and port as every program but `ip` writes them: IPv6 in brackets. */
export function written(address: string, port?: number): string {
  const host = address.includes(':') ? `[${address}]` : address;
  return port === undefined ? host : `${host}:${port}`;
}

export function endpoint(address: string, port: number): Endpoint {
  const ip = parseIp(address);
  if (ip === undefined) throw new Error(`not an address: ${address}`);
  return { ip, port };
}

/** A balancer between two LANs, a client and servers on the front, servers on the back. */
export const HOSTS: readonly HostPlan[] = [
  { name: 'client', ports: [{ device: 'eth0', lan: 'front', addresses: both('front', 9) }] },
  { name: 'balancer', ports: [{ device: 'eth0', lan: 'front', addresses: both('front', 2, 3, 4) }, { device: 'eth1', lan: 'back', addresses: both('back', 2) }] },
  ...SERVERS.map((name, i) => ({ name, ports: [{ device: 'eth0', lan: 'front', addresses: both('front', 21 + i) }] })),
  ...SERVERS.map((name, i) => ({ name: farName(name), ports: [{ device: 'eth0', lan: 'back', addresses: both('back', 21 + i) }], routes: FAMILIES.map((family) => `default via ${at('back', family, 2)}`) })),
];

/** The host on the back LAN of the same number. */
export function farName(server: Server): `far-${Server}` {
  return `far-${server}`;
}

/** Makes the hosts; `routers` forward, beside the balancer. They are gone with the scope. */
export function makeSite(scope: Scope, hosts: readonly HostPlan[], routers: readonly string[] = []): Network {
  const network = makeNetwork(scope, hosts);
  wire(network, hosts);
  for (const router of ['balancer', ...routers]) network.run(router, 'sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1');
  return network;
}

/** Makes frames between namespaces as they are between machines. */
export function wire(network: Network, hosts: readonly HostPlan[]): void {
  for (const { name, ports } of hosts) {
    for (const [i, { device, lan }] of ports.entries()) {
      network.run(name, 'ethtool', '-K', device, 'tx', 'off', 'gro', 'on');
      network.run(lan, 'ethtool', '-K', `${name}${i}`, 'tx', 'off', 'gro', 'on');
    }
  }
}

/** Takes this process's main thread into a host until the scope ends: an engine made meanwhile is that host's. */
export function enter(scope: Scope, network: Network, host: string): void {
  scope.defer(visitNamespace(network.on(host).at(-1) ?? ''));
}
