/**
 * The xdp engine with devices that only a stock kernel has: 802.1Q interfaces, and servers that unwrap IPIP and IPv6 in IPv6. The balancer is the
 * guest itself, on one trunk that carries three networks; clients and servers are network namespaces behind a bridge.
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
import type { Peer } from '../contract/world.ts';
import { Scope } from '../fixtures/scope.ts';
import { address, setSysctl } from './hosts.ts';
import { createNetns, sh, shInput, type Netns } from './netns.ts';
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
/** Two fragments more than the first. */
const LONG = 4000;

const at = (net: Net, family: Family, host: number): string => `${NETS[net][family]}${host}`;

const scope = new Scope();
after(() => scope.end());
mkdirSync('/run/netns', { recursive: true });
setSysctl('net/core/rmem_max', 8 << 20);
const add = (name: string): Netns => {
  const netns = createNetns(name);
  scope.defer(() => netns.close());
  return netns;
};
const hub = add('hub');
const hosts = { client: add('client'), server: add('server'), u1: add('u1'), u2: add('u2') };
sh('ip', '-n', hub.name, 'link', 'add', 'switch', 'type', 'bridge');
sh('ip', '-n', hub.name, 'link', 'set', 'switch', 'up');
scope.defer(() => void sh('ip', 'link', 'delete', 'trunk'));
plug(null, 'trunk', { untagged: [2, VIP, TUNNEL_VIP], 'VLAN 10': [2, VIP], 'VLAN 20': [2] });
plug(hosts.client, 'eth0', { untagged: [9], 'VLAN 10': [9] });
plug(hosts.server, 'eth0', { untagged: [21], 'VLAN 20': [21] });
for (const [name, host] of Object.entries(UNWRAPPING)) plug(hosts[name as 'u1'], 'eth0', { untagged: [host] });
for (const key of ['ipv4/ip_forward', 'ipv6/conf/all/forwarding']) setSysctl(`net/${key}`, 1);

/** Joins a host to the switch by a veth pair: tags stay in the frame on the wire, and checksums are whole. */
function plug(netns: Netns | null, device: string, nets: Partial<Record<Net, readonly number[]>>): void {
  const inside = netns === null ? [] : ['-n', netns.name];
  const port = netns?.name ?? 'balancer';
  const wire = (...argv: string[]): string => (netns === null ? sh(argv[0], ...argv.slice(1)) : netns.run(argv[0], ...argv.slice(1)));
  shInput(`link add ${device} type veth peer name ${port} netns ${hub.name}\nlink set ${device} up\n`, 'ip', ...inside, '-batch', '-');
  sh('ip', '-n', hub.name, 'link', 'set', port, 'master', 'switch', 'up');
  for (const setting of ['tx', 'txvlan', 'rxvlan']) {
    wire('ethtool', '-K', device, setting, 'off');
    hub.run('ethtool', '-K', port, setting, 'off');
  }
  wire('ethtool', '-K', device, 'gro', 'on');
  hub.run('ethtool', '-K', port, 'gro', 'on');
  shInput((Object.entries(nets) as [Net, readonly number[]][]).flatMap(([net, numbers]) => {
    const { vlan } = NETS[net];
    const own = vlan === null ? device : `${device}.${vlan}`;
    return [
      ...(vlan === null ? [] : [`link add link ${device} name ${own} type vlan id ${vlan}`, `link set ${own} up`]),
      ...numbers.flatMap((host) => [`address add ${at(net, 4, host)}/24 dev ${own}`, `address add ${at(net, 6, host)}/64 dev ${own} nodad`]),
    ];
  }).join('\n'), 'ip', ...inside, '-batch', '-');
}

let engineEvents: EngineEvent[] = [];
const engine = await createXdpEngine({ onEvent: (event) => engineEvents.push(event), sessions: 1 << 12 });
scope.defer(() => engine.close('remove'));

