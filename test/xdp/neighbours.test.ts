/**
 * Next hops with real neighbours: a server whose MAC address nobody can tell yet, one that comes, and one that changes its address while
 * traffic runs. What leaves for the servers is captured on the wire: what is not for a MAC address of theirs was sent wrongly.
 */
import assert from 'node:assert/strict';
import { after, test, type TestContext } from 'node:test';
import { createXdpEngine } from '../../src/engine/xdp/index.ts';
import { until } from '../contract/mailbox.ts';
import { desired, director, server as serverLine } from '../contract/make.ts';
import { planOf } from '../contract/plan.ts';
import type { Peer } from '../contract/world.ts';
import { openHost } from '../fixtures/host.ts';
import { Scope } from '../fixtures/scope.ts';
import { capture } from './capture.ts';
import { at, endpoint, enter, FAMILIES, farName, HOSTS, makeSite, SERVERS, type Family, type Server } from './site.ts';

/** How often the kernel asks for a managed neighbour that does not answer: net.ipv4.neigh.default.interval_probe_time_ms of the first network namespace, for all. */
const MANAGED_MS = 5_000;
/** A check uses the kernel's neighbour, and so has it asked for. */
const CHECK_MS = 100;
/** How long the kernel believes that a neighbour is there (30 s by itself, and half of that more or less), and how fast and how often it asks at the address it had (3 times, a second apart, after 5 s). */
const REACHABLE_MS = 400;
const RETRANS_MS = 100;
const UCAST_PROBES = 3;
/** A way to a server is kept so long (src/engine/xdp/engine.ts, TIMES_MS.hop). */
const KEPT_MS = 1_000;
/** What a busy machine may take longer. */
const SLACK_MS = 500;
const NEW_MACS: Readonly<Record<Server, string>> = { srv1: '02:57:45:49:52:91', srv2: '02:57:45:49:52:92' };
const PORT = 8000;

const scope = new Scope();
after(() => scope.end());
const network = makeSite(scope, HOSTS);
// Deaf, not down: nobody is told of it, and the server keeps what it knows.
network.run('back', 'ip', 'link', 'set', 'far-srv20', 'down');
for (const family of FAMILIES) {
  const settings = { base_reachable_time_ms: REACHABLE_MS, delay_first_probe_time: 0, retrans_time_ms: RETRANS_MS, ucast_solicit: UCAST_PROBES };
  network.run('balancer', 'sysctl', '-qw', ...Object.entries(settings).map(([name, value]) => `net.ipv${family}.neigh.eth1.${name}=${value}`));
}
const macs: Readonly<Record<Server, string>> = { srv1: macOf('srv1'), srv2: macOf('srv2') };
const clients = new Map<Family, Peer>();
const client = await openHost(scope, network.on('client'));
for (const [i, name] of SERVERS.entries()) {
  const host = await openHost(scope, network.on(farName(name)));
  for (const family of FAMILIES) await host.open({ ip: at('back', family, 21 + i), port: PORT, behaviour: { tag: name } });
}
const balancer = await openHost(scope, network.on('balancer'));
const checker = new Map<Family, Peer>();
for (const family of FAMILIES) {
  clients.set(family, await client.open({ ip: at('front', family, 9) }));
  checker.set(family, await balancer.open({ ip: at('back', family, 2) }));
}
const wire = await capture(scope, network.on('back'), 'balancer1', 'udp');

enter(scope, network, 'balancer');
const engine = await createXdpEngine({ onEvent: () => undefined, sessions: 1 << 12 });
scope.defer(() => engine.close('remove'));
const directors = FAMILIES.flatMap((family) => SERVERS.map((name, i) =>
  director(endpoint(at('front', family, 3 + i), PORT), [serverLine(name, endpoint(at('back', family, 21 + i), PORT))], { name: `${name} ${family}` })));
await engine.apply(planOf(desired(directors), await engine.observe()));

function macOf(name: Server): string {
  return network.run(farName(name), 'cat', '/sys/class/net/eth0/address').trim();
}

/** The VIP that leads to a server. */
function vipOf(name: Server, family: Family): string {
  return at('front', family, 3 + SERVERS.indexOf(name));
}

async function send(name: Server, family: Family, text: string): Promise<void> {
  await clients.get(family)?.send(text, endpoint(vipOf(name, family), PORT));
}

let asked = 0;

