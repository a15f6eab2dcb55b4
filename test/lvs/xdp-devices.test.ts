/**
 * The xdp engine with devices that only a stock kernel has: 802.1Q interfaces, and servers that unwrap IPIP and IPv6 in IPv6. The balancer is the
 * guest itself, on one trunk that carries three networks; clients and servers are network namespaces behind a switch with VLANs.
 *
 *   untagged   192.0.2.0/24, 2001:db8:1::/64       client .9, balancer .2 with the VIPs .3 and .4, server .21, unwrapping servers .31 .32
 *   VLAN 10    198.51.100.0/24, 2001:db8:a::/64    client .9, balancer .2 with the VIP .3
 *   VLAN 20    203.0.113.0/24, 2001:db8:b::/64     balancer .2, server .21
 */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { after, test } from 'node:test';
import type { EngineEvent } from '../../src/engine/engine.ts';
import { createXdpEngine } from '../../src/engine/xdp/index.ts';
import type { DesiredDirector, SourceNat } from '../../src/plan/desired.ts';
import { desired, director, server } from '../contract/make.ts';
import { planOf } from '../contract/plan.ts';
import type { Behaviour, Peer } from '../contract/world.ts';
import { Scope } from '../fixtures/scope.ts';
import { address, setSysctl } from './hosts.ts';
import { netnsOf, sh, shInput, type Netns } from './netns.ts';
import { openPeer } from './world.ts';

const FAMILIES = [4, 6] as const;
type Family = (typeof FAMILIES)[number];
const NETS = {
  untagged: { 4: '192.0.2.', 6: '2001:db8:1::', vlan: null },
  'VLAN 10': { 4: '198.51.100.', 6: '2001:db8:a::', vlan: 10 },
  'VLAN 20': { 4: '203.0.113.', 6: '2001:db8:b::', vlan: 20 },
} as const;
type Net = keyof typeof NETS;
const VIP = 3;
const TUNNEL_VIP = 4;
const UNWRAPPING = { u1: 31, u2: 32 } as const;
type Unwrapping = keyof typeof UNWRAPPING;
/** Payload of a datagram of 1500 bytes. */
const FULL: Readonly<Record<Family, number>> = { 4: 1472, 6: 1452 };
/** Two fragments more than the first. */
const LONG = 4000;

const at = (net: Net, family: Family, host: number): string => `${NETS[net][family]}${host}`;

const scope = new Scope();
after(() => scope.end());
mkdirSync('/run/netns', { recursive: true });
setSysctl('net/core/rmem_max', 8 << 20);
const add = (name: string): Netns => netnsOf(scope, name);
const hub = add('hub');
const hosts = { client: add('client'), client10: add('client10'), server: add('server'), server20: add('server20'), u1: add('u1'), u2: add('u2') };
scope.defer(() => void sh('ip', 'link', 'delete', 'trunk'));
// One shell for all: starting programs is what takes time in the guest.
shInput([
  `ip -n ${hub.name} link add switch type bridge vlan_filtering 1`, `ip -n ${hub.name} link set switch up`,
  ...plug(null, 'trunk', { untagged: [2, VIP, TUNNEL_VIP], 'VLAN 10': [2, VIP], 'VLAN 20': [2] }),
  ...plug(hosts.client, 'eth0', { untagged: [9] }), ...plug(hosts.client10, 'eth0', { 'VLAN 10': [9] }),
  ...plug(hosts.server, 'eth0', { untagged: [21] }), ...plug(hosts.server20, 'eth0', { 'VLAN 20': [21] }),
  ...(Object.keys(UNWRAPPING) as Unwrapping[]).flatMap((name) => [...plug(hosts[name], 'eth0', { untagged: [UNWRAPPING[name]] }), ...unwrap(hosts[name], UNWRAPPING[name])]),
].join('\n'), 'sh', '-e');
for (const key of ['ipv4/ip_forward', 'ipv6/conf/all/forwarding']) setSysctl(`net/${key}`, 1);

/**
 * Returns the commands that join a host to the switch by a veth pair: tags stay in the frame on the wire, checksums are whole, and the port takes and gives
 * the networks named alone (a frame without its tag would be taken by a host all the same).
 */
