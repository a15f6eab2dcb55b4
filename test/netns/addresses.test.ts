/**
 * Several addresses, both families, datagrams larger than the wire.
 *
 *   client   192.0.2.9, 2001:db8:1::9                        front 192.0.2.0/24, 2001:db8:1::/64
 *   balancer 192.0.2.2 .3 .4, 2001:db8:1::2 ::3 ::4 on eth0, 198.51.100.2, 2001:db8:2::2 on eth1
 *   servers  198.51.100.21, 2001:db8:2::21                   back 198.51.100.0/24, 2001:db8:2::/64
 *
 * Every interface has the usual MTU of 1500, so a datagram above 1472 bytes (1452 with IPv6) travels as fragments.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Peer } from '../contract/world.ts';
import { openHost, type Host } from '../fixtures/host.ts';
import { makeNetwork, testNamespaces, type HostPlan, type Network } from '../fixtures/network.ts';
import { needs } from '../fixtures/needs.ts';
import { Scope } from '../fixtures/scope.ts';
import { startWeir, type Weir } from '../fixtures/weir.ts';
import { hostPortText, parseEndpoint, type Endpoint } from '../../src/net/endpoint.ts';

const HOSTS: readonly HostPlan[] = [
  { name: 'client', ports: [{ device: 'eth0', lan: 'front', addresses: ['192.0.2.9/24', '2001:db8:1::9/64'] }] },
  {
    name: 'balancer', ports: [
      { device: 'eth0', lan: 'front', addresses: ['192.0.2.2/24', '192.0.2.3/24', '192.0.2.4/24', '2001:db8:1::2/64', '2001:db8:1::3/64', '2001:db8:1::4/64'] },
      { device: 'eth1', lan: 'back', addresses: ['198.51.100.2/24', '2001:db8:2::2/64'] },
    ],
  },
  { name: 'server', ports: [{ device: 'eth0', lan: 'back', addresses: ['198.51.100.21/24', '2001:db8:2::21/64'] }] },
];

const CONF = `director four 192.0.2.3:7000 UDP
    server a 198.51.100.21:7001
director four-other 192.0.2.4:7000 UDP
    server b 198.51.100.21:7002
director six [2001:db8:1::3]:7000 UDP
    server c [2001:db8:2::21]:7003
director six-to-four [2001:db8:1::4]:7000 UDP
    server a 198.51.100.21:7001
director four-to-six 192.0.2.2:7000 UDP
    server c [2001:db8:2::21]:7003
director every4 0.0.0.0:7100 UDP
    server b 198.51.100.21:7002
director every6 [::]:7100 UDP
    server b 198.51.100.21:7002
`;

const options = needs('ip');
const scope = new Scope();
let network: Network;
let clients: Host;
let weir: Weir;

before(async () => {
  if (options.skip !== false) return;
  network = makeNetwork(scope, HOSTS);
  const server = await openHost(scope, network.on('server'));
  await server.open({ ip: '198.51.100.21', port: 7001, behaviour: 'echo' });
  await server.open({ ip: '198.51.100.21', port: 7002, behaviour: { tag: 'b' } });
  await server.open({ ip: '2001:db8:2::21', port: 7003, behaviour: 'echo' });
  clients = await openHost(scope, network.on('client'));
  weir = await startWeir(scope, { prefix: network.on('balancer'), conf: CONF });
});

after(async () => {
  await scope.end();
  assert.deepEqual(testNamespaces(), []);
});

function endpoint(text: string): Endpoint {
  const parsed = parseEndpoint(text);
  assert.ok(parsed, text);
  return parsed;
}

const clientOf = (vip: Endpoint): Promise<Peer> => clients.open({ ip: vip.ip.family === 4 ? '192.0.2.9' : '2001:db8:1::9' });

/** Sends and returns the answer, which came from the address that was hit. */
async function ask(client: Peer, vip: Endpoint, data: Uint8Array): Promise<Buffer> {
  await client.send(data, vip);
  const answer = await client.inbox.take();
  assert.equal(hostPortText(answer.from.ip, answer.from.port), hostPortText(vip.ip, vip.port), 'the reply leaves from the address that was hit');
  return answer.data;
}

