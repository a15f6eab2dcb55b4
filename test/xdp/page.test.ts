/**
 * The ALOHA page's own example with its addresses, on the xdp engine, the whole program: `director web 10.0.0.3:8000 UDP`, leastconn, nat, servers with checks;
 * a source NAT rule; `conntrack`. Clients are plain sockets and dig, servers plain sockets and dnsmasq.
 *
 *   one interface    LAN 10.0.0.0/24: client .9, balancer .2 with the VIP .3, servers .20 .21
 *   two interfaces   front 10.0.0.0/24: client .9, balancer .2 with the VIP .3; back 10.0.1.0/24: balancer .2, servers .20 .21
 *
 * Frames cross veth pairs as they would a wire: with whole checksums, and with GRO on where an XDP program sends to.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostPortText } from '../../src/net/endpoint.ts';
import { parseIp } from '../../src/net/ip.ts';
import { until } from '../contract/mailbox.ts';
import type { Peer } from '../contract/world.ts';
import { startDnsmasq, WHO } from '../fixtures/dns.ts';
import { openHost } from '../fixtures/host.ts';
import { needs } from '../fixtures/needs.ts';
import { makeNetwork, type HostPlan, type Network } from '../fixtures/network.ts';
import { withScope, type Scope } from '../fixtures/scope.ts';
import { startWeir } from '../fixtures/weir.ts';
import { wire } from './site.ts';

const VIP = '10.0.0.3';
const SERVERS = ['web1', 'web2'] as const;
const CLIENT: HostPlan = { name: 'client', ports: [{ device: 'eth0', lan: 'front', addresses: ['10.0.0.9/24'] }] };
const FRONT = { device: 'eth0', lan: 'front', addresses: ['10.0.0.2/24', `${VIP}/24`] };

interface Shape {
  readonly name: string;
  readonly back: string;
  readonly out: string;
  readonly hosts: readonly HostPlan[];
}

const SHAPES: readonly Shape[] = [
  {
    name: 'one interface', back: '10.0.0', out: 'eth0',
    hosts: [CLIENT, { name: 'balancer', ports: [FRONT] }, ...SERVERS.map((name, i) => ({ name, ports: [{ device: 'eth0', lan: 'front', addresses: [`10.0.0.${20 + i}/24`] }] }))],
  },
  {
    name: 'two interfaces', back: '10.0.1', out: 'eth1',
    hosts: [
      CLIENT, { name: 'balancer', ports: [FRONT, { device: 'eth1', lan: 'back', addresses: ['10.0.1.2/24'] }] },
      ...SERVERS.map((name, i) => ({ name, ports: [{ device: 'eth0', lan: 'back', addresses: [`10.0.1.${20 + i}/24`] }], routes: ['default via 10.0.1.2'] })),
    ],
  },
];

function conf({ back, out }: Shape): string {
  const director = (name: string, port: number): string => `director ${name} ${VIP}:${port} UDP
    balance leastconn
    mode nat
    check interval 1s timeout 500ms
${SERVERS.map((server, i) => `    server ${server} ${back}.${20 + i}:${port} weight 10 check\n`).join('')}`;
  return `${director('web', 8000)}${director('dns', 53)}nat page
    in eth0 out ${out} protocol udp
    before destination ${VIP}
    after source ${VIP}
service lvs
    conntrack
`;
}

async function serversOf(scope: Scope, shape: Shape, network: Network): Promise<Peer[]> {
  return Promise.all(SERVERS.map(async (name, i) => {
    await startDnsmasq(scope, { name, ip: `${shape.back}.${20 + i}`, port: 53, prefix: network.on(name) });
    return (await openHost(scope, network.on(name))).open({ ip: `${shape.back}.${20 + i}`, port: 8000, behaviour: { tag: name } });
  }));
}

for (const shape of SHAPES) {
  test(`${shape.name}: clients are shared, every answer comes from the VIP, the servers saw the VIP, and dig is answered by both`, needs('ip', 'ethtool', 'dig', 'dnsmasq'), () => withScope(async (scope) => {
    const network = makeNetwork(scope, shape.hosts);
    wire(network, shape.hosts);
    network.run('balancer', 'sysctl', '-qw', 'net.ipv4.ip_forward=1');
    const servers = await serversOf(scope, shape, network);
    const host = await openHost(scope, network.on('client'));
    const clients = await Promise.all(Array.from({ length: 8 }, () => host.open({ ip: '10.0.0.9' })));
    const weir = await startWeir(scope, { prefix: network.on('balancer'), conf: conf(shape), engine: 'xdp' });
    await until('the checks pass', () => weir.client.status(), (status) => status.directors.every((d) => d.servers.every(({ state }) => state === 'up')));
    const { engine } = await weir.client.status();
    assert.equal(engine.name, 'xdp');

    const vip = { ip: parseIp(VIP)!, port: 8000 };
    const answers = await Promise.all(clients.map(async (client, i) => {
      await client.send(`hello ${i}`, vip);
      const { text, from } = await client.inbox.take();
      assert.equal(hostPortText(from.ip, from.port), `${VIP}:8000`);
      assert.match(text, new RegExp(`^web[12]:hello ${i}$`));
      return text.slice(0, 4);
    }));
    assert.deepEqual(SERVERS.map((name) => answers.filter((answer) => answer === name).length), [4, 4]);
    const seen = await Promise.all(answers.map((name, i) => servers[SERVERS.indexOf(name as 'web1')].inbox.take(({ text }) => text === `hello ${i}`)));
    assert.deepEqual([...new Set(seen.map(({ from }) => from.ip.text))], [VIP]);

    const dug = new Set(Array.from({ length: 6 }, () => network.run('client', 'dig', '+short', '+tries=1', '+time=2', 'TXT', WHO, `@${VIP}`).trim().replaceAll('"', '')));
    assert.deepEqual([...dug].toSorted(), [...SERVERS]);

    const { directors } = await weir.counted();
    const web = directors.find((d) => d.name === 'web');
    assert.deepEqual([web?.packetsIn, web?.packetsOut, Object.values(web?.drops ?? {}).reduce((sum, n) => sum + n, 0)], [8, 8, 0]);
    const explained = await weir.cli('explain', hostPortText(clients[0].at.ip, clients[0].at.port), `${VIP}:8000`);
    assert.match(explained.output, new RegExp(answers[0]), explained.output);
  }));
}
