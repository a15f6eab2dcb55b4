import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { endianness, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { cidrText } from '../net/cidr.ts';
import { hostFacts } from './host-facts.ts';

test('routes, forwarding and strict interfaces are read as the kernel writes them', { skip: endianness() === 'LE' ? false : 'the sample is of a little-endian kernel' }, () => {
  const proc = mkdtempSync(join(tmpdir(), 'weir-proc-'));
  const put = (path: string, text: string): void => {
    mkdirSync(dirname(join(proc, path)), { recursive: true });
    writeFileSync(join(proc, path), text);
  };
  try {
    put('net/route', 'Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\neth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\neth1\t006433C6\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n');
    put('net/ipv6_route', `20010db8${'0'.repeat(24)} 20 ${'0'.repeat(32)} 00 ${'0'.repeat(32)} 00000100 00000001 00000000 00000001     eth0\n`);
    put('sys/net/ipv4/ip_forward', '0\n');
    put('sys/net/ipv6/conf/all/forwarding', '1\n');
    for (const [name, value] of [['all', '0'], ['default', '1'], ['eth0', '1'], ['eth1', '2']]) put(`sys/net/ipv4/conf/${name}/rp_filter`, `${value}\n`);
    const facts = hostFacts(proc) ?? assert.fail();
    const routes = facts.routes?.map(({ iface, network, gateway }) => [iface, cidrText(network), gateway]) ?? [];
    assert.deepEqual(routes.filter(([iface]) => iface !== 'lo'), [['eth0', '0.0.0.0/0', true], ['eth1', '198.51.100.0/24', false], ['eth0', '2001:db8::/32', false]]);
    // The default route is no way to what is of this host itself.
    assert.deepEqual(routes.filter(([, network]) => network === '127.0.0.0/8' || network === '127.0.0.1' || network === '127.0.0.1/32').map(([iface]) => iface), ['lo', 'lo']);
    assert.deepEqual([facts.forwarding, facts.rpFilterStrict], [{ 4: false, 6: true }, ['eth0']]);
  } finally {
    rmSync(proc, { recursive: true });
  }
});

test('a host that tells nothing is unknown, not wrong', () => {
  const facts = hostFacts('/nowhere') ?? assert.fail();
  assert.deepEqual([facts.forwarding, facts.routes, facts.rpFilterStrict], [undefined, undefined, undefined]);
  assert.ok(facts.interfaces.length > 0);
});

test('a system that cannot even list its interfaces is no reason to fail', () => {
  assert.equal(hostFacts('/proc', () => {
    throw new Error('uv_interface_addresses returned EMFILE');
  }), null);
});
