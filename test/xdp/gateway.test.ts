/**
 * `mode gateway` with real hosts: servers that have the VIP on lo and never tell anybody get the client's own datagram and answer it past the
 * balancer, by the router of their LAN. The client is behind that router, which asks for the VIP's MAC address as any router does.
 *
 *   outside 203.0.113.0/24: client .9, router .1      front 192.0.2.0/24: router .1, balancer .2 with the VIPs .3 and .4, servers .21 .22
 */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from '../contract/mailbox.ts';
import type { Peer } from '../contract/world.ts';
import { openHost } from '../fixtures/host.ts';
import { needs } from '../fixtures/needs.ts';
import type { HostPlan, Network } from '../fixtures/network.ts';
import { start, succeed, temporaryDirectory } from '../fixtures/process.ts';
import { withScope, type Scope } from '../fixtures/scope.ts';
import { startWeir } from '../fixtures/weir.ts';
import { capture } from './capture.ts';
import { listening } from './programs.ts';
import { at, both, endpoint, FAMILIES, makeSite, SERVERS, written, type Family, type Server } from './site.ts';

const OUTSIDE: Readonly<Record<Family, string>> = { 4: '203.0.113.', 6: '2001:db8:9::' };
const outside = (...hosts: readonly number[]): string[] => hosts.flatMap((host) => [`${OUTSIDE[4]}${host}/24`, `${OUTSIDE[6]}${host}/64`]);
const byRouter = FAMILIES.map((family) => `default via ${at('front', family, 1)}`);
const HOSTS: readonly HostPlan[] = [
  { name: 'client', ports: [{ device: 'eth0', lan: 'outside', addresses: outside(9) }], routes: FAMILIES.map((family) => `default via ${OUTSIDE[family]}1`) },
  { name: 'router', ports: [{ device: 'eth0', lan: 'outside', addresses: outside(1) }, { device: 'eth1', lan: 'front', addresses: both('front', 1) }] },
  { name: 'balancer', ports: [{ device: 'eth0', lan: 'front', addresses: both('front', 2, 3, 4) }], routes: byRouter },
  ...SERVERS.map((name, i) => ({ name, ports: [{ device: 'eth0', lan: 'front', addresses: both('front', 21 + i) }], routes: byRouter })),
];

/**
 * TFTP answers from a port of its own choice: a director of all ports that keeps a client with its server carries it. Checks name their source: by
 * IPv6 the kernel would send them from a VIP, which the servers take for themselves.
 */
const CONF = `${FAMILIES.map((family) => `director web${family} ${written(at('front', family, 3), 8000)} UDP
    balance roundrobin
    mode gateway
    check interval 1s timeout 500ms source ${at('front', family, 2)}
    option icmpcheck
${SERVERS.map((name, i) => `    server ${name} ${at('front', family, 21 + i)} check\n`).join('')}
director tftp${family} ${at('front', family, 4)} UDP
    balance source
    mode gateway
${SERVERS.map((name, i) => `    server ${name} ${at('front', family, 21 + i)}\n`).join('')}`).join('\n')}
service lvs
    engine xdp
`;

/** As servers of a VIP are set up: it is theirs, and they never tell anybody on the LAN. */
function ownVips(network: Network, name: Server): void {
  network.run(name, 'sysctl', '-qw', 'net.ipv4.conf.all.arp_ignore=1', 'net.ipv4.conf.all.arp_announce=2');
  for (const family of FAMILIES) for (const host of [3, 4]) network.run(name, 'ip', 'address', 'add', `${at('front', family, host)}/${family === 4 ? 32 : 128}`, 'dev', 'lo');
}

/** tftpd-hpa, which takes files and answers each request from a port of its own. Returns its directory. */
async function startTftpd(scope: Scope, network: Network, name: Server): Promise<string> {
  const root = await temporaryDirectory(scope);
  await Promise.all(FAMILIES.map((family) => start(scope, [...network.on(name), 'in.tftpd', '-L', '-c', '-p', '-u', 'root', '-U', '0022', '-a', written(at('front', family, 4), 69), '-s', root], { env: { PATH: `${process.env['PATH'] ?? ''}:/usr/sbin` } })));
  await listening(scope, network.on(name), 69, FAMILIES.length);
  return root;
}

