/**
 * Paths that take less than interfaces do. A router's "too big" reaches whoever sent the datagram, translated; the balancer says it itself where its
 * own way out takes less. The sender's kernel then cuts what follows, and it arrives.
 *
 *   client .9 ── front ─┐                            ┌─ back ── server .21
 *                       ├─ balancer .2, VIPs .3 .4 ──┼─ back ── router .8 ── beyond, 1300 bytes ── far server
 *   far client ─ outside, 1300 bytes ─ router .7 ────┘  └─ narrow, 1300 bytes ── narrow server
 *
 * Servers see one VIP as the source of what was sent to it, and the client itself of what was sent to the other.
 */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { createXdpEngine } from '../../src/engine/xdp/index.ts';
import { until } from '../contract/mailbox.ts';
import { desired, director, server as serverLine } from '../contract/make.ts';
import { planOf } from '../contract/plan.ts';
import type { Peer } from '../contract/world.ts';
import { openHost } from '../fixtures/host.ts';
import type { HostPlan } from '../fixtures/network.ts';
import { Scope } from '../fixtures/scope.ts';
import { at, both, endpoint, enter, FAMILIES, makeSite, type Family } from './site.ts';

const SMALL = 1300;
/** More than the small path takes, in both families; less than the others do. */
const BIG = 1400;
/** Hosts of these networks are written whole: 203.0.113.0/24 is cut in four. */
const OUTSIDE = { net: { 4: '203.0.113.0/26', 6: '2001:db8:9::/64' }, router: { 4: '203.0.113.1', 6: '2001:db8:9::1' }, host: { 4: '203.0.113.9', 6: '2001:db8:9::9' } } as const;
const BEYOND = { net: { 4: '203.0.113.64/26', 6: '2001:db8:a::/64' }, router: { 4: '203.0.113.65', 6: '2001:db8:a::1' }, host: { 4: '203.0.113.73', 6: '2001:db8:a::9' } } as const;
const NARROW = { net: { 4: '203.0.113.128/26', 6: '2001:db8:b::/64' }, router: { 4: '203.0.113.129', 6: '2001:db8:b::1' }, host: { 4: '203.0.113.137', 6: '2001:db8:b::9' } } as const;

const own = (addresses: Readonly<Record<Family, string>>): string[] => [`${addresses[4]}/26`, `${addresses[6]}/64`];
const out = (by: Readonly<Record<Family, string>>): string[] => FAMILIES.map((family) => `default via ${by[family]}`);
const through = (to: Readonly<Record<Family, string>>, lan: 'front' | 'back', host: number): string[] => FAMILIES.map((family) => `${to[family]} via ${at(lan, family, host)}`);
const byBalancer = (lan: 'front' | 'back'): string[] => out({ 4: at(lan, 4, 2), 6: at(lan, 6, 2) });

const HOSTS: readonly HostPlan[] = [
  { name: 'client', ports: [{ device: 'eth0', lan: 'front', addresses: both('front', 9) }], routes: byBalancer('front') },
  { name: 'ahead', ports: [{ device: 'eth0', lan: 'front', addresses: both('front', 7) }, { device: 'eth1', lan: 'outside', addresses: own(OUTSIDE.router) }], routes: byBalancer('front') },
  { name: 'farclient', ports: [{ device: 'eth0', lan: 'outside', addresses: own(OUTSIDE.host) }], routes: out(OUTSIDE.router) },
  {
    name: 'balancer',
    ports: [{ device: 'eth0', lan: 'front', addresses: both('front', 2, 3, 4) }, { device: 'eth1', lan: 'back', addresses: both('back', 2) }, { device: 'eth2', lan: 'narrow', addresses: own(NARROW.router) }],
    routes: [...through(OUTSIDE.net, 'front', 7), ...through(BEYOND.net, 'back', 8)],
  },
  { name: 'server', ports: [{ device: 'eth0', lan: 'back', addresses: both('back', 21) }], routes: byBalancer('back') },
  { name: 'behind', ports: [{ device: 'eth0', lan: 'back', addresses: both('back', 8) }, { device: 'eth1', lan: 'beyond', addresses: own(BEYOND.router) }], routes: byBalancer('back') },
  { name: 'farserver', ports: [{ device: 'eth0', lan: 'beyond', addresses: own(BEYOND.host) }], routes: out(BEYOND.router) },
  { name: 'narrowserver', ports: [{ device: 'eth0', lan: 'narrow', addresses: own(NARROW.host) }], routes: out(NARROW.router) },
];

const scope = new Scope();
after(() => scope.end());
const network = makeSite(scope, HOSTS, ['ahead', 'behind']);
for (const [host, device] of [['ahead', 'eth1'], ['farclient', 'eth0'], ['behind', 'eth1'], ['farserver', 'eth0'], ['balancer', 'eth2'], ['narrowserver', 'eth0']] as const) network.run(host, 'ip', 'link', 'set', device, 'mtu', String(SMALL));

