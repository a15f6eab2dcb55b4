/** The places a soak can be held in. */
import { createSocket } from 'node:dgram';
import { rmSync, statSync } from 'node:fs';
import { local } from '../fixtures/loopback.ts';
import { makeNetwork } from '../fixtures/network.ts';
import type { Scope } from '../fixtures/scope.ts';
import { BACKENDS, SPARE, firstConfiguration } from './model.ts';
import type { Place } from './place.ts';

const NAMES: readonly string[] = [...BACKENDS, SPARE];
const DIRECTORS: readonly string[] = firstConfiguration().directors.map((d) => d.name);
const SERVER_PORT = 5301;
const VIP_PORT = 5310;
/** IPv6 has one loopback address, so ports tell servers and directors apart. Below 10000: nothing else of the tests listens there, and no ephemeral port is. */
const V6_BLOCK = NAMES.length + DIRECTORS.length;
const V6_FROM = 6000;
const V6_BLOCKS = 300;

/** Returns the userspace engine's place: loopback, addresses and ports of this process alone. */
export async function loopbackPlace(): Promise<Place> {
  const first = await freeBlock();
  return {
    engine: 'userspace', ownsTraffic: true, natFamilies: [4],
    vip: (director, family) => (family === 4 ? { ip: local(1), port: VIP_PORT + DIRECTORS.indexOf(director) } : { ip: '::1', port: first + NAMES.length + DIRECTORS.indexOf(director) }),
    server: (name, family) => (family === 4 ? { ip: local(11 + NAMES.indexOf(name)), port: SERVER_PORT } : { ip: '::1', port: first + NAMES.indexOf(name) }),
    clientIp: (family) => (family === 4 ? local(30) : '::1'),
    natSource: (family) => (family === 4 ? local(3) : '::1'),
    on: { clients: [], servers: [], balancer: [] },
  };
}

/** Returns the xdp engine's place: clients, balancer and servers are hosts in namespaces, joined by two switches. Needs root, ip and ethtool. */
export function namespacePlace(scope: Scope): Place {
  const servers = NAMES.flatMap((_, n) => [`192.0.2.${11 + n}/24`, `2001:db8:2::${11 + n}/64`]);
  const network = makeNetwork(scope, [
    { name: 'c', ports: [{ device: 'eth0', lan: 'front', addresses: ['198.51.100.9/24', '2001:db8:1::9/64'] }] },
    { name: 'b', ports: [
      { device: 'eth0', lan: 'front', addresses: ['198.51.100.2/24', '198.51.100.3/24', '2001:db8:1::2/64', '2001:db8:1::3/64'] },
      { device: 'eth1', lan: 'back', addresses: ['192.0.2.2/24', '192.0.2.3/24', '2001:db8:2::3/64', '2001:db8:2::2/64'] },
    ] },
    { name: 's', ports: [{ device: 'eth0', lan: 'back', addresses: servers }], routes: ['default via 192.0.2.2', 'default via 2001:db8:2::2'] },
  ]);
  // Frames as on a wire: whole checksums, and GRO where an XDP program sends to, without which veth takes none.
  for (const [host, device, lan] of [['c', 'eth0', 'front'], ['b', 'eth0', 'front'], ['b', 'eth1', 'back'], ['s', 'eth0', 'back']] as const) {
    network.run(host, 'ethtool', '-K', device, 'tx', 'off', 'gro', 'on');
    network.run(lan, 'ethtool', '-K', `${host}${device.at(-1)}`, 'tx', 'off', 'gro', 'on');
  }
  // Not `ip netns exec`, which gives a process a mount namespace of its own: what weir pins below /sys/fs/bpf would go with it.
  const namespace = `/run/netns/${network.on('b').at(-1)}`;
  const id = statSync(namespace).ino;
  // weir leaves its data plane to whoever comes next, and nobody does.
  scope.defer(() => {
    rmSync(`/sys/fs/bpf/weir/${id}`, { recursive: true, force: true });
    rmSync(`/run/weir/xdp-${id}.json`, { force: true });
  });
  network.run('b', 'sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1');
  // Port unreachable for every datagram: as over loopback, where ICMP is not limited.
  network.run('s', 'sysctl', '-qw', 'net.ipv4.icmp_ratelimit=0', 'net.ipv6.icmp.ratelimit=0');
  return {
    engine: 'xdp', ownsTraffic: false, natFamilies: [4, 6],
    vip: (director, family) => ({ ip: family === 4 ? '198.51.100.3' : '2001:db8:1::3', port: VIP_PORT + DIRECTORS.indexOf(director) }),
    server: (name, family) => ({ ip: family === 4 ? `192.0.2.${11 + NAMES.indexOf(name)}` : `2001:db8:2::${11 + NAMES.indexOf(name)}`, port: SERVER_PORT }),
    clientIp: (family) => (family === 4 ? '198.51.100.9' : '2001:db8:1::9'),
    // Not the address that checks are sent from: the engine gives ports of 1024 and up to sessions, and a check that happens to have one loses its answer to a client (src/engine/xdp/README.md).
    natSource: (family) => (family === 4 ? '192.0.2.3' : '2001:db8:2::3'),
    on: { clients: network.on('c'), servers: network.on('s'), balancer: ['nsenter', `--net=${namespace}`, '--'] },
  };
}

/** Returns the first of consecutive ports that are free on ::1 now. */
async function freeBlock(): Promise<number> {
  for (let n = 0; n < V6_BLOCKS; n++) {
    const first = V6_FROM + ((process.pid + n) % V6_BLOCKS) * V6_BLOCK;
    const free = await Promise.all(Array.from({ length: V6_BLOCK }, (_, i) => isFree(first + i)));
    if (free.every(Boolean)) return first;
  }
  throw new Error(`no ${V6_BLOCK} free UDP ports of ::1 in a row, from ${V6_FROM} on`);
}

function isFree(port: number): Promise<boolean> {
  const socket = createSocket('udp6');
  return new Promise((resolve) => {
    socket.once('error', () => resolve(false));
    socket.bind({ address: '::1', port, exclusive: true }, () => socket.close(() => resolve(true)));
  });
}