test('servers with the VIP on lo see the client itself and answer past the balancer; sessions and counters say so, and ARP stays right', { ...needs('ip', 'ethtool', 'tcpdump', 'curl', 'in.tftpd'), concurrency: FAMILIES.length }, (all) => withScope(async (scope) => {
  const network = makeSite(scope, HOSTS, ['router']);
  for (const name of SERVERS) ownVips(network, name);
  const roots = new Map(await Promise.all(SERVERS.map(async (name): Promise<[Server, string]> => [name, await startTftpd(scope, network, name)])));
  const peers = new Map<string, Peer>();
  for (const name of SERVERS) {
    const host = await openHost(scope, network.on(name));
    for (const family of FAMILIES) peers.set(`${name} ${family}`, await host.open({ ip: at('front', family, 3), port: 8000, behaviour: { tag: name } }));
  }
  const client = await openHost(scope, network.on('client'));
  const weir = await startWeir(scope, { prefix: network.on('balancer'), conf: CONF, engine: null });
  await until('the checks pass', () => weir.client.status(), ({ directors }) => directors.every((d) => d.servers.every(({ state, checked }) => !checked || state === 'up')));
  const mac = network.run('balancer', 'cat', '/sys/class/net/eth0/address').trim();
  const wire = await capture(scope, network.on('front'), 'balancer0', 'udp or ip[6:2] & 0x1fff != 0 or ip6[6] = 44');

  await Promise.all(FAMILIES.map((family) => all.test(`IPv${family}`, async (t) => {
    const vip = endpoint(at('front', family, 3), 8000);
    const source = `${OUTSIDE[family]}9`;
    await t.test('answers from the VIP, small and in fragments; sessions stay, and a reply is seen of none', async () => {
      const clients = await Promise.all(Array.from({ length: 4 }, () => client.open({ ip: source })));
      const ask = async (peer: Peer, text: string): Promise<string> => {
        await peer.send(text, vip);
        const { from, text: answer } = await peer.inbox.take((d) => d.text.endsWith(`:${text}`));
        assert.deepEqual(from, vip, 'the answer is from the VIP');
        const name = answer.slice(0, -text.length - 1);
        const seen = await peers.get(`${name} ${family}`)?.inbox.take((d) => d.text === text);
        assert.deepEqual(seen?.from, peer.at, 'the server saw the client itself');
        return name;
      };
      const homes: string[] = [];
      for (const [i, peer] of clients.entries()) homes.push(await ask(peer, `first ${i}`));
      assert.deepEqual(SERVERS.map((name) => homes.filter((home) => home === name).length), [2, 2]);
      for (const [i, peer] of clients.entries()) assert.equal(await ask(peer, `again ${i}`), homes[i]);
      for (const [i, peer] of clients.entries()) assert.equal(await ask(peer, `${i}`.repeat(5000)), homes[i]);

      const { directors, blackholes } = await weir.counted();
      const web = directors.find((d) => d.name === `web${family}`);
      assert.ok(web);
      assert.deepEqual([web.packetsIn, web.packetsOut, web.sessions, web.sessionsCreated], [12, 0, 4, 4]);
      assert.deepEqual(Object.entries(web.drops).filter(([, n]) => n > 0), []);
      assert.deepEqual(web.servers.map((server) => [server.packetsIn, server.unanswered, server.state]), [[6, 0, 'up'], [6, 0, 'up']]);
      assert.deepEqual(blackholes, [], 'a server whose answers are not seen is no blackhole here');
      const { sessions } = await weir.client.sessions({ director: `web${family}` });
      assert.deepEqual(sessions.map((s) => [s.packetsIn, s.packetsOut]), clients.map(() => [3, 0]));
      // Nobody tells whether it was answered: it lives as long as one that was.
      assert.ok(sessions.every(({ expiresInMs }) => expiresInMs > 60_000));
    });
    await t.test("the router knows the VIP by the balancer's MAC address alone, however often it asks", async () => {
      const peer = await client.open({ ip: source });
      for (let i = 0; i < 5; i++) {
        network.run('router', 'ip', `-${family}`, 'neigh', 'flush', 'dev', 'eth1');
        await peer.send(`after a flush ${i}`, vip);
        await peer.inbox.take(({ text }) => text.endsWith(`:after a flush ${i}`));
        const known = network.run('router', 'ip', 'neigh', 'show', vip.ip.text, 'dev', 'eth1');
        assert.match(known, new RegExp(`lladdr ${mac} `), known);
      }
    });
    await t.test('TFTP by a director of all ports: files in blocks of 8 and 16 kB, up in fragments through the balancer, down past it', async () => {
      const file = Buffer.alloc(50_000, `a file of IPv${family} `);
      const [up, down] = [join(await temporaryDirectory(scope), `up${family}`), join(await temporaryDirectory(scope), 'down')];
      await writeFile(up, file);
      const url = `tftp://${written(at('front', family, 4))}/up${family}`;
      await succeed(scope, [...network.on('client'), 'curl', '-gsS', '--max-time', '10', '--tftp-blksize', '8192', '-T', up, url]);
      const owners = (await Promise.all([...roots].map(async ([name, root]) => (await readFile(join(root, `up${family}`)).then((got) => got.equals(file), () => false) ? [name] : [])))).flat();
      assert.equal(owners.length, 1, 'one server has the whole file');
      await succeed(scope, [...network.on('client'), 'curl', '-gsS', '--max-time', '10', '--tftp-blksize', '16384', '-o', down, url]);
      assert.ok((await readFile(down)).equals(file), 'it comes back whole');
      const tftp = (await weir.counted()).directors.find((d) => d.name === `tftp${family}`);
      assert.deepEqual([tftp?.packetsOut, tftp?.servers.filter((server) => server.packetsIn > 0).map(({ name }) => name)], [0, owners]);
    });
  })));
  // Beyond the first of a datagram: three of each long one, five of each full block that was sent.
  assert.equal((await weir.counted()).engine.gauges['fragments_followed'], FAMILIES.length * (4 * 3 + 6 * 5));
  // What the balancer sent: requests alone, to the servers' MAC addresses.
  const mark = await client.open({ ip: `${OUTSIDE[4]}9` });
  await mark.send('.'.repeat(777), endpoint(at('front', 4, 3), 8000));
  await wire.take(({ text }) => text.endsWith('length 777'));
  const macs = SERVERS.map((name) => network.run(name, 'cat', '/sys/class/net/eth0/address').trim());
  assert.ok(wire.all.length > 100, `${wire.all.length} frames`);
  assert.deepEqual(wire.all.filter(({ to, text }) => !macs.includes(to) || !/ > (192\.0\.2\.|2001:db8:1::)[34][.:]/.test(text)), []);
}));