/** Sends every 20 ms until an answer comes; returns after how many ms that was. Throws after `boundMs`. */
async function askUntilAnswered(name: Server, family: Family, boundMs: number): Promise<number> {
  const begin = performance.now();
  for (;;) {
    const text = `question ${++asked}.`;
    await send(name, family, text);
    const answered = await clients.get(family)?.inbox.take((d) => d.text === `${name}:${text}`, 20).then(() => true, () => false);
    const ms = performance.now() - begin;
    if (answered === true) return ms;
    assert.ok(ms < boundMs, `no answer from ${name} by IPv${family} within ${boundMs} ms`);
  }
}

/** Sends a datagram of a length that nothing else has to the server that is there: once it is seen on the wire, all before it was. */
async function mark(length: number): Promise<void> {
  await send('srv1', 4, '.'.repeat(length));
  await wire.take(({ text }) => text.endsWith(`length ${length}`));
}

test('what is for a server without a known MAC address is dropped and counted, and nothing leaves for anybody', { timeout: 60_000 }, async () => {
  for (const family of FAMILIES) {
    for (let i = 0; i < 5; i++) await send('srv2', family, `lost ${i}`);
    await until('the drops', async () => (await engine.read()).directors.find((d) => d.name === `srv2 ${family}`)?.drops.unreachable, (count) => count === 5);
  }
  await mark(777);
  assert.deepEqual(wire.all.map(({ to }) => to), [macs.srv1], 'the mark alone');
});

test("a server that comes is served at the next round of the kernel's questions", { timeout: 60_000 }, async (t) => {
  network.run('back', 'ip', 'link', 'set', 'far-srv20', 'up');
  const took = await Promise.all(FAMILIES.map((family) => askUntilAnswered('srv2', family, MANAGED_MS + KEPT_MS + SLACK_MS)));
  t.diagnostic(`after ${took.map(Math.round).join(' and ')} ms`);
});

/** Changes a server's MAC address and asks until all is well again; what went to the address of before must have gone within the bound. */
async function changes(t: TestContext, name: Server, boundMs: number): Promise<void> {
  for (const family of FAMILIES) await askUntilAnswered(name, family, SLACK_MS);
  network.run(farName(name), 'ip', 'link', 'set', 'eth0', 'address', NEW_MACS[name]);
  const changed = Date.now() / 1000;
  const took = await Promise.all(FAMILIES.map((family) => askUntilAnswered(name, family, boundMs)));
  t.diagnostic(`answered again after ${took.map(Math.round).join(' and ')} ms`);
  for (let i = 0; i < 20; i++) for (const family of FAMILIES) await askUntilAnswered(name, family, SLACK_MS);
  await mark(800 + SERVERS.indexOf(name));
  assert.ok(wire.all.some(({ to }) => to === NEW_MACS[name]));
  assert.deepEqual(wire.all.filter((frame) => frame.to === macs[name] && frame.at > changed + boundMs / 1000), [], 'the address of before');
  assert.deepEqual(wire.all.filter(({ to }) => ![...Object.values(macs), ...Object.values(NEW_MACS)].includes(to)), [], 'an address of nobody');
  const { directors: read } = await engine.read();
  assert.deepEqual(read.filter((d) => d.name.startsWith(name)).map((d) => d.sessionsCreated), [1, 1], 'its sessions stay');
}

test('a server that tells of its new MAC address gets everything there within a second', { timeout: 60_000 }, async (t) => {
  network.run('far-srv1', 'sysctl', '-qw', 'net.ipv4.conf.all.arp_notify=1', 'net.ipv6.conf.eth0.ndisc_notify=1');
  await changes(t, 'srv1', KEPT_MS + SLACK_MS);
});

test("a server that tells nobody of its new MAC address is found when the kernel's own questions stay unanswered, which its checks set off", { timeout: 60_000 }, async (t) => {
  const check = async (family: Family): Promise<void> => checker.get(family)?.send('check', endpoint(at('back', family, 22), PORT));
  const checks = setInterval(() => void Promise.all(FAMILIES.map(check)), CHECK_MS);
  try {
    await changes(t, 'srv2', 1.5 * REACHABLE_MS + 2 * CHECK_MS + (UCAST_PROBES + 1) * RETRANS_MS + KEPT_MS + SLACK_MS);
  } finally {
    clearInterval(checks);
  }
});
