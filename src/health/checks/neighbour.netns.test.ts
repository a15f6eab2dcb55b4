/**
 * arpcheck and the check without an option against a real neighbour, in network namespaces (needs root).
 * weir-a 198.51.100.1/24, 2001:db8:51::1/64 -- veth -- weir-b 198.51.100.2/24, 2001:db8:51::2/64; nobody has .3 and ::3.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { CheckResult } from '../health.ts';

const run = promisify(execFile);
const probe = fileURLToPath(new URL('./neighbour.netns.probe.js', import.meta.url));
const a = `weir-ha-${process.pid}`;
const b = `weir-hb-${process.pid}`;
const missing = await setUp().then(() => false as const, (cause: unknown) => `network namespaces cannot be made (needs root, iproute2 and nftables): ${String(cause).slice(0, 200)}`);
after(() => Promise.allSettled([ip('netns', 'del', a), ip('netns', 'del', b)]));

async function ip(...argv: string[]): Promise<string> {
  return (await run('ip', argv, { timeout: 10_000 })).stdout;
}

/** The kernel trusts a neighbour for up to 45 s and then asks for 8 s; here it does both in well under a second. */
async function setUp(): Promise<void> {
  await ip('netns', 'add', a);
  await ip('netns', 'add', b);
  await ip('-n', a, 'link', 'add', 'va', 'type', 'veth', 'peer', 'name', 'vb', 'netns', b);
  await ip('-n', a, 'address', 'add', '198.51.100.1/24', 'dev', 'va');
  await ip('-n', a, 'address', 'add', '2001:db8:51::1/64', 'dev', 'va', 'nodad');
  await ip('-n', b, 'address', 'add', '198.51.100.2/24', 'dev', 'vb');
  await ip('-n', b, 'address', 'add', '2001:db8:51::2/64', 'dev', 'vb', 'nodad');
  for (const [ns, dev] of [[a, 'va'], [b, 'vb']] as const) {
    await ip('-n', ns, 'link', 'set', 'lo', 'up');
    await ip('-n', ns, 'link', 'set', dev, 'up');
  }
  // Until addrconf has seen the carrier, up to a second after `up`, an address is tentative and its host answers no solicitation.
  for (let tries = 0; (await ip('-n', b, '-6', '-o', 'address', 'show', 'dev', 'vb', 'to', '2001:db8:51::2', 'tentative')) !== ''; tries++) {
    if (tries === 100) throw new Error('2001:db8:51::2 stayed tentative for 5 s');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  for (const family of ['ipv4', 'ipv6']) {
    const set = ['delay_first_probe_time=0', 'retrans_time_ms=100', 'base_reachable_time_ms=100', 'ucast_solicit=1', 'mcast_solicit=2'].map((s) => `net.${family}.neigh.va.${s}`);
    await ip('netns', 'exec', a, 'sysctl', '-qw', ...set);
  }
  // B refuses in silence, so that only the neighbour answers.
  await ip('netns', 'exec', b, 'nft', 'add table inet mute; add chain inet mute out { type filter hook output priority 0; }; '
    + 'add rule inet mute out icmp type destination-unreachable drop; add rule inet mute out icmpv6 type destination-unreachable drop');
}

async function check(kind: 'arp' | 'default' | 'icmp', to: string): Promise<CheckResult> {
  return JSON.parse(await ip('netns', 'exec', a, process.execPath, probe, kind, to)) as CheckResult;
}

describe('against a real neighbour', { skip: missing }, () => {
  test('arpcheck is up on a live host, IPv4 and IPv6', async () => {
    for (const to of ['198.51.100.2', '2001:db8:51::2']) {
      const result = await check('arp', to);
      assert.equal(result.ok, true, result.detail);
      assert.match(result.detail, /^(ARP|ND) entry [0-9a-f:]{17} on va$/);
    }
    const plain = await check('default', '198.51.100.2');
    assert.match(plain.detail, /^no ICMP error within \d+ ms, host answers ARP on va, no reply required/);
  });
  test('arpcheck and the plain check are down on an address nobody has', async () => {
    for (const [kind, to] of [['arp', '198.51.100.3'], ['default', '198.51.100.3'], ['arp', '2001:db8:51::3']] as const) {
      const result = await check(kind, to);
      assert.deepEqual([result.ok, result.finding], [false, undefined], result.detail);
      assert.match(result.detail, /(ARP|ND)/);
    }
  });
  test('arpcheck refuses what is beyond a router by name', async () => {
    await ip('-n', a, 'route', 'add', 'default', 'via', '198.51.100.2');
    assert.match((await check('arp', '203.0.113.7')).detail, /not on-link/);
  });
  test('a host that dies without a word is seen by arpcheck, the plain check and icmpcheck', async () => {
    assert.equal((await check('icmp', '198.51.100.2')).ok, true);
    await ip('-n', b, 'link', 'set', 'vb', 'arp', 'off');
    await ip('-n', b, 'address', 'flush', 'dev', 'vb');
    // The kernel notices by asking: a few checks, as the scheduler would make them.
    for (const kind of ['arp', 'default', 'icmp'] as const) {
      let result = await check(kind, '198.51.100.2');
      for (let i = 0; i < 10 && result.ok; i++) result = await check(kind, '198.51.100.2');
      assert.equal(result.ok, false, `${kind}: ${result.detail}`);
    }
  });
});
