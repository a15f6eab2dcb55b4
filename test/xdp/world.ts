/**
 * The contract's world for the xdp engine: the balancer has a namespace of its own, which the main thread enters for good, and stands
 * between clients and servers as the guest does in test/lvs/world.ts, with the same addresses. Frames cross veth pairs as they would a
 * wire: with whole checksums, and with GRO on at the far ends, without which veth takes no frames from an XDP program.
 */
import { writeFileSync } from 'node:fs';
import { after } from 'node:test';
import { enterNamespace } from '../../bench/libbpf.ts';
import { createNetns, sh, shInput, type Netns } from '../lvs/netns.ts';
import { addresses, CLIENTS, hexRange, own, range, SERVERS, vips, worldOf, type GuestWorld } from '../lvs/world.ts';

/** Builds the namespaces and enters the balancer's. `oneArmed`: clients, servers and balancer hang on one switch, on the balancer's only interface. */
export function createXdpWorld(options: { readonly oneArmed?: boolean } = {}): GuestWorld {
  const own = `weir-xdp-${process.pid}`;
  const balancer = createNetns(`${own}-b`);
  enterNamespace(balancer.name);
  const [clients, servers] = [createNetns(`${own}-c`), createNetns(`${own}-s`)];
  const fabric = options.oneArmed === true ? createNetns(`${own}-f`) : null;
  if (fabric !== null) oneArm(fabric, clients, servers);
  else twoArms(clients, servers);
  for (const [name, value] of [['ipv4/ip_forward', 1], ['ipv6/conf/all/forwarding', 1], ['ipv4/conf/all/rp_filter', 0]] as const) writeFileSync(`/proc/sys/net/${name}`, String(value));
  settle([balancer, clients, servers]);
  return worldOf(options.oneArmed === true ? 'one arm' : 'two arms', { clients, servers }, () => {
    fabric?.close();
    balancer.close();
  });
}

/** Waits until no address of a link that has just come up is tentative any more (RFC 4862, 5.4): until then nobody there is asked or answers for IPv6. */
function settle(hosts: readonly Netns[]): void {
  const end = performance.now() + SETTLE_MS;
  for (const { name } of hosts) {
    while (sh('ip', '-n', name, '-6', '-o', 'address', 'show', 'tentative').trim() !== '') {
      if (performance.now() > end) throw new Error(`addresses in ${name} are tentative after ${SETTLE_MS} ms`);
      sh('sleep', '0.05');
    }
  }
}

const SETTLE_MS = 10_000;

/** Registers the world's end. */
export function closedAfter(world: GuestWorld): GuestWorld {
  after(() => world.close());
  return world;
}

function twoArms(clients: Netns, servers: Netns): void {
  wire('to-clients', clients);
  wire('to-servers', servers);
  shInput([...own('to-clients', ['198.51.100.254/24', '203.0.113.254/24', ...vips()]), ...own('to-servers', ['192.0.2.254/24', '2001:db8:2::fe/64'])].join('\n'), 'ip', '-batch', '-');
  addresses(clients, [...range('198.51.100.', CLIENTS, 24), ...range('203.0.113.', CLIENTS, 24), ...hexRange('2001:db8:1::', CLIENTS)], ['default via 198.51.100.254', 'default via 2001:db8:1::fe']);
  addresses(servers, [...range('192.0.2.', SERVERS, 24), ...hexRange('2001:db8:2::', SERVERS)], ['default via 192.0.2.254', 'default via 2001:db8:2::fe']);
}

/** A switch of its own: the balancer sees frames on one interface alone, and everybody else reaches everybody. */
function oneArm(fabric: Netns, clients: Netns, servers: Netns): void {
  sh('ip', '-n', fabric.name, 'link', 'add', 'switch', 'type', 'bridge');
  sh('ip', '-n', fabric.name, 'link', 'set', 'switch', 'up');
  sh('ip', 'link', 'add', 'arm', 'type', 'veth', 'peer', 'name', 'port-b', 'netns', fabric.name);
  sh('ip', 'link', 'set', 'arm', 'up');
  for (const [port, peer] of [['port-c', clients], ['port-s', servers]] as const) {
    sh('ip', '-n', peer.name, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', port, 'netns', fabric.name);
    sh('ip', '-n', peer.name, 'link', 'set', 'eth0', 'up');
    plain(peer, 'eth0');
  }
  for (const port of ['port-b', 'port-c', 'port-s']) {
    sh('ip', '-n', fabric.name, 'link', 'set', port, 'master', 'switch', 'up');
    plain(fabric, port);
  }
  shInput(own('arm', ['198.51.100.254/24', '203.0.113.254/24', '192.0.2.254/24', '2001:db8:2::fe/64', ...vips()]).join('\n'), 'ip', '-batch', '-');
  // Everybody knows all networks as their own: a server's answer to a client itself would not pass the balancer.
  addresses(clients, [...range('198.51.100.', CLIENTS, 24), ...range('203.0.113.', CLIENTS, 24), ...hexRange('2001:db8:1::', CLIENTS)], ['192.0.2.0/24 dev eth0', '2001:db8:2::/64 dev eth0']);
  addresses(servers, [...range('192.0.2.', SERVERS, 24), ...hexRange('2001:db8:2::', SERVERS)], ['198.51.100.0/24 dev eth0', '203.0.113.0/24 dev eth0', '2001:db8:1::/64 dev eth0']);
}

function wire(name: string, peer: Netns): void {
  sh('ip', 'link', 'add', name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', peer.name);
  sh('ip', 'link', 'set', name, 'up');
  sh('ip', '-n', peer.name, 'link', 'set', 'eth0', 'up');
  plain(peer, 'eth0');
}

function plain(netns: Netns, device: string): void {
  netns.run('ethtool', '-K', device, 'tx', 'off', 'gro', 'on');
}