function plug(netns: Netns | null, device: string, nets: Partial<Record<Net, readonly number[]>>): string[] {
  const port = netns?.name ?? 'balancer';
  const inside = netns === null ? 'ip' : `ip -n ${netns.name}`;
  const wire = 'tx off txvlan off rxvlan off gro on';
  const lines = [`link add ${device} type veth peer name ${port} netns ${hub.name}`, `link set ${device} up`, ...(Object.entries(nets) as [Net, readonly number[]][]).flatMap(([net, numbers]) => {
    const { vlan } = NETS[net];
    const own = vlan === null ? device : `${device}.${vlan}`;
    return [
      ...(vlan === null ? [] : [`link add link ${device} name ${own} type vlan id ${vlan}`, `link set ${own} up`]),
      ...numbers.flatMap((host) => [`address add ${at(net, 4, host)}/24 dev ${own}`, `address add ${at(net, 6, host)}/64 dev ${own} nodad`]),
    ];
  })];
  return [
    `${inside} -batch - <<end\n${lines.join('\n')}\nend`, `ip -n ${hub.name} link set ${port} master switch up`,
    ...Object.keys(nets).flatMap((net) => (net === 'untagged' ? [] : [`bridge -n ${hub.name} vlan add dev ${port} vid ${NETS[net as Net].vlan}`])),
    ...('untagged' in nets ? [] : [`bridge -n ${hub.name} vlan del dev ${port} vid 1`]),
    `${netns === null ? '' : `ip netns exec ${netns.name} `}ethtool -K ${device} ${wire}`, `ip netns exec ${hub.name} ethtool -K ${port} ${wire}`,
  ];
}

/** Returns the commands that make a server of a VIP: devices that unwrap have it, and the host never tells anybody on the LAN. */
function unwrap({ name }: Netns, host: number): string[] {
  const lines = [
    `link add unwrap4 type ipip local ${at('untagged', 4, host)}`, `link add unwrap6 type ip6tnl mode ip6ip6 local ${at('untagged', 6, host)} remote any encaplimit none`,
    ...FAMILIES.flatMap((family) => [`address add ${at('untagged', family, TUNNEL_VIP)}/${family === 4 ? 32 : 128} dev unwrap${family}${family === 4 ? '' : ' nodad'}`, `link set unwrap${family} up`]),
  ];
  return [`ip -n ${name} -batch - <<end\n${lines.join('\n')}\nend`, `ip netns exec ${name} sysctl -qw ${['all.arp_ignore=1', 'all.arp_announce=2', 'all.rp_filter=0', 'unwrap4.rp_filter=0'].map((s) => `net.ipv4.conf.${s}`).join(' ')}`];
}

let engineEvents: EngineEvent[] = [];
const engine = await createXdpEngine({ onEvent: (event) => engineEvents.push(event), sessions: 1 << 12 });
scope.defer(() => engine.close('remove'));

async function apply(...directors: readonly DesiredDirector[]): Promise<void> {
  engineEvents = [];
  assert.deepEqual(engine.unsupported(desired(directors)), []);
  await engine.apply(planOf(desired(directors), await engine.observe()));
}

async function open(netns: Netns, { ip, port }: Peer['at'], behaviour: Behaviour): Promise<Peer> {
  const peer = await openPeer(netns, netns.name, ip, port, behaviour);
  scope.defer(() => peer.close());
  return peer;
}

/** Sends `text`, takes the answer `tag:text` from where it was sent to, and returns the tag. */
async function ask(client: Peer, to: Peer['at'], text: string): Promise<string> {
  await client.send(text, to);
  const { from, text: answer } = await client.inbox.take((d) => d.text.endsWith(`:${text}`));
  assert.deepEqual(from, to, 'the answer is from the VIP');
  return answer.slice(0, -text.length - 1);
}