async function apply(...directors: readonly DesiredDirector[]): Promise<void> {
  engineEvents = [];
  assert.deepEqual(engine.unsupported(desired(directors)), []);
  await engine.apply(planOf(desired(directors), await engine.observe()));
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
      const peer = await openPeer(hosts.server, back, address(at(back, family, 21)), 9000, { tag: `${back} ${family}` });
      scope.defer(() => peer.close());
      const source = address(at(back, family, 2));
      const sourceNat: SourceNat = { rule: 'page', addresses: { first: source, last: source }, ports: null };
      for (const front of ['untagged', 'VLAN 10'] as const) {
        const to = { ip: address(at(front, family, VIP)), port: 8000 + i };
        directors.push(director(to, [server('s', peer.at)], { name: `${front} to ${back} ${family}`, sourceNat }));
        const client = await openPeer(hosts.client, front, address(at(front, family, 9)), 0, 'silent');
        scope.defer(() => client.close());
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

for (const family of FAMILIES) {
  test(`mode tunnel, IPv${family}: servers that unwrap see the client itself and answer from the VIP, past the balancer`, { timeout: 90_000 }, async () => {
    const to = { ip: address(at('untagged', family, TUNNEL_VIP)), port: 8100 };
    const servers: Peer[] = [];
    for (const [name, host] of Object.entries(UNWRAPPING)) {
      const netns = hosts[name as 'u1'];
      unwrap(netns, family, at('untagged', family, host), to.ip.text);
      const peer = await openPeer(netns, name, to.ip, to.port, { tag: name });
      scope.defer(() => peer.close());
      servers.push(peer);
    }
    await apply(director(to, Object.entries(UNWRAPPING).map(([name, host]) => server(name, { ip: address(at('untagged', family, host)), port: 0 })), { mode: 'tunnel', balance: 'roundrobin' }));
    const homes: string[] = [];
    for (let i = 0; i < 4; i++) {
      const client = await openPeer(hosts.client, 'client', address(at('untagged', family, 9)), 0, 'silent');
      scope.defer(() => client.close());
      const home = await ask(client, to, `first ${i}`);
      assert.equal(await ask(client, to, 'again'), home, 'its session stays');
      assert.equal(await ask(client, to, String(i).repeat(1000)), home);
      const seen = await servers[Object.keys(UNWRAPPING).indexOf(home)].inbox.take(({ text }) => text === `first ${i}`);
      assert.deepEqual(seen.from, client.at, 'the server saw the client itself');
      homes.push(home);
    }
    assert.deepEqual(Object.keys(UNWRAPPING).map((name) => homes.filter((home) => home === name).length), [2, 2]);
    const { directors: [read], drops } = await engine.read();
    assert.deepEqual([read?.packetsIn, read?.packetsOut, read?.sessionsCreated, read?.servers.map((s) => s.unanswered)], [12, 0, 4, [0, 0]]);
    assert.deepEqual([...Object.entries(read?.drops ?? {}), ...Object.entries(drops)].filter(([, n]) => n > 0), []);
    const mac = sh('cat', '/sys/class/net/trunk/address').trim();
    assert.match(sh('ip', '-n', hosts.client.name, 'neigh', 'show', to.ip.text), new RegExp(`lladdr ${mac} `), 'the client knows the VIP by the balancer');
    assert.deepEqual(engineEvents, []);
  });
}

/** As a server of a VIP is set up: a device that unwraps has it, and the host never tells anybody on the LAN. */
function unwrap(netns: Netns, family: Family, local: string, vip: string): void {
  const device = `unwrap${family}`;
  if (family === 4) for (const setting of ['arp_ignore=1', 'arp_announce=2', 'rp_filter=0']) netns.run('sysctl', '-qw', `net.ipv4.conf.all.${setting}`);
  shInput([
    family === 4 ? `link add ${device} type ipip local ${local}` : `link add ${device} type ip6tnl mode ip6ip6 local ${local} remote any encaplimit none`,
    `address add ${vip}/${family === 4 ? 32 : 128} dev ${device}${family === 6 ? ' nodad' : ''}`, `link set ${device} up`,
  ].join('\n'), 'ip', '-n', netns.name, '-batch', '-');
  if (family === 4) netns.run('sysctl', '-qw', `net.ipv4.conf.${device}.rp_filter=0`);
}
