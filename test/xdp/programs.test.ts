/**
 * What runs over UDP, through the whole program with the xdp engine, IPv4 and IPv6: dig against dnsmasq, answers longer than a frame, TFTP in blocks
 * of 16 kB, sipp's calls, iperf3 with datagrams of 8000 bytes both ways. On one arm (servers beside the client, which see the VIP by a NAT rule) and
 * on two (servers behind the balancer, which see the client). What is fragmented is so on the wire: MTUs are 1500.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { needs } from '../fixtures/needs.ts';
import type { Network } from '../fixtures/network.ts';
import { withScope, type Scope } from '../fixtures/scope.ts';
import { startWeir } from '../fixtures/weir.ts';
import { BOOT_IMAGE, call, dig, iperfBothWays, LONG, LONG_STRINGS, startCallee, startDnsAndTftp, startIperf, tftpGet } from './programs.ts';
import { at, FAMILIES, farName, HOSTS, makeSite, SERVERS, written, type Lan, type Server } from './site.ts';

const QUERIES = 6;
const LONG_QUERIES = 2;
const CALLS = 8;
const BLOCK = 16_384;
/** The last one is not full. */
const BLOCKS = Math.floor(BOOT_IMAGE.length / BLOCK) + 1;

interface Arm {
  readonly lan: Lan;
  readonly vip: number;
  readonly host: (server: Server) => string;
}

/** One arm, and two. */
const ARMS: readonly Arm[] = [{ lan: 'front', vip: 3, host: (server) => server }, { lan: 'back', vip: 4, host: farName }];
const SIDES = ARMS.flatMap((arm) => FAMILIES.map((family) => ({ arm, family, key: `-${arm.lan}${family}` })));

/** iperf3 talks TCP to the same address first: that is not the engine's, so a NAT rule takes it to the server that the director has. */
const CONF = `${SIDES.map(({ arm, family, key }) => {
  const vip = at('front', family, arm.vip);
  const director = (service: string, port: number, servers: readonly Server[], more: string): string => `director ${service}${key} ${written(vip, port)} UDP
${more}${servers.map((server) => `    server ${server} ${written(at(arm.lan, family, 21 + SERVERS.indexOf(server)), port)}\n`).join('')}`;
  return `${director('dns', 53, SERVERS, '    balance roundrobin\n    session request-reply\n')}${director('tftp', 69, SERVERS, '')}${director('sip', 5060, SERVERS, '    balance roundrobin\n')}${director('iperf', 5201, ['srv1'], '')}
nat control${key}
    protocol tcp
    before destination ${vip} dport 5201
    after destination ${at(arm.lan, family, 21)}${arm.lan === 'front' ? ` source ${vip}` : ''}
${arm.lan === 'front' ? `nat page${key}
    in eth0 out eth0 protocol udp
    before destination ${vip}
    after source ${vip}
` : ''}`;
}).join('\n')}
service lvs
    conntrack
`;

/** Servers whose own interface takes longer frames than the network does: dnsmasq gives no block that its interface could not hold. */
function lengthen(network: Network, host: string): void {
  network.run(host, 'ip', 'link', 'set', 'eth0', 'mtu', '20000');
  network.run(host, 'sysctl', '-qw', 'net.ipv6.conf.eth0.mtu=1500');
  for (const route of network.run(host, 'ip', '-4', 'route', 'show').trim().split('\n')) network.run(host, 'ip', 'route', 'change', ...route.trim().replace(/ (proto|scope) \S+/g, '').split(' '), 'mtu', '1500');
}

async function startServers(scope: Scope, network: Network): Promise<void> {
  await Promise.all(ARMS.flatMap(({ lan, host }) => SERVERS.map(async (server, i) => {
    lengthen(network, host(server));
    const place = { prefix: network.on(host(server)), addresses: FAMILIES.map((family) => at(lan, family, 21 + i)) };
    await Promise.all([startDnsAndTftp(scope, server, place), startCallee(scope, place), ...(i === 0 ? [startIperf(scope, place)] : [])]);
  })));
}

test('on one arm and on two, by IPv4 and IPv6: dig, long answers, TFTP in large blocks, calls and iperf3 work, and nothing is dropped', needs('ip', 'ethtool', 'dig', 'dnsmasq', 'curl', 'sipp', 'iperf3', 'nft'), () => withScope(async (scope) => {
  const network = makeSite(scope, HOSTS);
  await startServers(scope, network);
  const weir = await startWeir(scope, { prefix: network.on('balancer'), conf: CONF, engine: 'xdp' });
  const client = network.on('client');
  await Promise.all(SIDES.map(async ({ arm, family, key }) => {
    const vip = at('front', family, arm.vip);
    const [dug, long, file] = await Promise.all([
      Promise.all(Array.from({ length: QUERIES }, () => dig(scope, client, vip, 'who.test'))), Promise.all(Array.from({ length: LONG_QUERIES }, () => dig(scope, client, vip, LONG))),
      tftpGet(scope, client, vip, 'boot.img', BLOCK), call(scope, client, at('front', family, 9), vip, CALLS),
    ]);
    assert.deepEqual([...new Set(dug.flat())].toSorted(), [...SERVERS], `both servers answer${key}`);
    assert.deepEqual(long.map((strings) => strings.length), Array.from({ length: LONG_QUERIES }, () => LONG_STRINGS));
    assert.ok(BOOT_IMAGE.equals(file), `the file comes whole${key}`);
  }));
  const flows = await Promise.all(SIDES.map(async ({ arm, family, key }) => {
    const iperf = await iperfBothWays(scope, client, at('front', family, arm.vip));
    assert.deepEqual([iperf.there.lost, iperf.back.lost], [0, 0], `iperf3${key} lost some`);
    assert.ok(iperf.there.packets > 50 && iperf.back.packets > 50, JSON.stringify(iperf));
    return iperf.there.packets + iperf.back.packets;
  }));

  const { directors, drops, engine } = await weir.counted();
  for (const { key } of SIDES) {
    const counts = (service: string): readonly (number | undefined)[] => {
      const found = directors.find(({ name }) => name === `${service}${key}`);
      return [found?.packetsIn, found?.packetsOut, found?.sessionsCreated];
    };
    assert.deepEqual(counts('dns').slice(0, 2), [QUERIES + LONG_QUERIES, QUERIES + LONG_QUERIES]);
    // Requested and each block acknowledged; the options accepted and each block sent.
    assert.deepEqual(counts('tftp'), [BLOCKS + 2, BLOCKS + 1, 1]);
    // INVITE, ACK, BYE; 180, 200, 200; each call from a port of its own, and nothing twice.
    assert.deepEqual(counts('sip'), [3 * CALLS, 3 * CALLS, CALLS]);
  }
  for (const { name, servers } of directors) assert.ok(servers.every((server) => name.startsWith('tftp') || server.packetsIn > 0), `a server of ${name} got nothing`);
  // Beyond the first of a datagram: 2 of a long answer, 11 of a full block, 5 of iperf3's.
  const fragments = SIDES.length * (2 * LONG_QUERIES + 11 * (BLOCKS - 1)) + 5 * flows.reduce((sum, n) => sum + n, 0);
  assert.ok((engine.gauges['fragments_followed'] ?? 0) >= fragments, `${engine.gauges['fragments_followed']} fragments of ${fragments}`);
  assert.deepEqual([...directors.flatMap((d) => Object.entries(d.drops)), ...Object.entries(drops)].filter(([, n]) => n > 0), []);
}));