test('clients and servers behind VLANs of one trunk, or behind none, reach each other by IPv4 and IPv6, in fragments too', { timeout: 90_000 }, async () => {
  const directors: DesiredDirector[] = [];
  const asks: { readonly client: Peer; readonly to: Peer['at']; readonly tag: string }[] = [];
  for (const family of FAMILIES) {
    for (const [i, back] of (['untagged', 'VLAN 20'] as const).entries()) {
      const peer = await open(back === 'untagged' ? hosts.server : hosts.server20, { ip: address(at(back, family, 21)), port: 9000 }, { tag: `${back} ${family}` });
      const source = address(at(back, family, 2));
      const sourceNat: SourceNat = { rule: 'page', addresses: { first: source, last: source }, ports: null };
      for (const front of ['untagged', 'VLAN 10'] as const) {
        const to = { ip: address(at(front, family, VIP)), port: 8000 + i };
        directors.push(director(to, [server('s', peer.at)], { name: `${front} to ${back} ${family}`, sourceNat }));
        const client = await open(front === 'untagged' ? hosts.client : hosts.client10, { ip: address(at(front, family, 9)), port: 0 }, 'silent');
        asks.push({ client, to, tag: `${back} ${family}` });
      }
    }
  }
  await apply(...directors);
  assert.equal((await engine.read()).gauges['interfaces'], 1, 'the program runs on the trunk alone');
  for (const { client, to, tag } of asks) {
    assert.equal(await ask(client, to, 'short'), tag);
    assert.equal(await ask(client, to, 'l'.repeat(LONG)), tag);
  }
  const { directors: read, gauges, drops } = await engine.read();
  assert.deepEqual(read.map((d) => [d.packetsIn, d.packetsOut, d.sessionsCreated]), directors.map(() => [2, 2, 1]));
  assert.deepEqual([...read.flatMap((d) => Object.entries(d.drops)), ...Object.entries(drops)].filter(([, n]) => n > 0), []);
  assert.equal(gauges['fragments_followed'], asks.length * 2 * 2);
  assert.deepEqual(engineEvents, []);
});

test('mode tunnel: servers that unwrap see the client itself and answer from the VIP, past the balancer', { timeout: 90_000 }, async () => {
  const names = Object.keys(UNWRAPPING) as Unwrapping[];
  const vip = (family: Family): Peer['at'] => ({ ip: address(at('untagged', family, TUNNEL_VIP)), port: 8100 });
  const servers = new Map<string, Peer>();
  for (const family of FAMILIES) for (const name of names) servers.set(`${name}${family}`, await open(hosts[name], vip(family), { tag: `${name}${family}` }));
  await apply(...FAMILIES.map((family) => director(vip(family), names.map((name) => server(name, { ip: address(at('untagged', family, UNWRAPPING[name])), port: 0 })), { name: `IPv${family}`, mode: 'tunnel', balance: 'roundrobin' })));
  const mac = sh('cat', '/sys/class/net/trunk/address').trim();
  for (const family of FAMILIES) {
    const homes: string[] = [];
    for (let i = 0; i < 4; i++) {
      const client = await open(hosts.client, { ip: address(at('untagged', family, 9)), port: 0 }, 'silent');
      const home = await ask(client, vip(family), `first ${i}`);
      assert.equal(await ask(client, vip(family), 'again'), home, 'its session stays');
      assert.equal(await ask(client, vip(family), String(i).repeat(1000)), home);
      const seen = await servers.get(home)?.inbox.take(({ text }) => text === `first ${i}`);
      assert.deepEqual(seen?.from, client.at, 'the server saw the client itself');
      homes.push(home);
    }
    assert.deepEqual(names.map((name) => homes.filter((home) => home === `${name}${family}`).length), [2, 2]);
    assert.match(sh('ip', '-n', hosts.client.name, 'neigh', 'show', vip(family).ip.text), new RegExp(`lladdr ${mac} `), 'the client knows the VIP by the balancer');
    // 1500 bytes with their headers, more in the tunnel: the client is told (RFC 1191, RFC 4443), and its kernel cuts what follows.
    const client = await open(hosts.client, { ip: address(at('untagged', family, 9)), port: 0 }, 'silent');
    await client.send('x'.repeat(FULL[family]), vip(family));
    await ask(client, vip(family), 'a moment later');
    await ask(client, vip(family), 'y'.repeat(FULL[family]));
  }
  const { directors: read, drops } = await engine.read();
  assert.deepEqual(read.map((d) => [d.packetsIn, d.packetsOut, d.sessionsCreated, d.servers.map((s) => s.unanswered), d.drops.too_big]), FAMILIES.map(() => [15, 0, 5, [0, 0], 1]));
  assert.deepEqual([...read.flatMap((d) => Object.entries(d.drops).filter(([name]) => name !== 'too_big')), ...Object.entries(drops)].filter(([, n]) => n > 0), []);
  assert.deepEqual(engineEvents, []);
});
