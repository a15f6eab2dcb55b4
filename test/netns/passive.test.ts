/**
 * Passive health with no check at all: one of three DNS servers eats requests without a word, and comes back; beside it a one-way service that
 * never answers anybody, whose servers must be left alone.
 *
 *   client 192.0.2.9   balancer 192.0.2.2, VIP 192.0.2.3   front 192.0.2.0/24
 *   balancer 198.51.100.2   servers 198.51.100.21 to .23   back 198.51.100.0/24
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../contract/mailbox.ts';
import { startDnsmasq, startDnsperf } from '../fixtures/dns.ts';
import { openHost } from '../fixtures/host.ts';
import { makeNetwork, testNamespaces, type HostPlan } from '../fixtures/network.ts';
import { needs } from '../fixtures/needs.ts';
import { withScope } from '../fixtures/scope.ts';
import { startWeir } from '../fixtures/weir.ts';
import { parseIp, type Ip } from '../../src/net/ip.ts';
import type { ServerView } from '../../src/client/types.ts';

const NAMES = ['one', 'two', 'three'] as const;
const HOSTS: readonly HostPlan[] = [
  { name: 'client', ports: [{ device: 'eth0', lan: 'front', addresses: ['192.0.2.9/24'] }] },
  { name: 'balancer', ports: [{ device: 'eth0', lan: 'front', addresses: ['192.0.2.2/24', '192.0.2.3/24'] }, { device: 'eth1', lan: 'back', addresses: ['198.51.100.2/24'] }] },
  ...NAMES.map((name, i) => ({ name, ports: [{ device: 'eth0', lan: 'back', addresses: [`198.51.100.${21 + i}/24`] }] })),
];
const PER_SECOND = 300;
const SECONDS = 28;
const HOLD_MS = 3000;
/** Half of what a window of 3 s holds must be missing, which takes 1.5 s; the readings are a second apart; the rest is a loaded machine's. */
const OUT_WITHIN_MS = 5000;
/** The hold, three steps of 3 to 4 s each, and the same slack. */
const BACK_WITHIN_MS = HOLD_MS + 3 * 4000 + 5000;

const servers = (port: number): string => NAMES.map((name, i) => `    server ${name} 198.51.100.${21 + i}:${port}\n`).join('');
const CONF = `director dns 192.0.2.3:53 UDP
    balance roundrobin
    session request-reply
    passive hold ${HOLD_MS}ms
${servers(53)}
director log 192.0.2.3:514 UDP
    balance roundrobin
    session two-way timeout 1s
    passive hold ${HOLD_MS}ms
${servers(514)}`;

test('a server that eats requests is out within the stated time without any check, back when it answers; one-way servers are left alone', needs('ip', 'nft', 'dnsmasq', 'dnsperf'), (t) => withScope(async (scope) => {
  const network = makeNetwork(scope, HOSTS);
  for (const [i, name] of NAMES.entries()) {
    await startDnsmasq(scope, { name, ip: `198.51.100.${21 + i}`, port: 53, prefix: network.on(name) });
    await (await openHost(scope, network.on(name))).open({ ip: `198.51.100.${21 + i}`, port: 514, behaviour: 'silent' });
  }
  const weir = await startWeir(scope, { prefix: network.on('balancer'), conf: CONF });
  const of = async (director: string): Promise<readonly ServerView[]> => (await weir.client.servers()).filter((s) => s.director === director);
  const one = (views: readonly ServerView[]): ServerView => views.find((s) => s.name === 'one') ?? assert.fail();

  const sender = await openHost(scope, network.on('client'));
  const logs = setInterval(() => {
    // A socket each, so that two-way sessions spread.
    void sender.open({ ip: '192.0.2.9' }).then(async (peer) => {
      for (let n = 0; n < 4; n++) await peer.send('<14>a line', { ip: parseIp('192.0.2.3') as Ip, port: 514 });
      await peer.close();
    }).catch(() => undefined);
  }, 40);
  scope.defer(() => clearInterval(logs));
  const dnsperf = await startDnsperf(scope, { ip: '192.0.2.3', port: 53, perSecond: PER_SECOND, seconds: SECONDS, timeoutS: 2, prefix: network.on('client') });
  await until('all three answer', () => of('dns'), (all) => all.every(({ packetsOut }) => packetsOut > PER_SECOND));

  network.run('one', 'nft', 'table ip silence { chain in { type filter hook input priority 0; udp dport 53 drop; }; }');
  const silentAt = Date.now();
  const out = one(await until('one is put out', () => of('dns'), (all) => one(all).state === 'down'));
  assert.match(out.reason, /^passive: answered \d+ % of its requests, the others \d+ %$/);
  const outMs = out.sinceMs - silentAt;
  network.run('one', 'nft', 'delete table ip silence');
  const spokeAt = Date.now();
  const steps = new Set<number>();
  await until('one is back with all its weight', () => of('dns'), (all) => {
    const { state, weightPercent } = one(all);
    if (state !== 'down') steps.add(weightPercent);
    return state !== 'down' && weightPercent === 100;
  }, BACK_WITHIN_MS + 5000);
  const backMs = Date.now() - spokeAt;
  const result = await dnsperf.result();
  const log = await of('log');
  const events = await weir.client.events();
  t.diagnostic(`out after ${outMs} ms, back after ${backMs} ms by ${[...steps].join(', ')} %; ${result.sent} queries, ${result.lost} lost; one-way: ${log.map((s) => s.packetsIn).join(', ')} datagrams`);
  assert.ok(outMs <= OUT_WITHIN_MS, `out after ${outMs} ms`);
  assert.ok(backMs <= BACK_WITHIN_MS, `back after ${backMs} ms`);
  assert.ok(steps.has(10) && steps.has(100), [...steps].join(' '));
  // What went to it until it was out, and at most what a tenth of its weight cost before it was believed.
  assert.ok(result.lost > 0 && result.lost <= ((OUT_WITHIN_MS + 1000) / 1000) * (PER_SECOND / 3), `${result.lost} lost`);
  assert.ok(log.every(({ packetsIn, packetsOut }) => packetsIn > 100 && packetsOut === 0), 'the one-way service was busy');
  assert.deepEqual(log.map(({ state }) => state), ['unknown', 'unknown', 'unknown']);
  assert.deepEqual(events.filter(({ kind, director }) => kind === 'server-down' && director === 'log'), []);
}));

test('no namespace is left', needs('ip'), () => assert.deepEqual(testNamespaces(), []));