/** Bytes that differ from place to place and from size to size: a fragment out of place shows. */
function pattern(size: number): Buffer {
  const data = Buffer.alloc(size);
  for (let i = 0; i < size; i++) data[i] = (i * 31 + (i >> 8) * 7 + size) & 255;
  return data;
}

/** Returns a counter of the IP layer on a host: datagrams put together from fragments. */
function reassembled(host: string, family: 4 | 6): number {
  if (family === 6) return Number(/^Ip6ReasmOKs\s+(\d+)/m.exec(network.run(host, 'cat', '/proc/net/snmp6'))?.[1]);
  const [names = '', values = ''] = network.run(host, 'cat', '/proc/net/snmp').split('\n');
  return Number(values.split(' ')[names.split(' ').indexOf('ReasmOKs')]);
}

for (const [vip, family, largest] of [['192.0.2.3:7000', 4, 65_507], ['[2001:db8:1::3]:7000', 6, 65_507]] as const) {
  test(`datagrams above the MTU pass IPv${family} whole, both ways`, options, async () => {
    const to = endpoint(vip);
    const client = await clientOf(to);
    const hosts = ['client', 'balancer', 'server'] as const;
    const earlier = hosts.map((host) => reassembled(host, family));
    const sizes = [1, 1452, 1453, 1472, 1473, 8192, largest];
    for (const size of sizes) {
      const answer = await ask(client, to, pattern(size));
      assert.equal(answer.length, size);
      assert.ok(answer.equals(pattern(size)), `${size} bytes arrive as they were sent`);
    }
    const large = sizes.filter((size) => size > (family === 4 ? 1472 : 1452)).length;
    const later = hosts.map((host) => reassembled(host, family));
    // The balancer gets each one in fragments from the client and again from the server.
    assert.deepEqual(later.map((n, i) => n - earlier[i]), [large, 2 * large, large], 'they really were fragments');
  });
}

test('several VIPs on one port are several directors, and the families mix', options, async () => {
  for (const [vip, answer] of [['192.0.2.3:7000', 'x'], ['192.0.2.4:7000', 'b:x'], ['[2001:db8:1::3]:7000', 'x'], ['[2001:db8:1::4]:7000', 'x'], ['192.0.2.2:7000', 'x']] as const) {
    const to = endpoint(vip);
    assert.equal((await ask(await clientOf(to), to, Buffer.from('x'))).toString(), answer, vip);
  }
});

test('a wildcard VIP answers from whichever of the host\'s addresses was hit, for one client at once', options, async () => {
  for (const addresses of [['192.0.2.2', '192.0.2.3', '192.0.2.4'], ['[2001:db8:1::2]', '[2001:db8:1::3]', '[2001:db8:1::4]']]) {
    const vips = addresses.map((address) => endpoint(`${address}:7100`));
    const client = await clientOf(vips[0]);
    for (const round of ['1', '2']) {
      for (const vip of vips) assert.equal((await ask(client, vip, Buffer.from(`${round}${vip.ip.text}`))).toString(), `b:${round}${vip.ip.text}`);
    }
  }
  const { sessions } = await weir.client.sessions({ director: 'every4' });
  assert.deepEqual(sessions.map(({ vip }) => vip).toSorted(), ['192.0.2.2:7100', '192.0.2.3:7100', '192.0.2.4:7100'], 'sessions tell the address that was hit');
});

test('nothing was dropped on the way', options, async () => {
  for (const { name, drops, packetsIn, packetsOut } of (await weir.counted()).directors) {
    assert.deepEqual(Object.entries(drops).filter(([, count]) => count > 0), [], name);
    assert.equal(packetsIn, packetsOut, name);
  }
});
