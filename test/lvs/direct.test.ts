/**
 * Modes gateway and tunnel with real traffic: servers that have the VIP themselves (on lo, or on a device that unwraps IPIP) get the client's
 * own datagram and answer it past the balancer; `check vip` asks each of them by the same path.
 */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { EngineEvent } from '../../src/engine/engine.ts';
import { createLvsEngine } from '../../src/engine/lvs/index.ts';
import type { Endpoint } from '../../src/net/endpoint.ts';
import type { DesiredDirector } from '../../src/plan/desired.ts';
import { desired, director, server } from '../contract/make.ts';
import { PATIENCE_MS } from '../contract/mailbox.ts';
import { planOf } from '../contract/plan.ts';
import type { Peer } from '../contract/world.ts';
import type { CheckResult } from '../../src/health/health.ts';
import { startCheckRunner } from '../fixtures/check-runs.ts';
import { Scope, withScope } from '../fixtures/scope.ts';
import { address, HOSTS, makeHosts, setSysctl, type Hosts } from './hosts.ts';
import { sh } from './netns.ts';

const VIP: Endpoint = { ip: address('192.0.2.3'), port: 8000 };
const SERVERS = ['near1', 'near2'] as const;
type Server = (typeof SERVERS)[number];

/** What makes a server of a mode: how it comes by the VIP, and ipvsadm's words. */
const MODES = [
  { mode: 'gateway', words: '-g -w 1', device: 'lo', make: () => undefined },
  { mode: 'tunnel', words: '-i -w 1 --tun-type ipip', device: 'ipip1', make: (name: Server) => void sh('ip', '-n', name, 'link', 'add', 'ipip1', 'type', 'ipip', 'local', HOSTS[name].ip) },
] as const;

const scope = new Scope();
after(() => scope.end());
const hosts = makeHosts(scope, '192.0.2.4');
sh('ip', 'address', 'add', `${VIP.ip.text}/32`, 'dev', 'eth0');
setSysctl('net/ipv4/ip_forward', 1);

for (const { mode, words, device, make } of MODES) {
  test(`mode ${mode}: servers that have the VIP on ${device} see the client itself and answer from the VIP, past the balancer`, { timeout: 90_000 }, (t) => withScope(async (own) => {
    const peers = new Map<Server, Peer>();
    for (const name of SERVERS) {
      make(name);
      await ownVip(own, hosts, name, device);
      const peer = await hosts.open(name, { ip: VIP.ip.text, port: VIP.port, behaviour: { tag: name } });
      own.defer(() => peer.close());
      peers.set(name, peer);
    }
    const checked = await startCheckRunner(own, []);
    const byWayOf = (name: Server): Promise<CheckResult> => checked(`director d 192.0.2.3:8000 UDP\n  mode ${mode}\n  check vip interval 8s timeout 4s\n  option udpcheck send "probe" expect "${name}:probe"\n  server s ${HOSTS[name].ip} check\n`, PATIENCE_MS);
    for (const name of SERVERS) assert.match((await byWayOf(name)).detail, /^expected reply in /, `check vip by way of ${name}`);
    const events: EngineEvent[] = [];
    const engine = await createLvsEngine({ onEvent: (event) => events.push(event) });
    own.defer(() => engine.close('remove'));
    const main = (down: string): DesiredDirector => director(VIP, SERVERS.map((name) => server(name, { ip: address(HOSTS[name].ip), port: 0 }, { state: name === down ? 'down' : 'up' })), { mode, balance: 'roundrobin' });
    const apply = async (wanted: DesiredDirector): Promise<void> => {
      assert.deepEqual(engine.unsupported(desired([wanted])), []);
      await engine.apply(planOf(desired([wanted]), await engine.observe()));
      assert.deepEqual(planOf(desired([wanted]), await engine.observe()).steps, [], 'a second plan is empty');
    };
    await apply(main(''));
    assert.deepEqual(sh('ipvsadm', '-Sn').trim().split('\n').toSorted(), [`-A -u 192.0.2.3:8000 -s wrr`, ...SERVERS.map((name) => `-a -u 192.0.2.3:8000 -r ${HOSTS[name].ip}:0 ${words}`)]);

    const clients = await Promise.all(Array.from({ length: 4 }, () => hosts.open('client')));
    const ask = async (client: Peer, text: string): Promise<Server> => {
      await client.send(text, VIP);
      const { from, text: answer } = await client.inbox.take((d) => d.text.endsWith(`:${text}`));
      assert.deepEqual(from, VIP, 'the answer is from the VIP');
      const name = answer.slice(0, -text.length - 1) as Server;
      const seen = await peers.get(name)?.inbox.take((d) => d.text === text);
      assert.deepEqual(seen?.from, client.at, 'the server saw the client itself');
      return name;
    };
    const homes: Server[] = [];
    for (const [i, client] of clients.entries()) homes.push(await ask(client, `first ${i}`));
    assert.deepEqual(SERVERS.map((name) => homes.filter((home) => home === name).length), [2, 2]);
    for (const [i, client] of clients.entries()) assert.equal(await ask(client, `again ${i}`), homes[i], 'its session stays');
    const [client] = clients as [Peer];
    await ask(client, 'x'.repeat(3000));
    if (mode === 'tunnel') await fitsOnlyUnwrapped(client, ask);

    const [home] = homes as [Server];
    const downAt = performance.now();
    await apply(main(home));
    assert.notEqual(await ask(client, 'after'), home, 'an established flow moves with its next datagram');
    t.diagnostic(`answered by the other server ${Math.round(performance.now() - downAt)} ms after the apply began`);
    assert.deepEqual(events, []);
  }));
}

/** As servers of a VIP are set up: it is theirs, and they never tell anybody on the LAN. */
async function ownVip(own: Scope, { on }: Hosts, name: Server, device: string): Promise<void> {
  for (const setting of ['arp_ignore=1', 'arp_announce=2', 'rp_filter=0']) on[name].run('sysctl', '-qw', `net.ipv4.conf.all.${setting}`);
  if (device !== 'lo') on[name].run('sysctl', '-qw', `net.ipv4.conf.${device}.rp_filter=0`);
  sh('ip', '-n', name, 'address', 'add', `${VIP.ip.text}/32`, 'dev', device);
  sh('ip', '-n', name, 'link', 'set', device, 'up');
  own.defer(() => void sh('ip', '-n', name, 'address', 'delete', `${VIP.ip.text}/32`, 'dev', device));
}

/** 1500 bytes with their headers, 1520 in the tunnel: the client is told by ICMP (RFC 1191), and its kernel cuts what follows. */
async function fitsOnlyUnwrapped(client: Peer, ask: (client: Peer, text: string) => Promise<Server>): Promise<void> {
  await client.send('y'.repeat(1472), VIP);
  await ask(client, 'a moment later');
  await ask(client, 'z'.repeat(1472));
}
