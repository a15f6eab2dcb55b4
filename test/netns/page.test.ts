/**
 * The ALOHA page's own example on real hosts: a client, a balancer with one interface or two, three servers.
 *
 *   one interface    LAN 192.0.2.0/24: client .9, balancer .2 with the VIP .3, servers .21 .22 .23
 *   two interfaces   front 192.0.2.0/24: client .9, balancer .2 with the VIP .3
 *                    back 198.51.100.0/24: balancer .2, servers .21 .22 .23, which reach the front through the balancer
 *
 * The userspace engine sends with the balancer's own address; with the page's NAT rule (and `conntrack`) the servers see the VIP.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Peer } from '../contract/world.ts';
import { until } from '../contract/mailbox.ts';
import { openHost } from '../fixtures/host.ts';
import { makeNetwork, testNamespaces, type HostPlan } from '../fixtures/network.ts';
import { needs } from '../fixtures/needs.ts';
import { withScope, type Scope } from '../fixtures/scope.ts';
import { startWeir } from '../fixtures/weir.ts';
import { hostPortText } from '../../src/net/endpoint.ts';
import { parseIp } from '../../src/net/ip.ts';

const VIP = '192.0.2.3';
const SERVERS = ['srv1', 'srv2', 'srv3'] as const;

interface Shape {
  readonly name: string;
  readonly back: string;
  readonly outIface: string;
  readonly hosts: readonly HostPlan[];
}

const CLIENT: HostPlan = { name: 'client', ports: [{ device: 'eth0', lan: 'front', addresses: ['192.0.2.9/24'] }] };
const FRONT = { device: 'eth0', lan: 'front', addresses: ['192.0.2.2/24', `${VIP}/24`] };

const SHAPES: readonly Shape[] = [
  {
    name: 'one interface', back: '192.0.2', outIface: 'eth0',
    hosts: [CLIENT, { name: 'balancer', ports: [FRONT] }, ...SERVERS.map((name, i) => ({ name, ports: [{ device: 'eth0', lan: 'front', addresses: [`192.0.2.${21 + i}/24`] }] }))],
  },
  {
    name: 'two interfaces', back: '198.51.100', outIface: 'eth1',
    hosts: [
      CLIENT, { name: 'balancer', ports: [FRONT, { device: 'eth1', lan: 'back', addresses: ['198.51.100.2/24'] }] },
      ...SERVERS.map((name, i) => ({ name, ports: [{ device: 'eth0', lan: 'back', addresses: [`198.51.100.${21 + i}/24`] }], routes: ['default via 198.51.100.2'] })),
    ],
  },
];

function conf(shape: Shape, nat: boolean): string {
  return `director web ${VIP}:8000 UDP
    balance leastconn
    mode nat
    check interval 1s timeout 500ms
${SERVERS.map((name, i) => `    server ${name} ${shape.back}.${21 + i}:8000 weight 10 check\n`).join('')}
${nat ? `nat page
    in eth0 out ${shape.outIface} protocol udp
    before destination ${VIP} dport 8000
    after source ${VIP}
service lvs
    conntrack
` : ''}`;
}

/** Sends one datagram from each client; every reply comes from the VIP. Returns which server answered each, and the addresses servers saw. */
async function askAll(clients: readonly Peer[], servers: readonly Peer[], word: string): Promise<{ readonly answers: string[]; readonly seen: Set<string> }> {
  const vip = { ip: parseIp(VIP)!, port: 8000 };
  const answers: string[] = [];
  // One after the other: two packet workers that choose at the same instant may both take the server that has the fewest.
  for (const [i, client] of clients.entries()) {
    await client.send(`${word} ${i}`, vip);
    const { text, from } = await client.inbox.take();
    assert.equal(hostPortText(from.ip, from.port), `${VIP}:8000`, 'the reply leaves from the VIP');
    assert.match(text, new RegExp(`^srv\\d:${word} ${i}$`), 'each client gets the answer to its own datagram');
    answers.push(text.slice(0, 4));
  }
  const seen = await Promise.all(answers.map((name, i) => servers[SERVERS.indexOf(name as 'srv1')].inbox.take(({ text }) => text === `${word} ${i}`)));
  return { answers, seen: new Set(seen.map(({ from }) => from.ip.text)) };
}

async function serversOf(scope: Scope, shape: Shape, network: ReturnType<typeof makeNetwork>): Promise<Peer[]> {
  return Promise.all(SERVERS.map(async (name, i) => (await openHost(scope, network.on(name))).open({ ip: `${shape.back}.${21 + i}`, port: 8000, behaviour: { tag: name } })));
}

for (const shape of SHAPES) {
  test(`${shape.name}: three servers share the clients, replies come from the VIP, and a NAT rule shows the servers the VIP`, needs('ip'), () => withScope(async (scope) => {
    const network = makeNetwork(scope, shape.hosts);
    const servers = await serversOf(scope, shape, network);
    const host = await openHost(scope, network.on('client'));
    const clients = await Promise.all(Array.from({ length: 9 }, () => host.open({ ip: '192.0.2.9' })));
    const weir = await startWeir(scope, { prefix: network.on('balancer'), conf: conf(shape, false) });
    await until('the checks of all three pass', () => weir.client.status(), (status) => status.directors[0].servers.every(({ state }) => state === 'up'));

    const first = await askAll(clients, servers, 'hello');
    assert.deepEqual(SERVERS.map((name) => first.answers.filter((answer) => answer === name).length), [3, 3, 3], first.answers.join(' '));
    assert.deepEqual([...first.seen], [`${shape.back}.2`], 'without a rule servers see the balancer');
    assert.deepEqual((await askAll(clients, servers, 'again')).answers, first.answers, 'sessions stay where they are');

    const done = await weir.cli('apply', await weir.file('page.conf', conf(shape, true)));
    assert.equal(done.code, 0, done.output);
    const newcomers = await Promise.all(Array.from({ length: 9 }, () => host.open({ ip: '192.0.2.9' })));
    const after = await askAll(newcomers, servers, 'new');
    assert.deepEqual(new Set(after.answers), new Set(SERVERS));
    assert.deepEqual([...after.seen], [VIP], 'with the rule servers see the VIP');
    const { packetsIn, packetsOut, drops } = (await weir.counted()).directors[0];
    assert.deepEqual([packetsIn, packetsOut, Object.values(drops).reduce((sum, n) => sum + n, 0)], [27, 27, 0]);
    assert.match((await weir.cli('nat')).output, /^page +engine: web +9 +18$/m, 'the rule counts what it took, not what came before');
  }));
}

test('no namespace is left', needs('ip'), () => assert.deepEqual(testNamespaces(), []));
