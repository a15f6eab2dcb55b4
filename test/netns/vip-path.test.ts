/**
 * `check vip` in mode gateway: the question goes to the VIP by way of the server's MAC address, and the answer, which comes from an address of this host, is seen.
 * (Mode tunnel: test/lvs/direct.test.ts, in a kernel that has IPIP.)
 *
 *   balancer 198.51.100.2, VIP 198.51.100.3   server 198.51.100.21, the VIP on lo; the same in IPv6
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CheckResult } from '../../src/health/health.ts';
import { startDns, startSipp, type Place } from '../fixtures/check-peers.ts';
import { startCheckRunner } from '../fixtures/check-runs.ts';
import { needs } from '../fixtures/needs.ts';
import { makeNetwork, testNamespaces } from '../fixtures/network.ts';
import { withScope } from '../fixtures/scope.ts';

const TIMEOUT_MS = 800;
const PATIENCE_MS = 10_000;
const FAMILIES = [
  { name: 'IPv4', vip: '198.51.100.3', host: '198.51.100.21', own: '198.51.100.2', bits: 32, at: (ip: string, port: number) => `${ip}:${port}` },
  { name: 'IPv6', vip: '2001:db8:1::3', host: '2001:db8:1::21', own: '2001:db8:1::2', bits: 128, at: (ip: string, port: number) => `[${ip}]:${port}` },
] as const;
const DNS = 'option dnscheck name a.test type A rcode NOERROR';

test('a VIP is asked by way of its server in mode gateway: up, stopped, without the VIP, gone', { ...needs('ip', 'dnsmasq', 'sipp'), timeout: 60_000 }, (t) => withScope(async (scope) => {
  const network = makeNetwork(scope, [
    { name: 'balancer', ports: [{ device: 'eth0', lan: 'back', addresses: ['198.51.100.2/24', '198.51.100.3/32', '2001:db8:1::2/64', '2001:db8:1::3/128'] }] },
    { name: 'server', ports: [{ device: 'eth0', lan: 'back', addresses: ['198.51.100.21/24', '2001:db8:1::21/64'] }] },
  ]);
  network.run('server', 'sysctl', '-qw', 'net.ipv4.conf.all.arp_ignore=1', 'net.ipv4.conf.all.arp_announce=2', 'net.ipv4.icmp_ratelimit=0', 'net.ipv6.icmp.ratelimit=0');
  const neighbour = ['delay_first_probe_time=0', 'retrans_time_ms=100', 'base_reachable_time_ms=100', 'ucast_solicit=1', 'mcast_solicit=2'];
  network.run('balancer', 'sysctl', '-qw', ...neighbour.flatMap((s) => [`net.ipv4.neigh.eth0.${s}`, `net.ipv6.neigh.eth0.${s}`]));
  const check = await startCheckRunner(scope, network.on('balancer'));
  const ask = (text: string): Promise<CheckResult> => check(text, PATIENCE_MS);
  const until = async (text: string, good: (result: CheckResult) => boolean): Promise<CheckResult> => {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const result = await ask(text);
      if (good(result)) return result;
      if (Date.now() > deadline) assert.fail(`${text}\n${JSON.stringify(result)}`);
    }
  };
  const ownVip = (what: 'add' | 'delete'): void => FAMILIES.forEach(({ vip, bits }) => network.run('server', 'ip', 'address', what, `${vip}/${bits}`, 'dev', 'lo'));
  ownVip('add');

  for (const { name, vip, host, own: source, at } of FAMILIES) {
    const text = (words: string, option: string, port: number): string => `director row ${at(vip, port)} UDP\n  mode gateway\n  check ${words} timeout ${TIMEOUT_MS}ms interval 1s\n  ${option}\n  server s ${host} check\n`;
    const place = (ip: string, port: number): Place => ({ ip, port, prefix: network.on('server') });
    const [vipDns, vipSip] = [text('vip', DNS, 7001), text('vip', 'option sipcheck', 7002)];
    const dns = await startDns(scope, place(vip, 7001));
    const sip = await startSipp(scope, place(vip, 7002));
    const up = await until(vipDns, (r) => r.ok);
    assert.match(up.detail, /^rcode NOERROR/);
    assert.ok((await until(vipSip, (r) => r.ok)).ok, 'a protocol that names the address it is asked from');
    // From the VIP, which IPv6 would choose, nothing comes back: it is the server's own.
    const plain = text(`source ${source}`, DNS, 7001);
    assert.equal((await ask(plain)).finding, 'refused', "nobody serves at the server's own address");
    assert.ok((await Promise.all(Array.from({ length: 50 }, () => ask(vipDns)))).every((r) => r.ok), 'many at once, each with its own answer');

    dns.signal('SIGKILL');
    sip.signal('SIGKILL');
    await Promise.all([dns.exit, sip.exit]);
    const stopped = await until(vipDns, (r) => r.finding === 'refused');
    assert.deepEqual([stopped.ok, stopped.detail], [false, 'ICMP port unreachable'], name);

    const own = await startDns(scope, place(host, 7001));
    assert.ok((await until(plain, (r) => r.ok)).ok, 'at its own address all is well');
    ownVip('delete');
    const without = await ask(vipDns);
    assert.deepEqual([without.ok, without.finding, without.detail], [false, undefined, `no answer within ${TIMEOUT_MS} ms`], 'and clients get nothing: the VIP is not there');
    ownVip('add');

    network.run('server', 'ip', 'link', 'set', 'eth0', 'down');
    const gone = await until(vipDns, (r) => !r.ok && r.finding === undefined);
    t.diagnostic(`${name}: up: ${up.detail}; without the VIP: ${without.detail}; host gone: ${gone.detail}`);
    network.run('server', 'ip', 'link', 'set', 'eth0', 'up');
    network.run('server', 'ip', 'address', 'replace', '2001:db8:1::21/64', 'dev', 'eth0', 'nodad');
    own.signal('SIGKILL');
    await own.exit;
  }
  assert.equal((await ask(`director row 198.51.100.3:7001 UDP\n  mode gateway\n  check vip source 198.51.100.3 timeout ${TIMEOUT_MS}ms interval 1s\n  ${DNS}\n  server s 198.51.100.21 check\n`)).finding, 'cannot', 'not from the VIP itself');
}));

test('no namespace is left', needs('ip'), () => assert.deepEqual(testNamespaces(), []));