/** Servers by the director's port: what they get is answered by the test. */
const PORTS = { near: 8000, far: 8001, narrow: 8002 } as const;
type Where = keyof typeof PORTS;
const HOST_OF: Readonly<Record<Where, { readonly host: string; readonly ip: (family: Family) => string }>> = {
  near: { host: 'server', ip: (family) => at('back', family, 21) }, far: { host: 'farserver', ip: (family) => BEYOND.host[family] }, narrow: { host: 'narrowserver', ip: (family) => NARROW.host[family] },
};
const SHOWN = { 3: 'the VIP', 4: 'the client itself' } as const;
const servers = new Map<string, Peer>();
for (const where of Object.keys(PORTS) as Where[]) {
  const host = await openHost(scope, network.on(HOST_OF[where].host));
  for (const family of FAMILIES) servers.set(`${where} ${family}`, await host.open({ ip: HOST_OF[where].ip(family), port: PORTS[where] }));
}
const [nearClients, farClients] = [await openHost(scope, network.on('client')), await openHost(scope, network.on('farclient'))];

enter(scope, network, 'balancer');
const engine = await createXdpEngine({ onEvent: () => undefined, sessions: 1 << 12 });
scope.defer(() => engine.close('remove'));
await engine.apply(planOf(desired(FAMILIES.flatMap((family) => ([3, 4] as const).flatMap((host) => (Object.keys(PORTS) as Where[]).map((where) => {
  const vip = endpoint(at('front', family, host), PORTS[where]);
  const to = endpoint(HOST_OF[where].ip(family), PORTS[where]);
  return director(vip, [serverLine('s', to)], { name: `${where}${host}-${family}`, sourceNat: host === 3 ? { rule: 'page', addresses: { first: vip.ip, last: vip.ip }, ports: null } : null });
})))), await engine.observe()));

/** The MTU that a host's kernel knows of its path to an address; null: none but its interface's. */
function pathMtu(host: string, to: string): number | null {
  const known = /mtu (\d+)/.exec(network.run(host, 'ip', 'route', 'get', to))?.[1];
  return known === undefined ? null : Number(known);
}

async function learns(host: string, to: string): Promise<void> {
  await until(`what ${host} knows of its path to ${to}`, async () => pathMtu(host, to), (mtu) => mtu === SMALL);
}

const peerOf = (where: Where, family: Family): Peer => servers.get(`${where} ${family}`) as Peer;
const took = async (): Promise<{ readonly translated: number; readonly tooBig: number }> => {
  const { gauges, directors } = await engine.read();
  return { translated: gauges['icmp_translated'] ?? 0, tooBig: directors.reduce((sum, d) => sum + (d.drops.too_big ?? 0), 0) };
};

/** A datagram that does not fit, then one that the client's kernel cuts, and its answer, which the server's kernel cuts. */
async function tooBigFor(where: 'far' | 'narrow', vip: string, family: Family): Promise<void> {
  const client = await nearClients.open({ ip: at('front', family, 9) });
  await client.send('a'.repeat(BIG), endpoint(vip, PORTS[where]));
  await learns('client', vip);
  await client.send('b'.repeat(BIG), endpoint(vip, PORTS[where]));
  const { from } = await peerOf(where, family).inbox.take(({ text }) => text.length === BIG);
  await peerOf(where, family).send('c'.repeat(BIG), from);
  const answer = await client.inbox.take();
  assert.deepEqual([answer.text, answer.from], ['c'.repeat(BIG), endpoint(vip, PORTS[where])]);
  network.run('client', 'ip', family === 4 ? '-4' : '-6', 'route', 'flush', 'cache');
}

for (const family of FAMILIES) {
  for (const host of [3, 4] as const) {
    const vip = at('front', family, host);
    test(`IPv${family}, servers see ${SHOWN[host]}: a router behind the balancer says "too big", and the client hears it of what it sent to the VIP`, { timeout: 60_000 }, async () => {
      const before = await took();
      await tooBigFor('far', vip, family);
      assert.deepEqual(await took(), { translated: before.translated + 1, tooBig: before.tooBig });
    });
    test(`IPv${family}, servers see ${SHOWN[host]}: the balancer's own way takes less, and it says so itself`, { timeout: 60_000 }, async () => {
      const before = await took();
      await tooBigFor('narrow', vip, family);
      assert.deepEqual(await took(), { translated: before.translated, tooBig: before.tooBig + 1 });
    });
    test(`IPv${family}, servers see ${SHOWN[host]}: a router before the client says "too big", and the server hears it of its answer`, { timeout: 60_000 }, async () => {
      const before = await took();
      const [client, server] = [await farClients.open({ ip: OUTSIDE.host[family] }), peerOf('near', family)];
      await client.send('question', endpoint(vip, PORTS.near));
      const { from } = await server.inbox.take();
      await server.send('d'.repeat(BIG), from);
      await learns('server', from.ip.text);
      await server.send('e'.repeat(BIG), from);
      const answer = await client.inbox.take();
      assert.deepEqual([answer.text, answer.from], ['e'.repeat(BIG), endpoint(vip, PORTS.near)]);
      assert.deepEqual(await took(), { translated: before.translated + 1, tooBig: before.tooBig });
    });
  }
}
