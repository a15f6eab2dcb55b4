import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CommandError, type RunCommand } from '../../command/command.ts';
import { parseIp } from '../../net/ip.ts';
import type { Desired } from '../../plan/desired.ts';
import { parseLinks, parseWay, readHost } from './host.ts';
import { devicesInPlay, linkPlan } from './links.ts';

const ip = (text: string) => parseIp(text) ?? assert.fail(text);

test('ways are asked for in one run; where some are missing, few more find out which', async () => {
  let runs = 0;
  const run: RunCommand = async (argv, options) => {
    if (!argv.includes('-batch')) return { stdout: '[]', stderr: '' };
    runs++;
    const lines = (options?.input ?? '').trimEnd().split('\n');
    if (lines.some((line) => line.endsWith('.77'))) throw new CommandError({ kind: 'failed', argv, exitCode: 1, stderr: 'Network is unreachable' });
    return { stdout: lines.map((line) => JSON.stringify([{ dst: line.split(' ')[2], dev: 'eth0', gateway: '192.0.2.1', prefsrc: '192.0.2.2' }])).join('\n'), stderr: '' };
  };
  const all = Array.from({ length: 128 }, (_, n) => ip(`10.0.0.${n}`));
  const { ways } = await readHost(run, [...all, ...all]);
  assert.equal(ways.size, 128);
  assert.equal(ways.get('10.0.0.77'), null);
  assert.deepEqual(ways.get('10.0.0.5'), { device: 'eth0', gateway: ip('192.0.2.1'), source: ip('192.0.2.2'), local: false });
  assert.ok(runs <= 15, `${runs} runs`);
});

test('a route of the kind unreachable is no way, one of kind local is this host', () => {
  assert.equal(parseWay({ type: 'unreachable', dev: 'lo' }), null);
  assert.equal(parseWay(undefined), null);
  assert.equal(parseWay({ type: 'local', dev: 'lo', dst: '192.0.2.1' })?.local, true);
});

test('interfaces are Ethernet or not, VLANs know their parent, scopes of addresses are told apart', () => {
  const { links, addresses } = parseLinks([
    { ifindex: 1, ifname: 'lo', link_type: 'loopback', mtu: 65536, address: '00:00:00:00:00:00', addr_info: [{ local: '127.0.0.1', scope: 'host' }] },
    { ifindex: 2, ifname: 'eth0', link_type: 'ether', mtu: 1500, address: '02:00:00:00:00:01', addr_info: [{ local: '192.0.2.1', scope: 'global' }, { local: 'fe80::1', scope: 'link' }] },
    { ifindex: 7, ifname: 'eth0.5', link: 'eth0', link_type: 'ether', mtu: 1500, address: '02:00:00:00:00:01', linkinfo: { info_kind: 'vlan', info_data: { id: 5 } } },
    { ifindex: 8, ifname: 'wg0', link_type: 'none', mtu: 1420 },
  ]);
  assert.deepEqual(links.map((l) => [l.name, l.ethernet, l.vlan]), [['lo', false, null], ['eth0', true, null], ['eth0.5', true, { parent: 2, id: 5 }], ['wg0', false, null]]);
  assert.deepEqual(addresses.map((a) => [a.ip.text, a.global]), [['127.0.0.1', false], ['192.0.2.1', true], ['fe80::1', false]]);
});

test('the program runs where VIPs are, where ways lead and on default routes; numbers of interfaces last, those used before are given last', () => {
  const ether = (ifindex: number, name: string) => ({ ifindex, name, mac: [2, 0, 0, 0, 0, ifindex], mtu: 1500, ethernet: true, kind: '', vlan: null });
  const facts = {
    links: [ether(2, 'a'), ether(3, 'b'), ether(4, 'c'), ether(5, 'd'), { ...ether(6, 'wg'), ethernet: false }],
    addresses: [{ ip: ip('192.0.2.1'), device: 'a', global: true }], defaults: ['c', 'wg'],
    ways: new Map([['10.0.0.1', { device: 'b', gateway: null, source: null, local: false }], ['10.0.0.2', null]]),
  };
  const desired = { directors: [{ vip: ip('192.0.2.1'), servers: [{ ip: ip('10.0.0.1') }, { ip: ip('10.0.0.2') }] }] } as unknown as Desired;
  assert.deepEqual(devicesInPlay(desired, facts, undefined), ['a', 'b', 'c']);
  assert.deepEqual(devicesInPlay(desired, facts, ['d']), ['d']);
  const rows = Array.from({ length: 64 }, (_, id) => (id === 5 ? 3 : id < 4 ? 100 + id : 0));
  const plan = linkPlan(['a', 'b'], facts, rows);
  assert.deepEqual(plan.links.map((l) => [l.own, l.id]), [[2, 4], [3, 5]]);
  assert.throws(() => linkPlan(Array.from({ length: 64 }, (_, n) => `e${n}`), { ...facts, links: Array.from({ length: 64 }, (_, n) => ether(n + 2, `e${n}`)) }, []), /more than 63 interfaces/);
});
